"""Folders of pictures: every common format, honest about what cannot be read."""

import contextlib
import os
import struct
import zlib

import numpy as np
import pytest
from data_files import write_picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ms_gan.data import ImageSet, load_images
from ms_gan.errors import UserError

RED = np.array([200, 10, 30])


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "bmp", "gif", "tif", "webp", "ppm"])
def test_common_formats(tmp_path, suffix):
    write_picture(tmp_path / f"a.{suffix}", (20, 30))
    found = load_images(folder=tmp_path, size=8)
    assert (found.source, found.images.shape, found.labels) == ("pictures", (1, 3, 8, 8), None)
    assert np.abs(found.images[0, :, 4, 4].astype(int) - RED).max() <= 3


def test_sub_folders_are_classes(tmp_path):
    write_picture(tmp_path / "cat" / "1.png", colour="red")
    write_picture(tmp_path / "cat" / "deep" / "2.png", colour="red")
    write_picture(tmp_path / "dog" / "3.png", colour="blue")
    found = load_images(folder=tmp_path)
    assert found.class_names == ("cat", "dog")
    assert found.labels.tolist() == [0, 0, 1]
    dogs = load_images(folder=tmp_path, classes=["dog"])
    assert dogs.labels.tolist() == [1]
    assert dogs.images[0, :, 0, 0].tolist() == [0, 0, 255]
    write_picture(tmp_path / "loose.png")
    assert load_images(folder=tmp_path).labels is None
    with pytest.raises(UserError, match="no classes"):
        load_images(folder=tmp_path, classes=["dog"])


def test_numbered_folders_are_chosen_by_name(tmp_path):
    for name in ("1", "2", "10"):
        write_picture(tmp_path / name / "a.png", colour=int(name), mode="L")
    assert load_images(folder=tmp_path, classes=[10]).images.max() == 10


def test_folders_that_only_case_tells_apart_are_chosen_as_they_are_spelt(tmp_path):
    for name, colour in (("A", 1), ("a", 2), ("b", 3)):
        write_picture(tmp_path / name / "a.png", colour=colour, mode="L")
    assert load_images(folder=tmp_path, classes=["a", "B"]).images[:, 0, 0, 0].tolist() == [2, 3]


def test_grey_only_when_all_are_grey(tmp_path):
    write_picture(tmp_path / "a.png", colour=100, mode="L")
    write_picture(tmp_path / "b.png", colour=1, mode="1")
    assert load_images(folder=tmp_path).images.shape[1] == 1
    write_picture(tmp_path / "c.png")
    assert load_images(folder=tmp_path).images.shape[1] == 3
    assert load_images(folder=tmp_path, channels=1).images.shape[1] == 1


@pytest.mark.parametrize(("suffix", "kind"), [("png", np.uint16), ("ppm", np.int32), ("tif", np.uint16)])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix, kind):
    Image.fromarray(np.full((8, 8), 32896, kind)).save(tmp_path / f"a.{suffix}")
    assert (load_images(folder=tmp_path).images == 128).all()


