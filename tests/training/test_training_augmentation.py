"""Differentiable augmentation: pictures changed as by hand, gradients through it, the same for real and fake."""

import dataclasses

import mindspore as ms
import numpy as np
import pytest
from conftest import slow
from mindspore import Tensor
from small_runs import SmallRun, digits_for, small_config

from ms_gan.data.augmenting import draw_augmentation
from ms_gan.training import d_updates, steps
from ms_gan.training.augmentation import make_augment

pytestmark = pytest.mark.usefixtures("mindspore_cpu")
KINDS = ("colour", "translation", "cutout")
COUNT, SIZE = 7, 16
# Compiled in a fraction of the time that convolutions or more layers take.
DENSE = (
    "generator.name=mlp",
    "generator.options.widths=[8]",
    "discriminator.name=mlp",
    "discriminator.options.widths=[8]",
)


def images_of(channels, count=COUNT):
    return np.random.default_rng(4).uniform(-1, 1, (count, channels, SIZE, SIZE)).astype(np.float32)


def by_hand(kinds, images, drawn):
    """Return what should come out, an image at a time, from what was drawn."""
    drawn, out = list(drawn), []
    for number, image in enumerate(images.astype(np.float64)):
        left = [array[number] for array in drawn]
        if "colour" in kinds:
            brightness, saturation, contrast = (left.pop(0).item() for _ in range(3))
            image = image + brightness
            grey = image.mean(axis=0)
            image = grey + (image - grey) * saturation if len(image) > 1 else image
            image = image.mean() + (image - image.mean()) * contrast
        if "translation" in kinds:
            down = np.flatnonzero(left.pop(0)[0].sum(axis=0) == 0)
            right = np.flatnonzero(left.pop(0)[0].sum(axis=1) == 0)
            # Rows that go nowhere: the last ones of a shift downwards.
            for axis, lost in ((1, down), (2, right)):
                shift = 0 if not len(lost) else (len(lost) if lost[-1] == SIZE - 1 else -len(lost))
                image = np.roll(image, shift, axis)
                edge = slice(0, shift) if shift > 0 else slice(SIZE + shift, SIZE)
                index = [slice(None)] * 3
                index[axis] = edge
                image[tuple(index)] = 0
        if "cutout" in kinds:
            image = image * left.pop(0)
        out.append(image)
    return np.array(out)


@pytest.mark.parametrize("kinds", [(kind,) for kind in KINDS] + [KINDS])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_changed_as_by_hand(kinds, channels):
    images = images_of(channels)
    drawn = draw_augmentation(kinds, 1.0, 3, 5, COUNT, SIZE)
    found = make_augment(kinds)(Tensor(images), *map(Tensor, drawn)).asnumpy()
    np.testing.assert_allclose(found, by_hand(kinds, images, drawn), rtol=0, atol=1e-5)
    assert np.abs(found - images).max() > 0.1


@pytest.mark.parametrize("mode", ["graph", "pynative"])
@pytest.mark.parametrize("kinds", [(kind,) for kind in KINDS] + [KINDS])
def test_gradient_through_it_is_that_of_finite_differences(kinds, mode):
    images = images_of(3, 2)
    drawn = draw_augmentation(kinds, 1.0, 3, 5, 2, SIZE)
    weights = np.random.default_rng(5).standard_normal(images.shape)
    augment, constant = make_augment(kinds), Tensor(weights.astype(np.float32))

    def value(pictures, *given):
        return (ms.ops.square(augment(pictures, *given)) * constant).sum()

    differentiate = ms.grad(value)
    gradient = (ms.jit(differentiate) if mode == "graph" else differentiate)(Tensor(images), *map(Tensor, drawn))
    rng = np.random.default_rng(6)
    for _ in range(5):
        direction = rng.standard_normal(images.shape)

        def exact(step, direction=direction):
            return (by_hand(kinds, images + step * direction, drawn) ** 2 * weights).sum()

        expected = (exact(1e-5) - exact(-1e-5)) / 2e-5
        assert (gradient.asnumpy() * direction).sum() == pytest.approx(expected, rel=1e-4, abs=1e-2)


def test_draws_follow_from_seed_and_index_and_lie_where_they_should():
    drawn = draw_augmentation(KINDS, 1.0, 1, 0, 4000, SIZE)
    again = draw_augmentation(reversed(KINDS), 1.0, 1, 0, 4000, SIZE)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(drawn, again, strict=True))
    assert not np.array_equal(drawn[0], draw_augmentation(KINDS, 1.0, 1, 1, 4000, SIZE)[0])
    assert not np.array_equal(drawn[0], draw_augmentation(KINDS, 1.0, 2, 0, 4000, SIZE)[0])
    for numbers, (low, high) in zip(drawn[:3], ((-0.5, 0.5), (0, 2), (0.5, 1.5)), strict=True):
        assert low <= numbers.min() < low + 0.01
        assert high - 0.01 < numbers.max() < high
        assert numbers.mean() == pytest.approx((low + high) / 2, abs=0.05)
    for matrices in drawn[3:5]:
        kept = matrices.sum(axis=(1, 2, 3))
        # Shifts from -2 to 2, equally often.
        assert np.bincount(kept.astype(int))[14:].tolist() == pytest.approx([1600, 1600, 800], abs=120)
    holes = 1 - drawn[5]
    assert holes.sum(axis=(1, 2, 3)).max() == 64
    assert holes.sum(axis=(1, 2, 3)).min() == 16  # the centre is in a corner
    assert draw_augmentation((), 1.0, 1, 0, 4, SIZE) == ()


