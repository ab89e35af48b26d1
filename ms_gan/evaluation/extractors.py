"""Feature extractors by name: what images are compared by, and the cache of trained ones."""

import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.data.images import ImageSet
from ms_gan.data.sources import cache_folder
from ms_gan.errors import UserError, resizing
from ms_gan.evaluation import random_features, turns
from ms_gan.files import check_writable, write_atomically

AUTO = "auto"
CLASSIFIER, TURNS = "cnn", "turns"
CHOICES = (AUTO, CLASSIFIER, TURNS, random_features.VERSION)
_LARGEST = 96  # pixels; on larger images the classifier would train for hours
_SMALLEST = 13
_FOLDER = "extractors"
# ImageSet.sha256 of the 60,000 training images; other data come in the same format.
_MNIST = "e890a7ca8449852499104966cdfbd1a4180f1d1199250bd4059855da3bebc4cb"
_MINUTES_PER_PIXEL = 5 / 28**2  # of training on 2 cores: its steps are always as many


@dataclass(frozen=True)
class Extractor:
    """A named function from images to features.

    Attributes
    ----------
    name : str
        For example 'mnist-cnn-v1'.
    digest : str
        What distances can be compared under: equal digests give equal features for equal images.
    measure : callable
        uint8 images (N, C, S, S) to features (N, d) and class probabilities (N, classes), or None for those.
    class_names : tuple of str
        Of the probabilities; empty where there are none.
    facts : dict
        What else is known of it, for people: accuracy, training images.
    """

    name: str
    digest: str
    measure: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]
    class_names: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def choose_extractor(
    wish: str, train: ImageSet, test: ImageSet | None, announce: Callable[[str], None], cache: Path | None = None
) -> Extractor:
    """Return the extractor that `wish` means for these data; train it, or fetch it from the cache.

    Parameters
    ----------
    wish : str
        'auto': the classifier where the data have labels of two classes or more and a held-out part with labels, else
        random convolutions. 'cnn', 'turns' (a classifier of quarter turns, which needs no labels), 'random-conv-v1',
        or a .onnx or .mindir file.
    train, test : ImageSet
        The data's two parts; None: there is no second one.
    announce : callable
        Takes lines.
    cache : path-like, optional
        Folder of trained classifiers; None: `extractors` in :func:`ms_gan.data.cache_folder`.

    Raises
    ------
    UserError
        If the wish is unknown or does not go with the data, or what is trained cannot be kept.
    """
    if wish not in CHOICES:
        from ms_gan.evaluation.foreign import load_foreign

        return load_foreign(Path(wish))
    check_extractor(wish, train, test)
    refusal = None if wish == TURNS else _no_classifier(train, test)
    if wish == random_features.VERSION or refusal:
        if wish == AUTO:
            remedy = "" if _wrong_size(train) else f"; --extractor {TURNS} trains one that needs no labels"
            announce(f"Extractor: {random_features.VERSION}, because {refusal}{remedy}")
        return _random(train)
    cache = Path(cache or cache_folder() / _FOLDER)
    return (_by_turns if wish == TURNS else _by_classes)(train, test, announce, cache)


def check_extractor(wish: str, train: ImageSet, test: ImageSet | None, option: str = "--extractor") -> None:
    """Raise UserError if an extractor of `CHOICES` does not go with the data's two parts.

    Parameters
    ----------
    wish, train, test
        As for :func:`choose_extractor`.
    option : str
        By what the extractor was named, for the message.
    """
    size, wrong_size = train.images.shape[2], _wrong_size(train)
    if size < _SMALLEST:
        raise UserError(
            f"images of {size} pixels are too small to be compared by any extractor; train on "
            f"larger ones, for example {resizing(16)}"
        )
    refusal = wrong_size if wish == TURNS else _no_classifier(train, test)
    if wish in (CLASSIFIER, TURNS) and refusal:
        others = random_features.VERSION if wrong_size else f"{TURNS} or {random_features.VERSION}"
        raise UserError(f"{option} {wish}: {refusal}; use {option} {others}")


def version_meant(wish: str, real: tuple[ImageSet, ImageSet | None] | None = None) -> str:
    """Return with what the name of the extractor ends that :func:`choose_extractor` returns for one of `CHOICES`.

    Parameters
    ----------
    wish : str
        One of `CHOICES`.
    real : (ImageSet, ImageSet or None), optional
        The data's two parts; None: data that have what the classifier needs.
    """
    from ms_gan.evaluation import classifier

    if wish == random_features.VERSION or (wish == AUTO and real and _no_classifier(*real)):
        return random_features.VERSION
    return turns.VERSION if wish == TURNS else classifier.VERSION


def _wrong_size(train: ImageSet) -> str | None:
    """Return why no classifier can be trained on images of this size, or None."""
    size = train.images.shape[2]
    if not _SMALLEST <= size <= _LARGEST:
        return f"images of {size} pixels are beyond the classifier's {_SMALLEST} to {_LARGEST}"
    return None


