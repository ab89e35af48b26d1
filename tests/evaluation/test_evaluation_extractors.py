"""The project's own classifiers and random convolutions."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from ms_gan.data.digits import render_digits
from ms_gan.data.images import make_image_set
from ms_gan.errors import UserError
from ms_gan.evaluation.extractors import choose_extractor
from ms_gan.evaluation.random_features import FEATURES, random_features
from ms_gan.evaluation.turns import turned_parts

DIGITS = tuple("0123456789")


def digits(count, seed, tmp_path):
    images, labels = render_digits(count, seed)
    return make_image_set(images[:, None], labels, DIGITS, "builtin", tmp_path)


@pytest.fixture(scope="module")
def short(mindspore_cpu):
    """Make the classifier's training a short one."""
    with pytest.MonkeyPatch.context() as patch:
        from ms_gan.evaluation import classifier

        patch.setattr(classifier, "_STEPS", 40)
        patch.setattr(classifier, "_BATCH", 64)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Give training and held-out digits."""
    folder = tmp_path_factory.mktemp("digits")
    return digits(1500, 1, folder), digits(300, 2, folder)


@pytest.fixture(scope="module")
def trained(short, data, tmp_path_factory):
    """Give a classifier and the folder where it is kept."""
    cache = tmp_path_factory.mktemp("cache")
    return choose_extractor("auto", *data, lambda line: None, cache), cache


@pytest.fixture
def no_training(monkeypatch):
    """Make a second training an error."""
    from ms_gan.evaluation import extractors

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(extractors, "_train", refuse)


def test_the_classifier_learns(trained, data):
    found, _ = trained
    assert found.name == "builtin-cnn-v1"
    assert found.class_names == DIGITS
    assert found.facts["accuracy"] > 0.6
    assert (found.facts["tested_on"], found.facts["trained_on"]) == (300, 1500)
    features, probabilities = found.measure(data[1].images)
    assert (features.shape, probabilities.shape) == ((300, 64), (300, 10))
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == data[1].labels).mean() == pytest.approx(found.facts["accuracy"])


def test_it_is_taken_from_the_cache(trained, data, no_training):
    found, cache = trained
    again = choose_extractor("cnn", *data, lambda line: None, cache)
    assert again.digest == found.digest
    assert (again.measure(data[1].images[:70])[0] == found.measure(data[1].images[:70])[0]).all()


@pytest.mark.parametrize("source", ["idx", "mnist"])
def test_only_mnist_is_called_mnist(trained, data, tmp_path, monkeypatch, no_training, source):
    from ms_gan.evaluation import extractors

    (kept,) = trained[1].glob("*.npz")
    train = dataclasses.replace(data[0], source=source)
    # As it was kept when all data in MNIST's format had this name.
    (tmp_path / f"mnist-cnn-v1-{train.sha256[:16]}.npz").write_bytes(kept.read_bytes())
    assert choose_extractor("cnn", train, data[1], print, tmp_path).name == f"idx-{train.sha256[:8]}-cnn-v1"
    monkeypatch.setattr(extractors, "_MNIST", train.sha256)
    assert choose_extractor("cnn", train, data[1], print, tmp_path).name == f"{source}-cnn-v1"


def test_trained_again_it_is_the_same(trained, data, tmp_path):
    assert choose_extractor("cnn", *data, lambda line: None, tmp_path).digest == trained[0].digest


@pytest.mark.parametrize("place", [0.1, 0.5, 0.999])
def test_a_damaged_cache_is_not_used(trained, data, tmp_path, no_training, place):
    (path,) = trained[1].glob("*.npz")
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    (tmp_path / path.name).write_bytes(content)
    with pytest.raises(AssertionError, match="trained again"):
        choose_extractor("auto", *data, lambda line: None, tmp_path)


def test_what_cannot_be_kept_is_not_trained(data, tmp_path, no_training):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*/file/below/.*: Not a directory; .*, as MS_GAN_DATA: trained"):
        choose_extractor("cnn", *data, lambda line: None, tmp_path / "file" / "below")


def test_other_data_have_another_classifier(trained, data, no_training):
    other = dataclasses.replace(data[0], sha256=data[0].sha256[::-1])
    with pytest.raises(AssertionError, match="trained again"):
        choose_extractor("auto", other, data[1], lambda line: None, trained[1])


def test_the_cache_holds_no_pickle(trained):
    (path,) = trained[1].glob("*.npz")
    with np.load(path, allow_pickle=False) as content:
        assert all(content[name].dtype.kind in "fU" for name in content.files)


def test_turns_need_no_labels(short, data, trained, tmp_path):
    train, test = (dataclasses.replace(part, labels=None) for part in data)
    found = choose_extractor("turns", train, test, lambda line: None, tmp_path)
    assert found.name == "builtin-turns-v1"
    assert (found.facts["kind"], found.facts["tested_on"]) == ("classifier of quarter turns", 4 * 300)
    assert found.facts["accuracy"] > 0.4  # a quarter by chance
    assert found.digest != trained[0].digest
    features, probabilities = found.measure(test.images)
    assert (features.shape, probabilities, found.class_names) == ((300, 64), None, ())
    again = choose_extractor("turns", train, test, lambda line: None, tmp_path)
    assert (again.measure(test.images)[0] == features).all()


def test_turned_parts_are_each_image_in_four_directions(data):
    train, test = turned_parts(*data)
    for part, upright in zip((train, test), data, strict=True):
        count = len(upright.images)
        by_hand = [upright.images, upright.images.swapaxes(2, 3)[:, :, ::-1], upright.images[:, :, ::-1, ::-1]]
        by_hand.append(upright.images.swapaxes(2, 3)[..., ::-1])
        for quarters, images in enumerate(by_hand):
            rows = slice(quarters * count, (quarters + 1) * count)
            assert (part.images[rows] == images).all()
            assert (part.labels[rows] == quarters).all()


def test_turned_parts_hold_out_a_tenth_where_nothing_is(data, monkeypatch):
    train, held_out = turned_parts(data[0], None)
    assert (len(train.images), len(held_out.images)) == (4 * 1350, 4 * 150)
    assert (held_out.images[:150] == data[0].images[1::10]).all()
    monkeypatch.setattr("ms_gan.evaluation.turns._MOST", 100)
    train, held_out = turned_parts(data[0], None)
    assert len(train.images) == len(held_out.images) == 4 * 100
    assert (held_out.images[0] == data[0].images[1]).all()


@pytest.mark.parametrize(
    ("wish", "size", "told"),
    [
        (
            "turns",
            97,
            "--extractor turns: images of 97 pixels are beyond the classifier's 13 to 96; use --extractor ran",
        ),
        # Random convolutions would be no remedy.
        ("turns", 8, "^images of 8 pixels are too small to be compared by any extractor; train on"),
        ("auto", 12, "^images of 12 pixels are too small to be compared by any extractor; train on"),
    ],
)
def test_what_no_extractor_takes_is_refused(data, wish, size, told):
    train = dataclasses.replace(data[0], images=np.zeros((20, 1, size, size), np.uint8), labels=None)
    with pytest.raises(UserError, match=told):
        choose_extractor(wish, train, None, lambda line: None)


def test_classes_that_are_missing_from_the_data_are_left_out(short, data, tmp_path, monkeypatch):
    from ms_gan.evaluation import classifier

    monkeypatch.setattr(classifier, "_STEPS", 4)
    parts = []
    for part in data:
        chosen = np.isin(part.labels, (3, 8))
        parts.append(dataclasses.replace(part, images=part.images[chosen], labels=part.labels[chosen]))
    found = choose_extractor("auto", *parts, lambda line: None, tmp_path)
    assert found.class_names == ("3", "8")
    assert found.facts["accuracy"] > 0.3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda train, test: (dataclasses.replace(train, labels=None), test), "no labels"),
        (lambda train, test: (dataclasses.replace(train, labels=np.zeros(1500, np.uint8)), test), "of one class"),
        (lambda train, test: (train, None), "no held-out part"),
        (lambda train, test: (train, dataclasses.replace(test, labels=None)), "held-out images have no labels"),
        (lambda train, test: (train, dataclasses.replace(test, labels=test.labels + 10)), "no held-out image is of a"),
    ],
)
def test_without_labels_random_convolutions_are_taken_and_announced(data, change, reason):
    lines = []
    train, test = change(*data)
    found = choose_extractor("auto", train, test, lines.append)
    assert found.name == "random-conv-v1"
    assert any(reason in line and "--extractor turns" in line for line in lines)
    with pytest.raises(UserError, match=f"--extractor cnn: .*{reason}.*; use --extractor turns or random-conv-v1"):
        choose_extractor("cnn", train, test, lines.append)


def test_random_features_are_the_same_everywhere(data):
    images = data[0].images[:300]
    features = random_features(images)
    assert features.shape == (300, FEATURES)
    assert np.allclose(random_features(images[:7]), features[:7], atol=1e-6), "blocks change something"
    # A change of these numbers needs another version in the name.
    ramp = np.arange(3 * 16 * 16, dtype=np.uint32).reshape(1, 3, 16, 16) % 251
    assert np.allclose(random_features(ramp.astype(np.uint8))[0, [0, 1, 40, 127]], EXPECTED, atol=1e-4)


EXPECTED = (0.22565, 0.25152, 0.07074, 0.19659)


def test_random_features_see_noise_and_blur(data):
    from ms_gan.evaluation.kernel import unbiased_mmd2

    images = data[0].images
    own = random_features(images[:700])
    noise = np.random.default_rng(1).normal(0, 1, images[700:1400].shape)
    found = [
        unbiased_mmd2(own, random_features(np.clip(images[700:1400] + level * noise, 0, 255).astype(np.uint8)))
        for level in (0, 15, 40)
    ]
    assert found[0] < found[1] < found[2]
    # One of unbiased estimates for equal distributions lies around 0.
    assert abs(found[0]) < 0.2 * found[1]


@pytest.mark.realdata
@pytest.mark.slow
def test_on_mnist_it_reaches_its_accuracy(mindspore_cpu, tmp_path):
    from ms_gan.data.sources import load_images

    folder = Path(os.environ.get("MS_GAN_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no real MNIST in {folder} (set MS_GAN_TEST_DATA)")
    train, test = (load_images("mnist", folder, split) for split in ("train", "test"))
    found = choose_extractor("cnn", train, test, print, tmp_path)
    assert found.name == "mnist-cnn-v1"
    assert found.facts["accuracy"] >= 0.992