def test_holes_are_rectangles_and_no_draw_tells_another():
    drawn = draw_augmentation(KINDS, 1.0, 1, 0, 4000, SIZE)
    place, holes = np.arange(SIZE), 1 - drawn[5][:, 0]
    rows, columns = holes.max(axis=2), holes.max(axis=1)
    np.testing.assert_array_equal(holes, rows[:, :, None] * columns[:, None, :])
    for edge in (rows, columns):
        assert (np.abs(np.diff(edge, axis=1, prepend=0, append=0)).sum(axis=1) == 2).all()  # without a gap
        assert edge.sum(axis=1).max() == SIZE / 2
    centres = [edge @ place / edge.sum(axis=1) for edge in (rows, columns)]
    way = place[:, None] - place
    shifts = [(m[:, 0] * way).sum(axis=(1, 2)) / m.sum(axis=(1, 2, 3)) for m in drawn[3:5]]
    correlations = np.corrcoef([*(numbers.ravel() for numbers in drawn[:3]), *shifts, *centres])
    assert np.abs(correlations - np.eye(7)).max() < 0.07


@pytest.mark.parametrize("kinds", [(kind,) for kind in KINDS] + [KINDS])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_share_is_changed_as_without_and_the_others_not_at_all(kinds, channels):
    images = images_of(channels, 400)
    all_changed, some = (draw_augmentation(kinds, share, 3, 5, 400, SIZE) for share in (1.0, 0.3))
    assert [array.shape[1:] for array in some] == [array.shape[1:] for array in all_changed]
    wholly = make_augment(kinds)(Tensor(images), *map(Tensor, all_changed)).asnumpy()
    partly = make_augment(kinds)(Tensor(images), *map(Tensor, some)).asnumpy()
    as_without = np.abs(partly - wholly).max(axis=(1, 2, 3)) == 0
    untouched = np.abs(partly - images).max(axis=(1, 2, 3)) < 1e-6
    assert (as_without | untouched).all()
    # A shift may be by 0 either way.
    assert (~untouched).mean() == pytest.approx(0.3, abs=0.07)


def test_a_fixed_pattern_of_the_shifts_own_period_is_seen_only_by_a_share():
    size = 32  # shifted by -4 to 4: a wave of 9 pixels has every phase equally often
    wave = np.cos(2 * np.pi * np.arange(size) / 9)
    seen = {}
    for share in (1.0, 0.5):
        columns = draw_augmentation(("translation",), share, 1, 0, 20_000, size)[1]
        seen[share] = (wave @ columns.mean(axis=(0, 1)))[9:18] @ wave[9:18] / (wave[9:18] @ wave[9:18])
    assert seen[1.0] == pytest.approx(0, abs=0.02)
    assert seen[0.5] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("shared", ["true", "false"])
def test_real_and_fake_are_changed_by_the_same_numbers_in_both_steps(shared, monkeypatch):
    seen = []

    def spying(kinds):
        augment = make_augment(kinds)

        def spy(images, *drawn):
            seen.append([array.asnumpy() for array in drawn])
            return augment(images, *drawn)

        return spy

    for module in (d_updates, steps):
        monkeypatch.setattr(module, "make_augment", spying)
    changing = ("augmentation=[translation,cutout]", "augmentation_share=0.6")
    settings = ("batch_size=4", *changing, f"latent.shared={shared}", "mode=pynative")
    run = SmallRun(small_config("mlp", *settings, steps=2), digits_for("mlp", 40)).train()
    assert len(seen) == 6  # in each step real, fake, and G's
    for step in range(2):
        expected = draw_augmentation(("translation", "cutout"), 0.6, run.config.seed, step, 4, 28)
        for found in seen[3 * step : 3 * step + 3]:
            assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("mlp", ("augmentation=[colour,translation,cutout]", *DENSE)),
        slow("mlp", ("augmentation=[translation,cutout]", "objective.penalty=r1", "updates.accumulate=2", *DENSE)),
        ("mlp", ("augmentation=[colour]", "objective.loss=relativistic", "latent.shared=false", *DENSE)),
        ("dense", ("augmentation=[translation]", "augmentation_share=0.5", *DENSE)),
        slow("wgan_gp", ("augmentation=[colour,translation,cutout]", "updates.d_steps=1", *DENSE)),
    ],
)
def test_augmented_runs_have_the_same_bits_in_both_modes(recipe, settings):
    config = small_config(recipe, "batch_size=4", *settings, steps=2)
    images = digits_for(recipe, 40)
    graph, eager = (SmallRun(dataclasses.replace(config, mode=mode), images).train() for mode in ("graph", "pynative"))
    ours, theirs = graph.state(), eager.state()
    assert [name for name in ours if ours[name].tobytes() != theirs[name].tobytes()] == []
    assert graph.records == eager.records
    # Nobody is left out: D and G learn something else than without.
    plain = SmallRun(dataclasses.replace(config, augmentation=(), mode="pynative"), images).train().state()
    assert all(not np.array_equal(ours[name], plain[name]) for name in ours if name.endswith("layers.0.weight"))
