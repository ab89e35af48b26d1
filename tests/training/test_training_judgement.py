"""Real and fake images judged with R1 + R2 in one pass, against the same from parts that know nothing of each other."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from ms_gan.networks import ImageShape
from ms_gan.networks.dcgan import DCGANDiscriminator
from ms_gan.networks.mlp import MLPDiscriminator
from ms_gan.objectives import PENALTIES
from ms_gan.training.conditions import make_judge
from ms_gan.training.judgement import make_judgement

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
IMAGE = ImageShape(1, 8)
CLASSES = 3


def images_and_classes(conditional):
    rng = np.random.default_rng(3)
    real, fake = (Tensor(rng.uniform(-1, 1, (6, 1, 8, 8)).astype(np.float32)) for _ in range(2))
    choice = np.zeros((6, 1 + CLASSES), np.float32)
    choice[:, 0] = choice[np.arange(6), 1 + np.arange(6) % CLASSES] = 1
    return real, fake, Tensor(rng.random((6, 1, 1, 1), dtype=np.float32)), *([Tensor(choice)] if conditional else [])


def value_and_gradients(judge, critic, inputs, mode):
    def loss(*given):
        real_logits, fake_logits, penalty = judge(*given)
        # A loss of pairs: every gradient depends on both logits.
        return ops.softplus(fake_logits - real_logits).mean() + 0.7 * penalty, real_logits, fake_logits, penalty

    differentiate = ms.value_and_grad(loss, None, tuple(critic.trainable_params()), has_aux=True)
    values, gradients = (ms.jit(differentiate) if mode == "graph" else differentiate)(*inputs)
    return [entry.asnumpy() for entry in (*values, *gradients)]


@pytest.mark.parametrize("conditional", [False, True], ids=["no-classes", "classes"])
@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_r1_and_r2_in_the_pass_of_the_loss_are_the_penalty_by_itself(mode, conditional):
    ms.set_seed(5)
    critic = MLPDiscriminator(IMAGE, (16, 8), outputs=1 + CLASSES if conditional else 1)
    judge, inputs = make_judge(critic), images_and_classes(conditional)

    def apart(real, fake, noise, *choice):
        penalty = PENALTIES["r1_r2"](judge, real, fake, noise, *choice)
        return judge(real, *choice), judge(fake, *choice), penalty

    found = value_and_gradients(make_judgement(critic, "r1_r2"), critic, inputs, mode)
    expected = value_and_gradients(apart, critic, inputs, "pynative")
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-7)
    assert found[3] > 0.001, "a penalty of nothing proves nothing"


def test_both_modes_give_the_same_bits():
    ms.set_seed(5)
    critic, inputs = MLPDiscriminator(IMAGE, (16, 8)), images_and_classes(False)
    judge = make_judgement(critic, "r1_r2")
    graph, pynative = (value_and_gradients(judge, critic, inputs, mode) for mode in ("graph", "pynative"))
    # Not the total, which is this test's own and no run has.
    assert all(map(np.array_equal, graph[1:], pynative[1:]))


def test_batch_normalisation_keeps_real_and_fake_apart():
    ms.set_seed(5)
    critic = DCGANDiscriminator(IMAGE, (4, 8)).set_train()
    real, fake, noise = images_and_classes(False)
    logits = make_judgement(critic, "r1_r2")(real, fake, noise)[0].asnumpy()
    # Other fakes would move the statistics of a common batch, and with them what is said of the real images.
    other = make_judgement(critic, "r1_r2")(real, 5.0 * fake, noise)[0].asnumpy()
    np.testing.assert_array_equal(logits, other)
