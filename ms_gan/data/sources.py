"""Which data set is meant, where it is, and loading it."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ms_gan.config.schema import LARGEST_SIZE
from ms_gan.data import cifar10, digits, idx
from ms_gan.data.download import complete, fetch
from ms_gan.data.folder import find_pictures, load_pictures
from ms_gan.data.images import ImageSet, Wish
from ms_gan.data.raw import holds_raw, load_raw
from ms_gan.data.remote import CIFAR10_FILES, MNIST_FILES, cifar10_mirrors, mnist_mirrors
from ms_gan.data.unpack import DownloadError
from ms_gan.errors import UserError
from ms_gan.names import unknown_name

SOURCES = ("auto", "mnist", "cifar10", "raw", "pictures", "builtin")
SPLITS = ("train", "test", "both")
TITLES = {
    "mnist": "MNIST",
    "idx": "IDX files other than MNIST's",
    "cifar10": "CIFAR-10",
    "raw": "raw .bin files",
    "pictures": "pictures",
    "builtin": "built-in digits",
}
_LOOKED_FOR = (
    "MNIST files (train-images-idx3-ubyte ..., .gz or not), raw files (imagesTrain.bin), "
    "CIFAR-10 binary files (data_batch_1.bin ...) and pictures"
)
_OWN_FOLDERS = {idx.CACHED, cifar10.CACHED, *digits.FOLDERS.values()}


def cache_folder() -> Path:
    """Return the folder for downloads and built-in digits: environment MS_GAN_DATA, else ~/.cache/ms_gan."""
    return Path(os.path.expanduser(os.environ.get("MS_GAN_DATA") or "~/.cache/ms_gan"))


def load_images(
    source: str = "auto",
    folder: str | os.PathLike | None = None,
    split: str = "train",
    classes: Sequence[str | int] = (),
    size: int | None = None,
    channels: int | None = None,
    cache: str | os.PathLike | None = None,
    announce: Callable[[str], None] = print,
    prefer: str = "mnist",
    prefer_classes: Sequence[str | int] = (),
) -> ImageSet:
    """Load a data set into memory; download it, or draw the built-in digits, if need be.

    Parameters
    ----------
    source : str
        'mnist', 'cifar10', 'raw' (headerless .bin files), 'pictures', 'builtin' (drawn digits), or 'auto':
        what `folder` holds; without a folder the `prefer`red set if it is there or can be fetched, otherwise
        the built-in digits, with a boxed notice. 'mnist' and 'cifar10' never fall back.
    folder : path-like, optional
        A folder of the user's. One that is empty is where to download to; so is one that does not exist yet,
        but only for 'mnist', 'cifar10' and 'builtin' ('auto' would hide a slip of the pen).
    split : str
        'train', 'test' or 'both'. Pictures have no split: 'train' and 'both' are all of them, 'test' is
        refused.
    classes : sequence of str or int
        Names or numbers of the wanted classes; empty: all.
    size : int, optional
        Edge length in pixels to convert to, 1 to 4096. None: as the data are.
    channels : int, optional
        1 (grey) or 3 (colour) to convert to. None: as the data are.
    cache : path-like, optional
        Where downloads and built-in digits are kept; None: :func:`cache_folder`. A data set that lies directly
        in it is used like one in `folder`.
    announce : callable
        Takes lines about downloads and fallbacks.
    prefer : str
        'mnist' or 'cifar10': what 'auto' means; 'cifar10' also makes the built-in digits 32x32 colour ones.
    prefer_classes : sequence of str or int
        The classes to take of the `prefer`red set where `classes` is empty. Of other data all are taken, which
        a notice says.

    Returns
    -------
    ImageSet
        The images, uint8, with their labels and origin.

    Raises
    ------
    UserError
        If an argument is impossible, the folder holds no such data, files are damaged, or nothing can be
        fetched.
    """
    classes = (classes,) if isinstance(classes, str | int) else tuple(classes)
    _check(source, Wish(split, classes, size, channels), prefer)
    place = Path(os.path.expanduser(cache or cache_folder()))
    if folder is None:
        kind, place, notices = _without_folder(source, place, prefer, announce)
    else:
        kind, place, notices = _with_folder(source, Path(os.path.expanduser(folder)), prefer, announce)
    found = _true_kind(kind, place)
    if source == "mnist" != found:
        notices += (f"MNIST was asked for, but the files in {place} hold other labels than MNIST's.",)
    if not classes and prefer_classes and found != prefer:
        named = ", ".join(map(str, prefer_classes))
        notices += (f"The choice of {named} is for {TITLES[prefer]}; all classes of the {TITLES[found]} are used.",)
    wish = Wish(split, classes or (tuple(prefer_classes) if found == prefer else ()), size, channels)
    if kind in ("raw", "pictures"):
        images = (load_raw if kind == "raw" else load_pictures)(place, wish)
        return dataclasses.replace(images, notices=notices + images.notices)
    # The built-in digits have either's files; a folder may hold both sets.
    as_mnist = bool(idx.find_mnist(place)) if kind == "builtin" else kind == "mnist"
    load = idx.load_mnist if as_mnist else cifar10.load_cifar10
    return load(place, wish, found, notices)


def recognise(folder: str | os.PathLike, prefer: str = "mnist") -> str:
    """Return what `folder` holds; if several data sets, the `prefer`red one.

    Returns
    -------
    str
        'mnist', 'idx' (another data set in files of MNIST's names), 'cifar10', 'raw', 'builtin' or 'pictures'.

    Raises
    ------
    UserError
        If it is missing, is no folder, or holds none of them.
    """
    folder = _existing(Path(os.path.expanduser(folder)))
    kind = _recognise(folder, prefer)
    if kind is None:
        raise UserError(f"{folder}: holds no data set; looked for {_LOOKED_FOR}; name another folder")
    return _true_kind(kind, folder)


def fetch_mnist(cache: str | os.PathLike | None = None, announce: Callable[[str], None] = print) -> Path:
    """Fetch MNIST into `cache` (None: :func:`cache_folder`) unless it is there; return its folder."""
    return _fetch("mnist", Path(os.path.expanduser(cache or cache_folder())), announce)


def fetch_cifar10(cache: str | os.PathLike | None = None, announce: Callable[[str], None] = print) -> Path:
    """Fetch CIFAR-10 into `cache` (None: :func:`cache_folder`) unless it is there; return its folder."""
    return _fetch("cifar10", Path(os.path.expanduser(cache or cache_folder())), announce)


def describe_data_folders() -> list[tuple[str, str]]:
    """Return lines for `ms-gan doctor`: what of the data is where, and whether it is whole."""
    cache = cache_folder()
    origin = "set by MS_GAN_DATA" if os.environ.get("MS_GAN_DATA") else "set MS_GAN_DATA to use another"
    lines = [("data folder", f"{cache} ({origin})")]
    with contextlib.suppress(UserError):
        kind = _recognise(cache, "mnist", own=False) if os.path.isdir(cache) else None
        if kind:
            lines.append((TITLES[_true_kind(kind, cache)], f"directly in {cache}"))
    for kind in ("mnist", "cifar10"):
        lines.append((TITLES[kind], _state(_cached(kind, cache), _place(kind, cache), "fetched when first used")))
    for colour, name in digits.FOLDERS.items():
        place = cache / name
        whole = os.path.isfile(place / digits.MARKER)
        lines.append((f"built-in digits, {colour}", _state(whole, place, "drawn when first used")))
    return lines


def _without_folder(
    source: str, cache: Path, prefer: str, announce: Callable[[str], None]
) -> tuple[str, Path, tuple[str, ...]]:
    held = None
    if os.path.isdir(cache):
        _existing(cache)
        held = _recognise(cache, prefer, own=False) if source == "auto" else _holds(source, cache, own=False)
    if held:
        return (held if source == "auto" else source), cache, ()
    if source in ("raw", "pictures"):
        raise UserError(f"data source {source}: name the folder that holds the {TITLES[source]} with --data-dir")
    return _from_cache(source, cache, prefer, announce)


def _with_folder(
    source: str, folder: Path, prefer: str, announce: Callable[[str], None]
) -> tuple[str, Path, tuple[str, ...]]:
    if os.path.exists(folder) or source in ("auto", "raw", "pictures"):
        _existing(folder)
        kind = _recognise(folder, prefer) if source == "auto" else source
        if kind and _holds(kind, folder):
            return kind, folder, ()
        if source in ("raw", "pictures") or not _is_for_downloads(folder):
            what = "data set" if source == "auto" else TITLES[source]
            looked_for = f"; looked for {_LOOKED_FOR}" if source == "auto" else ""
            raise UserError(
                f"{folder}: holds no {what}{looked_for}; name another folder, or, for MNIST or CIFAR-10, an "
                "empty one to fetch them into"
            )
    return _from_cache(source, folder, prefer, announce)


def _from_cache(
    source: str, cache: Path, prefer: str, announce: Callable[[str], None]
) -> tuple[str, Path, tuple[str, ...]]:
    wanted = prefer if source == "auto" else source
    if wanted == "builtin":
        return "builtin", _digits(cache, prefer, announce), ()
    try:
        return wanted, _fetch(wanted, cache, announce), ()
    except DownloadError as error:
        if source != "auto":
            remedy = f"{error}; or name a folder that holds it with --data-dir"
            raise DownloadError(remedy, error.reasons) from None
        notice = f"{TITLES[wanted]} could not be fetched, so the built-in digits are used instead of it"
        announce(_box([f"NOT {TITLES[wanted]}: {notice}.", "Why:", *error.reasons, _HOW_TO_GET]))
        return "builtin", _digits(cache, prefer, announce), (f"{notice} ({'; '.join(error.reasons)}).",)


_HOW_TO_GET = "To use it: connect to the network, set MS_GAN_MIRROR, or give --data-dir FOLDER."


def _digits(cache: Path, prefer: str, announce: Callable[[str], None]) -> Path:
    return digits.ensure_digits(cache, colour=prefer == "cifar10", announce=announce)


def _fetch(kind: str, cache: Path, announce: Callable[[str], None]) -> Path:
    place = _place(kind, cache)
    if not _cached(kind, cache):
        mirrors, files = (mnist_mirrors(), MNIST_FILES) if kind == "mnist" else (cifar10_mirrors(), CIFAR10_FILES)
        fetch(TITLES[kind], mirrors, files, place, announce)
    return place


def _place(kind: str, cache: Path) -> Path:
    return cache / (idx.CACHED if kind == "mnist" else cifar10.CACHED)


def _cached(kind: str, cache: Path) -> bool:
    place = _place(kind, cache)
    if complete(place, MNIST_FILES if kind == "mnist" else CIFAR10_FILES):
        return True
    # Someone without a network has put the official .gz files there by hand.
    packed = idx.find_mnist(place) if kind == "mnist" else {}
    return len(packed) == len(MNIST_FILES) and all(path.suffix == ".gz" for path in packed.values())


def _recognise(folder: Path, prefer: str, own: bool = True) -> str | None:
    order = sorted(("mnist", "cifar10", "raw", "builtin"), key=lambda kind: kind != prefer)
    return next((kind for kind in (*order, "pictures") if _holds(kind, folder, own)), None)


def _holds(kind: str, folder: Path, own: bool = True) -> bool:
    """Tell whether `folder` holds data of a kind; without `own`, downloads kept in it do not count."""
    if kind == "builtin" or os.path.isfile(folder / digits.MARKER):
        return kind == "builtin" and os.path.isfile(folder / digits.MARKER)
    if kind == "mnist":
        return bool(idx.find_mnist(folder, (*idx.LAYOUTS, idx.CACHED) if own else idx.LAYOUTS))
    if kind == "cifar10":
        return cifar10.find_cifar10(folder, cached=own) is not None
    if kind == "raw":
        return holds_raw(folder)
    return next(find_pictures(folder), None) is not None


def _true_kind(kind: str, folder: Path) -> str:
    """Return `kind`, but 'idx' for what is not MNIST: Fashion-MNIST and others come under its files' names."""
    if kind != "mnist":
        return kind
    labels = {f"{file.name.split('/')[0]} labels": file.md5 for file in MNIST_FILES if "labels" in file.name}
    files = idx.find_mnist(folder)
    return "mnist" if all(idx.plain_md5(files[what]) == labels[what] for what in labels if what in files) else "idx"


def _is_for_downloads(folder: Path) -> bool:
    """Tell whether a folder is empty but for hidden files and what was fetched or drawn into it."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return names <= _OWN_FOLDERS


def _existing(folder: Path) -> Path:
    if not os.path.exists(folder):
        raise UserError(
            f"{folder}: no such folder; name one that exists (or an empty one to fetch MNIST or CIFAR-10 into)"
        )
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: is a file, not a folder; name the folder that holds the data")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"{folder}: may not be read; change its permissions or name another folder")
    return folder


def _check(source: str, wish: Wish, prefer: str) -> None:
    for where, given, known in (
        ("data source", source, SOURCES),
        ("data split", wish.split, SPLITS),
        ("data preferred by auto", prefer, ("mnist", "cifar10")),
    ):
        if given not in known:
            raise UserError(unknown_name(where, given, known))
    if wish.size is not None and not (type(wish.size) is int and 1 <= wish.size <= LARGEST_SIZE):
        raise UserError(f"image size: {wish.size!r} is not a whole number from 1 to {LARGEST_SIZE}")
    if wish.channels not in (None, 1, 3):
        raise UserError(f"image channels: {wish.channels!r} is neither 1 (grey) nor 3 (colour)")


def _state(whole: bool, place: Path, otherwise: str) -> str:
    if whole:
        size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        return f"complete, {size / 1e6:.0f} MB in {place}"
    return f"incomplete in {place}; {otherwise}" if os.path.exists(place) else f"not there; {otherwise}"


def _box(lines: Sequence[str]) -> str:
    width = max(len(line) for line in lines)
    edge = "#" * (width + 4)
    return "\n".join([edge, *(f"# {line:<{width}} #" for line in lines), edge])
