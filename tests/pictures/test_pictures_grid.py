"""Still pictures: every pixel where it belongs, every grey exact, bad input refused in one line."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ms_gan.errors import UserError
from ms_gan.pictures import canvas, grid, save_grid, save_labelled, save_labelled_examples, save_strip, tile, to_pixels
from ms_gan.pictures.canvas import lettering, words, wrap
from ms_gan.pictures.grid import GAP_GREY, check_grid


def some_images(count: int, channels: int = 1, height: int = 4, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, channels, height, width), dtype=np.uint8)


def pixels_of(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_every_byte_survives_the_way_to_the_network_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    images = (pixels.astype(np.float32) - 127.5) / 127.5
    assert np.array_equal(to_pixels(images)[0, ..., 0], pixels[0, 0])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_values_are_rounded_to_the_nearest_byte_and_clipped(kind):
    images = np.array([-7, -1, -0.999, 0.5, 0.999, 1, 7], dtype=kind).reshape(1, 1, 1, 7)
    assert to_pixels(images).ravel().tolist() == [0, 0, 0, 191, 255, 255, 255]


def test_colours_keep_their_order():
    images = np.stack([np.full((2, 2), value, np.float32) for value in (-1, 0.2, 1)])[None]
    assert to_pixels(images)[0, 1, 1].tolist() == [0, 153, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_tile_puts_each_pixel_in_its_place(channels):
    images = some_images(5, channels)
    scale, gap = 3, 2
    canvas = tile(images, 2, 3, scale=scale, gap=gap)
    assert canvas.shape == (2 * (4 * scale + gap) + gap, 3 * (6 * scale + gap) + gap, channels)
    covered = np.zeros(canvas.shape[:2], bool)
    for number, image in enumerate(images):
        top, left = gap + number // 3 * (4 * scale + gap), gap + number % 3 * (6 * scale + gap)
        block = canvas[top : top + 4 * scale, left : left + 6 * scale]
        assert np.array_equal(block, np.kron(image, np.ones((scale, scale), np.uint8)).transpose(1, 2, 0))
        covered[top : top + 4 * scale, left : left + 6 * scale] = True
    # Gaps and the sixth, missing, tile.
    assert (canvas[~covered] == GAP_GREY).all()


def test_float_and_byte_images_give_the_same_picture():
    images = some_images(4)
    assert np.array_equal(tile(images, 2, 2), tile((images.astype(np.float32) - 127.5) / 127.5, 2, 2))


@pytest.mark.parametrize(
    ("rows", "cols", "side", "low", "high"),
    [
        (5, 5, 28, 550, 650),
        (4, 4, 32, 550, 700),
        (3, 10, 28, 800, 1050),
        (1, 1, 28, 550, 650),
        (2, 2, 1024, 2048, 2100),
    ],
)
def test_small_images_are_enlarged_so_that_one_can_see_them(rows, cols, side, low, high):
    assert low <= tile(np.zeros((1, 1, side, side), np.uint8), rows, cols).shape[1] <= high


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_grid_file_holds_the_exact_pixels(tmp_path, channels, mode):
    images = some_images(4, channels)
    save_grid(tmp_path / "a" / "grid.png", images, 2, 2)
    with Image.open(tmp_path / "a" / "grid.png") as picture:
        assert picture.mode == mode
        assert picture.info == {}
        stored = np.asarray(picture)
    assert np.array_equal(stored.reshape(*stored.shape[:2], channels), tile(images, 2, 2))


def test_equal_pixels_give_equal_bytes(tmp_path):
    digests = set()
    for name in ("one.png", "two.png"):
        save_grid(tmp_path / name, some_images(4), 2, 2)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def contains(picture: np.ndarray, part: np.ndarray) -> bool:
    if part.shape[0] > picture.shape[0] or part.shape[1] > picture.shape[1]:
        return False
    _, _, (left, top), _ = cv2.minMaxLoc(cv2.matchTemplate(picture, part, cv2.TM_SQDIFF))
    return np.array_equal(picture[top : top + part.shape[0], left : left + part.shape[1]], part)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_labelled_panels_are_all_there_and_exact(tmp_path, count):
    panels = [(f"epoch {number}", some_images(4, height=28, width=28, seed=number)) for number in range(count)]
    save_labelled(tmp_path / "panels.png", panels, 2, 2, title="Epochs side by side")
    picture = pixels_of(tmp_path / "panels.png")
    scale = next(s for s in range(12, 0, -1) if contains(picture, tile(panels[0][1], 2, 2, s)[..., 0]))
    assert all(contains(picture, tile(images, 2, 2, scale)[..., 0]) for _, images in panels)
    assert picture.shape[1] <= 1600


def test_labels_are_drawn_and_differ(tmp_path):
    images = some_images(4)
    pictures = []
    for label in ("N(0,1)", "N(0,1) x 50000", ""):
        save_labelled(tmp_path / "panels.png", [(label, images)], 2, 2)
        pictures.append(pixels_of(tmp_path / "panels.png"))
    dark = [int((picture[:40] < 128).sum()) for picture in pictures]
    assert dark[1] > dark[0] > dark[2] == 0


def test_grey_and_coloured_panels_can_stand_together(tmp_path):
    save_labelled(tmp_path / "p.png", [("grey", some_images(1)), ("colour", some_images(1, 3))], 1, 1)
    assert pixels_of(tmp_path / "p.png").shape[2:] == (3,)


def test_examples_have_room_for_long_labels(tmp_path):
    images = some_images(3, 3, 8, 8)
    save_labelled_examples(tmp_path / "short.png", images, ["1", "2", "3"], 2, 2)
    save_labelled_examples(tmp_path / "long.png", images, ["1", "a label of very many words " * 5, "3"], 2, 2)
    assert len(pixels_of(tmp_path / "long.png")) > len(pixels_of(tmp_path / "short.png"))


@given(st.text(max_size=60), st.integers(20, 300))
def test_wrapping_loses_no_letter_and_keeps_to_the_width(text, width):
    face = lettering("", 14)[1]
    lines = wrap(text, width, face)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(face.getlength(line) <= width or len(line) == 1 for line in lines)


def test_letters_that_no_font_has_are_codes_and_no_boxes(monkeypatch):
    monkeypatch.setattr(canvas, "_MORE_FONTS", ("A Font of Nobody",))
    assert lettering("chat 猫 \udce9\a", 14)[0] == r"chat \u732b \udce9\x07"
    assert np.array_equal(words("猫", 200, 14), words(r"\u732b", 200, 14))
    assert not np.array_equal(words("猫", 200, 14), words("狗", 200, 14))


def test_letters_that_another_installed_font_has_are_drawn_with_it(monkeypatch):
    monkeypatch.setattr(canvas, "_MORE_FONTS", ("A Font of Nobody", "STIXGeneral"))
    sign = "\u1d8a"  # matplotlib's own fonts beside DejaVu Sans stand for those of a Chinese machine
    for bold in (False, True):
        drawn, face = lettering(f"a {sign}", 14, bold)
        assert (drawn, Path(face.path).name) == (f"a {sign}", "STIXGeneral.ttf")
        assert Path(lettering("a", 14, bold)[1].path).name == f"DejaVuSans{'-Bold' * bold}.ttf"


def test_strip_has_one_row_for_each_segment(tmp_path):
    images = some_images(6)
    save_strip(tmp_path / "strip.png", images, rows=2)
    assert np.array_equal(pixels_of(tmp_path / "strip.png"), tile(images, 2, 3)[..., 0])


BAD = np.zeros((2, 1, 3, 3), np.float32)
BAD[1, 0, 2, 2] = np.nan


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda path: to_pixels(BAD), "image 1 of 2"),
        (lambda path: to_pixels(np.full((1, 1, 2, 2), np.inf)), "NaN or infinite"),
        (lambda path: to_pixels(np.zeros((1, 1, 2, 2), np.uint8)), "floating point"),
        (lambda path: tile(np.zeros((1, 1, 2, 2), np.int64), 1, 1), "int64"),
        (lambda path: tile(np.zeros((2, 2), np.uint8), 1, 1), r"\(2, 2\)"),
        (lambda path: tile(np.zeros((1, 28, 28, 1), np.uint8), 1, 1), r"\(1, 28, 28, 1\)"),
        (lambda path: tile(np.zeros((0, 1, 2, 2), np.uint8), 1, 1), r"\(0, 1, 2, 2\)"),
        (lambda path: tile(some_images(5), 2, 2), "5 images do not fit a grid of 2 x 2"),
        (lambda path: tile(some_images(1), 0, 2), "rows"),
        (lambda path: tile(some_images(1), 1, 1, scale=0), "scale"),
        (lambda path: tile(some_images(1), 1, 1, gap=-1), "gap"),
        (lambda path: save_grid(path / "grid.jpg", some_images(1), 1, 1), "grid.jpg"),
        (lambda path: save_grid(path / "file" / "grid.png", some_images(1), 1, 1), "cannot write"),
        (lambda path: save_labelled(path / "p.png", [], 1, 1), "no pictures"),
        (
            lambda path: save_labelled(path / "p.png", [("a", some_images(1)), ("b", some_images(1, 1, 5, 5))], 1, 1),
            "4 x 6, 5 x 5",
        ),
        (
            lambda path: save_labelled_examples(path / "p.png", some_images(2), ["7"], 1, 2),
            "2 images need as many labels, not 1",
        ),
        (lambda path: save_labelled_examples(path / "p.png", some_images(2), ["7", "8"], 1, 1), "do not fit"),
        (
            lambda path: save_strip(path / "p.png", some_images(5), rows=2),
            "5 images cannot be divided evenly into 2 rows",
        ),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, call, words):
    (tmp_path / "file").write_text("a file where a folder is needed")
    with pytest.raises(UserError, match=words) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_the_size_of_a_grid_is_known_before_it_is_drawn(rows, cols, size):
    height, width, _ = tile(some_images(1, 1, size, size), rows, cols).shape
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "MOST_PIXELS", height * width)
        patch.setattr(grid, "MOST_SIDE", max(height, width))
        check_grid(rows, cols, size)
        patch.setattr(grid, "MOST_PIXELS", height * width - 1)
        with pytest.raises(UserError, match=f"a grid of {rows} x {cols} images is a picture of {height:,} x {width:,}"):
            check_grid(rows, cols, size)


@pytest.mark.parametrize(("rows", "cols"), [(300, 300), (1, 600), (10**9, 10**9)])
def test_grids_that_neither_film_nor_page_could_hold_are_refused(rows, cols):
    with pytest.raises(UserError, match="set smaller samples"):
        check_grid(rows, cols, 28)
    check_grid(200, 200, 28)
