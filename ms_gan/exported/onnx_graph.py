"""The ONNX graph of a generator, built from its layers."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

import ms_gan
from ms_gan.networks import ImageShape

OPSET = 13
_IR_VERSION = 7  # that of opset 13; the helpers' own choice would shut out older runtimes


def onnx_model(
    layers: list[dict[str, Any]],
    weights: Mapping[str, np.ndarray],
    latent_size: int,
    image: ImageShape,
    metadata: dict[str, Any],
) -> ModelProto:
    """Return the model: ``latents`` (batch, n) to ``images`` (batch, C, S, S), any batch.

    Parameters
    ----------
    layers : list of dict
        From `ms_gan.exported.layers.describe`.
    weights : mapping of str to ndarray
        The parameters by name.
    latent_size, image
        Of input and output.
    metadata : dict
        Kept as JSON under ``ms_gan`` in the model's properties.

    Returns
    -------
    ModelProto
        Checked by ``onnx.checker``; opset `OPSET`.
    """
    nodes, constants = [], [numpy_helper.from_array(value, name) for name, value in weights.items()]
    before = "latents"
    for number, layer in enumerate(layers):
        after = "images" if number == len(layers) - 1 else f"values_{number}"
        operator, inputs, attributes = _OPERATORS[layer["kind"]](layer["weights"], **layer["options"])
        names = [before]
        for place, value in enumerate(inputs):
            if isinstance(value, np.ndarray):
                constants.append(numpy_helper.from_array(value, f"constant_{number}_{place}"))
                value = constants[-1].name
            names.append(value)
        nodes.append(helper.make_node(operator, names, [after], name=f"layer_{number}", **attributes))
        before = after
    source = helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["batch", latent_size])
    drawn = helper.make_tensor_value_info(
        "images", TensorProto.FLOAT, ["batch", image.channels, image.size, image.size]
    )
    model = helper.make_model(
        helper.make_graph(nodes, "generator", [source], [drawn], constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="ms_gan",
        producer_version=ms_gan.__version__,
    )
    model.ir_version = _IR_VERSION
    helper.set_model_props(model, {"ms_gan": json.dumps(metadata)})
    checker.check_model(model, full_check=True)
    return model


# Operator, its inputs after the first (names of parameters, or constants), its attributes.
_Node = tuple[str, list[str | np.ndarray], dict[str, Any]]


def _weighted(operator: str, weights: dict[str, str], **attributes: Any) -> _Node:
    return operator, [weights[role] for role in ("weight", "bias") if role in weights], attributes


def _normalise(weights: dict[str, str], epsilon: float) -> _Node:
    roles = ("scale", "shift", "mean", "variance")
    return "BatchNormalization", [weights[role] for role in roles], {"epsilon": epsilon}


def _convolution(operator: str, weights: dict[str, str], stride: int, padding: int) -> _Node:
    return _weighted(operator, weights, strides=[stride] * 2, pads=[padding] * 4)


def _upsample(weights: dict[str, str], factor: int) -> _Node:
    scales = np.array([1, 1, factor, factor], np.float32)
    options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return "Resize", [np.zeros(0, np.float32), scales], options


_OPERATORS: dict[str, Callable[..., _Node]] = {
    "dense": lambda weights: _weighted("Gemm", weights, transB=1),
    "normalise": _normalise,
    "conv": lambda weights, **options: _convolution("Conv", weights, **options),
    "conv_transpose": lambda weights, **options: _convolution("ConvTranspose", weights, **options),
    "reshape": lambda weights, shape: ("Reshape", [np.array([-1, *shape], np.int64)], {}),
    "upsample": _upsample,
    "relu": lambda weights: ("Relu", [], {}),
    "leaky_relu": lambda weights, slope: ("LeakyRelu", [], {"alpha": slope}),
    "tanh": lambda weights: ("Tanh", [], {}),
}
