"""Which data set is taken, where it is looked for, and what happens without a network."""

import hashlib
import os
import zipfile

import pytest
from data_files import grey_set, idx_bytes, write_cifar, write_mnist, write_picture, write_raw

from ms_gan.data import cache_folder, load_images, sources
from ms_gan.data.sources import describe_data_folders, fetch_cifar10, fetch_mnist, recognise
from ms_gan.data.unpack import DataFile, DownloadError
from ms_gan.errors import UserError


@pytest.fixture(autouse=True)
def no_network(tmp_path, monkeypatch):
    """Let nothing of this machine be seen; the mirror is a folder that does not exist."""
    monkeypatch.setenv("MS_GAN_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("MS_GAN_MIRROR", str(tmp_path / "mirror"))


@pytest.fixture
def digits(monkeypatch):
    """Stand in for the renderer of the built-in digits."""

    def ensure_digits(cache, colour=False, announce=print):
        folder = cache / ("builtin-digits-colour" if colour else "builtin-digits")
        (write_cifar if colour else write_mnist)(folder)
        (folder / "builtin-digits-version.txt").write_text("1\n")
        return folder

    monkeypatch.setattr(sources.digits, "ensure_digits", ensure_digits)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Offer a small MNIST, whose sizes and checksums are taken for the official ones."""
    place = write_mnist(tmp_path / "mirror", nested=True)
    files = []
    with zipfile.ZipFile(place / "MNIST_Data.zip", "w") as archive:
        for path in sorted(place.glob("*/*")):
            name = path.relative_to(place).as_posix()
            archive.write(path, f"MNIST_Data/{name}")
            files.append(DataFile(name, path.stat().st_size, hashlib.md5(path.read_bytes()).hexdigest()))
            path.unlink()
    monkeypatch.setattr(sources, "MNIST_FILES", tuple(files))
    return place / "MNIST_Data.zip"


def quiet(line):
    pass


@pytest.mark.parametrize(
    ("kind", "found", "write"),
    [
        ("mnist", "idx", write_mnist),
        ("raw", "raw", write_raw),
        ("cifar10", "cifar10", write_cifar),
        ("pictures", "pictures", lambda d: write_picture(d / "cat" / "a.jpg")),
    ],
)
def test_recognises_what_a_folder_holds(tmp_path, monkeypatch, kind, found, write):
    write(tmp_path / "mine")
    assert recognise(tmp_path / "mine") == found
    assert load_images(folder=str(tmp_path / "mine")).source == found
    assert load_images(kind, folder=tmp_path / "mine").source == found
    # The same folder named by the environment, without --data-dir.
    monkeypatch.setenv("MS_GAN_DATA", str(tmp_path / "mine"))
    assert load_images().source == found
    assert load_images(kind).source == found
    assert any("directly in" in text for _, text in describe_data_folders())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("split", ["train", "test", "both"])
def test_mnist_is_known_by_its_labels(tmp_path, monkeypatch, packed, split):
    place = write_mnist(tmp_path / "mine", packed=packed)
    assert load_images(folder=place, split=split).source == recognise(place) == "idx"
    md5 = [hashlib.md5(idx_bytes(grey_set(count)[1])).hexdigest() for count in (20, 10)]
    names = ("train/train-labels-idx1-ubyte", "test/t10k-labels-idx1-ubyte")
    files = tuple(map(DataFile, names, (0, 0), md5))
    monkeypatch.setattr(sources, "MNIST_FILES", files)
    assert load_images(folder=place, split=split).source == recognise(place) == "mnist"


def test_other_data_under_mnists_names_are_said_and_taken_whole(tmp_path):
    place = write_mnist(tmp_path / "mine")
    found = load_images("mnist", place, prefer_classes=["7"])
    assert len(found.images) == 20
    assert found.notices == (
        f"MNIST was asked for, but the files in {place} hold other labels than MNIST's.",
        "The choice of 7 is for MNIST; all classes of the IDX files other than MNIST's are used.",
    )
    assert load_images(folder=place).notices == ()


def test_labels_that_cannot_be_unpacked_are_not_mnists(tmp_path):
    place = write_mnist(tmp_path, packed=True)
    labels = next(place.rglob("train-labels*"))
    labels.write_bytes(labels.read_bytes()[:-9])
    assert recognise(place) == "idx"


def test_a_folder_with_two_sets_gives_the_preferred_one(tmp_path):
    write_mnist(tmp_path / "mine")
    write_cifar(tmp_path / "mine")

    def taken(*words, **options):
        images = load_images(*words, folder=tmp_path / "mine", **options)
        return images.source, images.images.shape[1:]

    assert taken() == taken("mnist") == ("idx", (1, 28, 28))
    assert taken(prefer="cifar10") == taken("cifar10") == ("cifar10", (3, 32, 32))


def test_folders_without_data_are_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    for source, words in (
        ("auto", "holds no data set; looked for MNIST files .* CIFAR-10 binary files .* pictures"),
        ("mnist", "holds no MNIST"),
        ("pictures", "holds no pictures"),
        ("builtin", "holds no built-in digits"),
    ):
        with pytest.raises(UserError, match=words):
            load_images(source, folder=tmp_path / "mine")
        assert os.listdir(tmp_path / "mine") == ["thesis.txt"]
    with pytest.raises(UserError, match="holds no data set"):
        recognise(tmp_path / "mine")


def test_missing_folder_and_file_for_folder(tmp_path):
    for folder, words in ((tmp_path / "nowhere", "no such folder"), (tmp_path / "file", "is a file")):
        (tmp_path / "file").write_text("")
        for source in ("auto", "raw", "pictures"):
            with pytest.raises(UserError, match=words):
                load_images(source, folder=folder)
    with pytest.raises(UserError, match="is a file"):
        load_images("mnist", folder=tmp_path / "file")


def test_raw_and_pictures_need_a_folder():
    for source in ("raw", "pictures"):
        with pytest.raises(UserError, match="--data-dir"):
            load_images(source)


def test_mnist_is_fetched_once_into_the_cache(tmp_path, mirror):
    lines = []
    first = load_images(announce=lines.append)
    assert (first.source, len(first.images), first.notices) == ("mnist", 20, ())
    assert first.location == str(tmp_path / "cache" / "mnist")
    assert len(lines) == 1
    mirror.unlink()
    assert load_images("mnist", announce=lines.append).sha256 == first.sha256
    assert fetch_mnist(announce=lines.append) == tmp_path / "cache" / "mnist"
    assert len(lines) == 1
    assert ("MNIST", f"complete, 0 MB in {tmp_path / 'cache' / 'mnist'}") in describe_data_folders()


def test_a_damaged_cache_is_fetched_again(tmp_path, mirror):
    place = fetch_mnist(announce=quiet)
    (place / "train" / "train-images-idx3-ubyte").write_bytes(b"cut")
    assert "incomplete" in dict(describe_data_folders())["MNIST"]
    assert len(load_images(announce=quiet).images) == 20


def test_an_empty_folder_is_where_to_fetch_to(tmp_path, mirror, digits):
    mine = tmp_path / "mine"
    mine.mkdir()
    found = load_images(folder=mine, announce=quiet)
    assert (found.source, found.location) == ("mnist", str(mine / "mnist"))
    mirror.unlink()
    assert load_images("mnist", folder=mine, announce=quiet).source == "mnist"
    assert not (tmp_path / "cache").exists()
    # What was fetched there does not stop another set from joining it.
    assert load_images("builtin", folder=mine, announce=quiet).source == "builtin"
    assert load_images("mnist", folder=mine, announce=quiet).source == "mnist"


def test_a_new_folder_is_made_for_a_set_that_was_named(tmp_path, mirror):
    assert load_images("mnist", folder=tmp_path / "new" / "place", announce=quiet).source == "mnist"
    assert (tmp_path / "new" / "place" / "mnist" / "train").is_dir()


def test_auto_falls_back_with_a_boxed_notice(tmp_path, digits):
    lines = []
    found = load_images(announce=lines.append)
    assert (found.source, found.images.shape[1:]) == ("builtin", (1, 28, 28))
    assert found.location == str(tmp_path / "cache" / "builtin-digits")
    (notice,) = found.notices
    assert "MNIST could not be fetched" in notice
    assert "no such file" in notice
    box = next(line for line in lines if line.startswith("####")).splitlines()
    assert len({len(line) for line in box}) == 1
    assert any("NOT MNIST" in line for line in box)


def test_fallback_of_the_colour_recipes_is_in_colour(digits):
    found = load_images(prefer="cifar10", announce=quiet)
    assert (found.source, found.images.shape[1:]) == ("builtin", (3, 32, 32))
    assert "CIFAR-10 could not be fetched" in found.notices[0]
    assert load_images("builtin", prefer="cifar10").notices == ()


def test_a_named_set_never_falls_back(tmp_path, digits):
    for source in ("mnist", "cifar10"):
        with pytest.raises(
            DownloadError, match=r"cannot be fetched .*MS_GAN_MIRROR.*; or name a folder .*--data-dir"
        ) as caught:
            load_images(source, announce=quiet)
        assert "\n" not in str(caught.value)
    assert not any((tmp_path / "cache").iterdir())


def test_built_in_digits_are_not_taken_for_mnist(tmp_path, digits):
    place = tmp_path / "cache" / "builtin-digits"
    load_images("builtin", announce=quiet)
    assert load_images(folder=place).source == "builtin"
    with pytest.raises(UserError, match="holds no MNIST"):
        load_images("mnist", folder=place)


def test_a_failed_fetch_into_an_empty_folder_leaves_it_empty(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(DownloadError):
        load_images("mnist", folder=tmp_path / "mine", announce=quiet)
    assert not any((tmp_path / "mine").iterdir())


def test_gz_files_put_into_the_cache_by_hand(tmp_path):
    write_mnist(tmp_path / "cache" / "mnist", packed=True)
    assert load_images("mnist").location == str(tmp_path / "cache" / "mnist")


def test_cached_cifar_is_not_what_auto_means_for_mnist(tmp_path, digits):
    write_cifar(tmp_path / "cache" / "cifar-10-batches-bin")
    assert load_images(announce=quiet).source == "builtin"


def test_cache_folder_of_the_environment_and_default(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.setenv("MS_GAN_DATA", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ms_gan"


def test_a_cache_that_cannot_be_written(tmp_path, mirror):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match="cannot write"):
        load_images("mnist", announce=quiet)


def test_digits_in_a_read_only_cache_are_used(tmp_path, monkeypatch, mirror, digits):
    load_images("builtin")

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ms_gan.data.download.tempfile.mkdtemp", refuse)
    found = load_images(announce=quiet)
    assert found.source == "builtin"
    assert "cannot write" in found.notices[0]


def test_fetching_cifar(tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "cifar-10-binary.tar.gz").write_bytes(b"not the official one")
    with pytest.raises(DownloadError, match=r"wrong checksum of cifar-10-binary\.tar\.gz"):
        fetch_cifar10(announce=quiet)


def test_one_class_may_be_given_alone(tmp_path):
    write_cifar(tmp_path / "mine")
    assert set(load_images(folder=tmp_path / "mine", classes="horse").labels) == {7}


def test_doctor_says_what_is_not_there(tmp_path):
    lines = dict(describe_data_folders())
    assert lines["data folder"] == f"{tmp_path / 'cache'} (set by MS_GAN_DATA)"
    assert lines["MNIST"].startswith("not there")
    assert lines["built-in digits, grey"].startswith("not there")


def test_doctor_survives_a_strange_data_folder(tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert dict(describe_data_folders())["CIFAR-10"].startswith("not there")


def test_images_of_different_sizes_are_not_mixed(tmp_path):
    write_mnist(tmp_path / "mine")
    images, labels = grey_set(4)
    (tmp_path / "mine" / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(images[:, :20]))
    (tmp_path / "mine" / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    with pytest.raises(UserError, match="different sizes"):
        load_images(folder=tmp_path / "mine", split="both")
