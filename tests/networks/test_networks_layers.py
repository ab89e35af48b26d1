"""Each layer of the two kits against its definition in float64, with derivatives to second order."""

import mindspore as ms
import numpy as np
import pytest
from float64_layers import directional
from layer_cases import CASES, exact_penalty, image_layer, measured
from mindspore import Tensor, nn

from ms_gan.networks import batch_last, native, products
from ms_gan.networks.taps import Geometry

pytestmark = pytest.mark.usefixtures("mindspore_cpu")


def near(ours, theirs, tolerance=2e-5):
    """Compare relative to the largest number: single entries may be sums that cancel."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(np.abs(theirs).max(), 1e-3))


def agrees_along_directions(function, start, gradient, tolerance=2e-5):
    """Compare a gradient with central differences along random directions, which see an error in any entry."""
    rng = np.random.default_rng(3)
    for _ in range(3):
        direction = rng.standard_normal(start.shape)
        expected = directional(function, start, direction)
        assert abs((gradient * direction).sum() - expected) <= tolerance * np.linalg.norm(gradient) + 1e-7


@pytest.mark.parametrize("case", CASES, ids=str)
def test_result_and_first_derivatives(case):
    m = measured(case)
    x, weight, bias, probe = (value.astype(np.float64) for value in (m.x, m.weight, m.bias, m.probe))
    near(m.y, case.exact(x, weight, bias))
    for start, gradient, function in (
        (x, m.dx, lambda x: (case.exact(x, weight, bias) * probe).sum()),
        (weight, m.dweight, lambda weight: (case.exact(x, weight, bias) * probe).sum()),
        (bias, m.dbias, lambda bias: (case.exact(x, weight, bias) * probe).sum()),
    ):
        agrees_along_directions(function, start, gradient)


@pytest.mark.parametrize("case", [case for case in CASES if case.second], ids=str)
def test_gradient_penalty_of_a_layer_in_graph_mode(case):
    m = measured(case)
    x, weight, bias, probe = (value.astype(np.float64) for value in (m.x, m.weight, m.bias, m.probe))
    agrees_along_directions(lambda weight: exact_penalty(case, x, weight, bias, probe), weight, m.penalty_dweight, 1e-4)
    agrees_along_directions(lambda bias: exact_penalty(case, x, weight, bias, probe), bias, m.penalty_dbias, 1e-4)
    assert np.abs(m.penalty_dweight).max() > 0.01  # the comparison is not one of zeros


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_kit_for_ascend_computes_the_same(case):
    m = measured(case)
    network, _ = image_layer(case, native)
    layer = network[1]
    layer.weight.set_data(Tensor(m.weight))
    layer.bias.set_data(Tensor(m.bias))

    def total(x, probe):
        return (network(x) * probe).sum()

    dx, (dweight, dbias) = ms.grad(total, 0, [layer.weight, layer.bias])(Tensor(m.x), Tensor(m.probe))
    near(network(Tensor(m.x)).asnumpy(), m.y)
    near(dx.asnumpy(), m.dx)
    near(dweight.asnumpy(), m.dweight)
    near(dbias.asnumpy(), m.dbias)


def test_leaky_relu_bends_at_zero_and_no_lower(mindspore_cpu):
    x = np.float32([-1e30, -120, -1, -1e-30, 0, 1e-30, 1, 120, 1e30])
    leaky = batch_last.LeakyReLU(0.2)
    np.testing.assert_allclose(leaky(Tensor(x)).asnumpy(), np.where(x > 0, x, np.float32(0.2) * x), rtol=1e-6)
    slopes = mindspore_cpu.grad(lambda x: leaky(x).sum())(Tensor(x)).asnumpy()
    np.testing.assert_allclose(slopes[x < 0], 0.2, rtol=1e-6)
    np.testing.assert_allclose(slopes[x > 0], 1.0, rtol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_per_channel_over_places_and_batch(training):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((6, 3, 4, 4)) * 3 + 1
    norm = batch_last.BatchNorm(3)
    gamma, beta, mean, variance = rng.uniform(0.5, 2, (4, 3))
    for parameter, value in (
        (norm.gamma, gamma),
        (norm.beta, beta),
        (norm.moving_mean, mean),
        (norm.moving_variance, variance),
    ):
        parameter.set_data(Tensor(value.astype(np.float32)))
    network = nn.SequentialCell([batch_last.FromImages(), norm, batch_last.ToImages(4)]).set_train(training)
    y = network(Tensor(x.astype(np.float32))).asnumpy()
    used_mean, used_variance = (x.mean((0, 2, 3)), x.var((0, 2, 3))) if training else (mean, variance)
    column = (slice(None), None, None)
    expected = (x - used_mean[column]) / np.sqrt(used_variance[column] + 1e-5) * gamma[column] + beta[column]
    near(y, expected)
    if training:
        near(norm.moving_mean.asnumpy(), 0.9 * mean + 0.1 * x.mean((0, 2, 3)))
        near(norm.moving_variance.asnumpy(), 0.9 * variance + 0.1 * x.var((0, 2, 3), ddof=1))
    else:
        near(norm.moving_mean.asnumpy(), mean)


@pytest.mark.parametrize(
    ("large", "small", "kernel", "stride", "padding"),
    [
        (28, 14, 3, 2, 1),
        (7, 4, 3, 2, 1),
        (2, 1, 2, 1, 0),
        (6, 3, 4, 2, 1),
        (9, 5, 5, 2, 2),
        (5, 5, 5, 1, 2),
        (9, 3, 4, 3, 1),
    ],
)
def test_both_ways_to_the_adjoint_are_the_adjoint_of_the_forward_product(large, small, kernel, stride, padding):
    geometry = Geometry(large, small, kernel, stride, padding)
    rng = np.random.default_rng(5)
    x, y, w = (
        Tensor(rng.standard_normal(shape).astype(np.float32))
        for shape in ((2, large**2, 4), (3, small**2, 4), (3, 2 * kernel**2))
    )
    forward = products.forward_product(2, 3, geometry)(x, w).asnumpy().astype(np.float64)
    inner = (forward * y.asnumpy()).sum()
    for way in (products._AdjointByTaps, products._AdjointByWindows):
        back = way(geometry)(y, w).asnumpy().astype(np.float64)
        assert (back * x.asnumpy()).sum() == pytest.approx(inner, rel=1e-5), way
