"""Layers, losses and penalties against PyTorch in float64: results, derivatives, derivatives of derivatives."""

import mindspore as ms
import numpy as np
import pytest
from layer_cases import CASES, measured
from mindspore import Parameter, Tensor
from penalty_cases import inputs_for

from ms_gan.config import OptimizerConfig
from ms_gan.networks import ImageShape, build_discriminator
from ms_gan.objectives import LOSSES, PENALTIES
from ms_gan.training.optimizers import build_optimizer

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -r requirements-pytorch.txt")
pytestmark = pytest.mark.usefixtures("mindspore_cpu")


def near(ours, theirs, tolerance=2e-5):
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(np.abs(theirs).max(), 1e-3))


def layer(case, x, weight, bias):
    if case.kind.startswith("upsampled"):
        x = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
    apply = torch.conv_transpose2d if case.kind.endswith("transposed") else torch.conv2d
    return apply(x, weight, bias, case.stride, case.padding)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer(case):
    m = measured(case)
    x, weight, bias = (torch.from_numpy(value).double().requires_grad_() for value in (m.x, m.weight, m.bias))
    probe = torch.from_numpy(m.probe).double()
    y = layer(case, x, weight, bias)
    near(m.y, y)
    for ours, theirs in zip(
        (m.dx, m.dweight, m.dbias), torch.autograd.grad((y * probe).sum(), (x, weight, bias)), strict=True
    ):
        near(ours, theirs)
    if case.second:
        total = (torch.tanh(layer(case, x, weight, bias)) * probe).sum()
        (gradient,) = torch.autograd.grad(total, x, create_graph=True)
        penalty = ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()
        dweight, dbias = torch.autograd.grad(penalty, (weight, bias))
        near(m.penalty_dweight, dweight, 1e-4)
        near(m.penalty_dbias, dbias, 1e-4)


def test_losses():
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    mse, relu = torch.nn.functional.mse_loss, torch.relu
    theirs = {
        "non_saturating": (lambda s, one: bce(s, one), lambda s, one: bce(s, 0 * one), lambda s, one: bce(s, one)),
        "minimax": (lambda s, one: bce(s, one), lambda s, one: bce(s, 0 * one), lambda s, one: -bce(s, 0 * one)),
        "wasserstein": (lambda s, one: -s.mean(), lambda s, one: s.mean(), lambda s, one: -s.mean()),
        "least_squares": (
            lambda s, one: mse(s, one) / 2,
            lambda s, one: mse(s, 0 * one) / 2,
            lambda s, one: mse(s, one) / 2,
        ),
        "hinge": (lambda s, one: relu(1 - s).mean(), lambda s, one: relu(1 + s).mean(), lambda s, one: -s.mean()),
    }
    scores = np.random.default_rng(14).standard_normal((9, 1)).astype(np.float32) * 4
    for name, parts in theirs.items():
        for ours, part in zip((LOSSES[name].real, LOSSES[name].fake, LOSSES[name].generator), parts, strict=True):
            logits = torch.from_numpy(scores).double().requires_grad_()
            value = part(logits, torch.ones_like(logits))
            found, gradient = ms.value_and_grad(ours)(Tensor(scores))
            near(found.asnumpy(), value)
            near(gradient.asnumpy(), torch.autograd.grad(value, logits)[0])


def torch_dense():
    nn = torch.nn
    leaky = nn.LeakyReLU(0.2)
    return nn.Sequential(nn.Flatten(), nn.Linear(50, 7), leaky, nn.Linear(7, 6), leaky, nn.Linear(6, 1))


def torch_dcgan():
    nn = torch.nn
    layers = []
    for before, after in ((2, 4), (4, 5)):
        layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(5, 3, 3, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(3, 1))


def torch_wgan():
    nn = torch.nn
    leaky = nn.LeakyReLU(0.2)
    first, second = nn.Conv2d(2, 4, 5, 2, 2), nn.Conv2d(4, 3, 5, 1, 2)
    return nn.Sequential(first, leaky, second, leaky, nn.Flatten(), nn.Linear(48, 1))