def _no_classifier(train: ImageSet, test: ImageSet | None) -> str | None:
    """Return why no classifier of the data's classes can be trained, or None."""
    if train.labels is None:
        return "the data have no labels to train a classifier on"
    if len(np.unique(train.labels)) < 2:
        return "the data are of one class, so there is no classifier to train"
    if test is None:
        return "the data have no held-out part to test a classifier on"
    if test.labels is None:
        return "the held-out images have no labels to test a classifier on"
    if not np.isin(test.labels, train.labels).any():
        return "no held-out image is of a class that there are training images of"
    return _wrong_size(train)


def _random(train: ImageSet) -> Extractor:
    shape = f"{random_features.VERSION} on {train.images.shape[1]} channels of {train.images.shape[2]} pixels"
    return Extractor(
        random_features.VERSION,
        hashlib.sha256(shape.encode()).hexdigest(),
        lambda images: (random_features.random_features(images), None),
        facts={"kind": "random convolutions", "features": random_features.FEATURES},
    )


def _by_classes(train: ImageSet, test: ImageSet, announce: Callable[[str], None], cache: Path) -> Extractor:
    from ms_gan.evaluation import classifier

    return _classifier(classifier.VERSION, "classifier", train, test, announce, cache)


def _by_turns(train: ImageSet, test: ImageSet | None, announce: Callable[[str], None], cache: Path) -> Extractor:
    parts = turns.turned_parts(train, test)
    found = _classifier(turns.VERSION, turns.KIND, *parts, announce, cache)
    # Which way up an image looks says nothing about classes of the data.
    return dataclasses.replace(found, measure=lambda images: (found.measure(images)[0], None), class_names=())


def _data_name(data: ImageSet) -> str:
    """Return what trained extractors are named by: 'mnist' only where they are of all its images, as they are."""
    return f"idx-{data.sha256[:8]}" if data.source in ("mnist", "idx") and data.sha256 != _MNIST else data.source


def _classifier(
    version: str, kind: str, train: ImageSet, test: ImageSet, announce: Callable[[str], None], cache: Path
) -> Extractor:
    from ms_gan.evaluation import classifier

    name = f"{_data_name(train)}-{version}"
    # By the format, as those were kept that were trained when all data in MNIST's had its name.
    kept_as = "mnist" if train.source == "idx" else train.source
    path = cache / f"{kept_as}-{version}-{train.sha256[:16]}.npz"
    numbers = np.unique(train.labels)
    shape = (*train.images.shape[1:3], len(numbers))
    stored = _read(path, train.sha256) if path.exists() else None
    if stored is None:
        _check_kept(path)
        weights, facts = _train(name, kind, train, test, numbers, announce)
        facts["digest"] = _digest(weights)
        _write(path, weights, facts)
        announce(f"  kept in {path}")
    else:
        weights, facts = stored
    judge = classifier.judge(classifier.with_weights(*shape, weights))
    announce(
        f"Extractor: {name}, {100 * facts['accuracy']:.2f} % of {facts['tested_on']:,} held-out images named right"
    )
    class_names = tuple(train.class_names[number] for number in numbers)
    return Extractor(name, facts["digest"], judge, class_names, facts)


def _train(
    name: str, kind: str, train: ImageSet, test: ImageSet, numbers: np.ndarray, announce: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Train the classifier and test it on the held-out images of its classes."""
    from ms_gan.evaluation import classifier

    minutes = math.ceil(_MINUTES_PER_PIXEL * train.images.shape[2] ** 2)
    announce(
        f"Training {name} on {len(train.images):,} images of {train.location}, once, up to {minutes} minutes on 2 cores"
    )
    labels = np.searchsorted(numbers, train.labels)
    network = classifier.train_classifier(train.images, labels, len(numbers), announce)
    known = np.isin(test.labels, numbers)
    _, probabilities = classifier.judge(network)(test.images[known])
    right = numbers[probabilities.argmax(axis=1)] == test.labels[known]
    facts = {
        "kind": kind,
        "features": classifier.FEATURES,
        "accuracy": float(right.mean()),
        "tested_on": int(known.sum()),
        "trained_on": len(train.images),
        "data": train.sha256,
    }
    return classifier.weights_of(network), facts


def _check_kept(path: Path) -> None:
    """Raise UserError now, rather than after minutes of training, if a classifier cannot be kept at `path`."""
    try:
        check_writable(path)
    except UserError as error:
        raise UserError(f"{error}, as MS_GAN_DATA: trained extractors are kept there") from None


def _write(path: Path, weights: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, facts=np.array(json.dumps(facts)), **{f"weight:{name}": array for name, array in weights.items()})
    write_atomically(path, buffer.getvalue())


def _read(path: Path, data: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Read a classifier of these data; None where the file is damaged, so that it is trained anew."""
    try:
        with np.load(path, allow_pickle=False) as content:
            facts = json.loads(str(content["facts"]))
            weights = {name[7:]: content[name] for name in content.files if name.startswith("weight:")}
        whole = facts["data"] == data and facts["digest"] == _digest(weights)
        numbers = isinstance(facts["accuracy"], float) and isinstance(facts["tested_on"], int)
        return (weights, facts) if whole and numbers else None
    except Exception:  # np.load and the zip reader raise many kinds for damaged files
        return None


def _digest(weights: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {weights[name].dtype} {weights[name].shape}".encode())
        digest.update(np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()