def test_twelve_bit_grey_is_scaled_not_black(tmp_path):
    # By hand, since Pillow writes no such files: 8x8 pixels of 2,048, two in three bytes.
    pixels = bytes((0x80, 0x08, 0x00)) * 32
    tags = {256: 8, 257: 8, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: len(pixels)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    header = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    (tmp_path / "a.tif").write_bytes(header + pixels + struct.pack("<H", len(tags)) + entries + bytes(4))
    assert (load_images(folder=tmp_path).images == 128).all()


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_of_unknown_range_are_refused(tmp_path, kind):
    Image.fromarray(np.full((8, 8), 200, kind)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="whose range is unknown"):
        load_images(folder=tmp_path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_is_white(tmp_path, mode):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.putpixel((0, 0), (0, 0, 0, 255))
    picture.convert(mode).save(tmp_path / "a.png")
    found = load_images(folder=tmp_path)
    assert (found.images[0, :, 0, 0] == 0).all()
    assert (found.images[0, :, 1:, :] == 255).all()


def test_upright_by_exif(tmp_path):
    picture = Image.new("RGB", (16, 16))
    picture.paste("white", (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 3  # taken upside down
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = load_images(folder=tmp_path)
    assert found.images[0, :, 15].min() > 200
    assert found.images[0, :, 0].max() < 50


def test_crops_the_central_square(tmp_path):
    picture = Image.new("L", (40, 20))
    picture.paste(255, (10, 0, 30, 20))
    picture.save(tmp_path / "a.png")
    assert (load_images(folder=tmp_path).images == 255).all()
    assert (load_images(folder=tmp_path, size=5).images == 255).all()


def test_different_sizes_need_a_size(tmp_path):
    write_picture(tmp_path / "a.png", (8, 8))
    write_picture(tmp_path / "b.png", (12, 9))
    with pytest.raises(UserError, match=r"a\.png has 8 .* b\.png 9.*--size 64 \(or set data\.size=64\)"):
        load_images(folder=tmp_path)
    assert load_images(folder=tmp_path, size=8).images.shape == (2, 3, 8, 8)


def _png(width: int, height: int) -> bytes:
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def test_unreadable_pictures_are_named_and_counted(tmp_path):
    good = write_picture(tmp_path / "good.png", (64, 64))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    noise.save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:2000])
    (tmp_path / "bomb.png").write_bytes(_png(60_000, 60_000))
    (tmp_path / "large.png").write_bytes(_png(9_000, 9_000))
    (tmp_path / "empty.gif").write_bytes(b"")
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n")
    (tmp_path / "notes.txt").write_text("not a picture, not counted")
    (tmp_path / "._good.png").write_text("hidden, not counted")
    os.mkfifo(tmp_path / "pipe.png")
    found = load_images(folder=tmp_path)
    assert len(found.images) == 1
    assert found.notices[0].startswith("5 of 6 pictures could not be read: ")
    assert "bomb.png (too many pixels)" in found.notices[0]
    assert found.notices[0].endswith("and 2 more.")
    good.unlink()
    with pytest.raises(UserError, match="none of its 5 pictures can be read"):
        load_images(folder=tmp_path)


def test_link_loops_end(tmp_path):
    write_picture(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self.png").symlink_to(tmp_path / "a" / "self.png")
    assert len(load_images(folder=tmp_path).images) == 1


def test_linked_folders_are_followed(tmp_path):
    write_picture(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "cat").symlink_to(tmp_path / "elsewhere")
    assert load_images(folder=tmp_path / "set").class_names == ("cat",)


def test_names_that_no_terminal_can_print(tmp_path):
    write_picture(tmp_path / "good.png")
    with open(os.fsencode(tmp_path) + b"/\xff\n.png", "wb"):
        pass
    notice = load_images(folder=tmp_path).notices[0]
    notice.encode()
    assert "\n" not in notice


def test_pictures_have_no_test_part(tmp_path):
    write_picture(tmp_path / "a.png")
    assert len(load_images(folder=tmp_path, split="both").images) == 1
    with pytest.raises(UserError, match="no test part"):
        load_images(folder=tmp_path, split="test")


def test_more_than_256_folders_give_no_labels_and_say_so(tmp_path):
    for number in range(257):
        write_picture(tmp_path / f"{number:03}" / "a.png", (1, 1))
    found = load_images(folder=tmp_path)
    assert found.labels is None
    assert "257 sub-folders" in found.notices[0]


def test_too_much_for_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ms_gan.data.images.LARGEST_SET", 1000)
    write_picture(tmp_path / "a.png", (64, 64))
    with pytest.raises(UserError, match="limit"):
        load_images(folder=tmp_path)


SAMPLES = {}


def _sample(kind: str, folder) -> bytes:
    if kind not in SAMPLES:
        SAMPLES[kind] = write_picture(folder / f"sample.{kind}", (16, 16)).read_bytes()
        (folder / f"sample.{kind}").unlink()
    return SAMPLES[kind]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    kind=st.sampled_from(["png", "jpg", "bmp", "gif", "tif", "webp", "ppm"]),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 2000),
)
def test_any_damage_is_read_or_refused(tmp_path, kind, changes, cut):
    content = bytearray(_sample(kind, tmp_path))
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content[: max(1, len(content) - cut)] if cut < 1000 else content)
    result = None
    with contextlib.suppress(UserError):
        result = load_images(folder=tmp_path, size=8)
    path.unlink()
    assert result is None or isinstance(result, ImageSet)