CRITICS = {
    "mlp": (ImageShape(2, 5), {"widths": [7, 6]}, torch_dense),
    "dcgan": (ImageShape(2, 8), {"widths": [4, 5, 3]}, torch_dcgan),
    "wgan": (ImageShape(2, 8), {"widths": [4, 3]}, torch_wgan),
}


def torch_penalty(name, critic, real, fake, noise):
    """Return the penalty by its paper."""
    if name == "r1_r2":
        return sum(torch_penalty(part, critic, real, fake, noise) for part in ("r1", "r2"))
    points = {
        "r1": real,
        "r2": fake,
        "dragan": real + 0.5 * real.std(unbiased=False) * noise,
    }.get(name, (1 - noise) * real + noise * fake)
    points = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    norms = gradient.flatten(1).norm(dim=1)
    if name in ("r1", "r2"):
        return (norms**2).mean() / 2
    excess = norms - 1
    return ((excess.clamp(min=0) if name == "gradient_one_sided" else excess) ** 2).mean()


@pytest.mark.parametrize("name", list(PENALTIES))
@pytest.mark.parametrize("family", list(CRITICS))
def test_gradient_of_the_penalty_of_every_family_of_critics(family, name):
    from torch_gans import load_weights

    image, options, build = CRITICS[family]
    ours = build_discriminator(family, image, options).set_train()
    rng = np.random.default_rng(15)
    for parameter in ours.get_parameters():
        scale = 1.5 / np.sqrt(max(1, np.prod(parameter.shape[1:]))) if parameter.ndim > 1 else 0.5
        offset = 1.0 if parameter.name.endswith(("gamma", "moving_variance")) else 0.0
        values = offset + scale * rng.uniform(-1, 1, parameter.shape)
        parameter.set_data(Tensor(values.astype(np.float32)))
    theirs = build()
    load_weights(theirs, {parameter.name: parameter.asnumpy() for parameter in ours.get_parameters()})
    theirs = theirs.double().train()
    inputs = inputs_for(name, image)
    # A multiple of the critic, so that one-sided penalties are awake.
    factor = 6.0

    def critic(images):
        return ours(images) * factor

    def value_of(real, fake, noise):
        return PENALTIES[name](critic, real, fake, noise)

    value, gradients = ms.jit(ms.value_and_grad(value_of, None, ours.trainable_params()))(*map(Tensor, inputs))
    wide = (torch.from_numpy(array).double() for array in inputs)
    expected = torch_penalty(name, lambda images: theirs(images) * factor, *wide)
    assert expected.item() > 0.01
    np.testing.assert_allclose(value.asnumpy(), expected.item(), rtol=1e-4)
    weights = list(theirs.parameters())
    references = torch.autograd.grad(expected, weights, allow_unused=True, materialize_grads=True)
    largest = max(float(reference.norm()) for reference in references)
    for gradient, reference in zip(gradients, references, strict=True):
        apart = np.linalg.norm(gradient.asnumpy() - reference.numpy())
        assert apart <= 1e-3 * float(reference.norm()) + 1e-5 * largest


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_rmsprop(momentum):
    rng = np.random.default_rng(5)
    start = rng.standard_normal((3, 4)).astype(np.float32)
    gradients = [(rng.standard_normal((3, 4)) * scale).astype(np.float32) for scale in (1e-3, 1.0, 0.0, 30.0, 1e-7)]
    weight, theirs = Parameter(Tensor(start), name="w"), torch.tensor(start, requires_grad=True)
    config = OptimizerConfig(name="rmsprop", lr=0.01, decay=0.9, momentum=momentum)
    ours = build_optimizer("generator", [weight], config, 1)
    optimizer = torch.optim.RMSprop([theirs], lr=0.01, alpha=0.9, momentum=momentum)
    for gradient in gradients:
        ours((Tensor(gradient),))
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(weight.asnumpy(), theirs.detach().numpy(), rtol=1e-5)
