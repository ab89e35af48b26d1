"""Readers of what `plot` and `animate` are given: any bytes give a result or one line."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ms_gan.commands import show
from ms_gan.commands.show import plot, read_picture, scatter
from ms_gan.config import load_config
from ms_gan.errors import UserError
from ms_gan.pictures.curves import read_loss_texts


@pytest.fixture(scope="module")
def grid():
    """Give the bytes of a grid as the training writes it."""
    stream = io.BytesIO()
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(stream, "PNG")
    return stream.getvalue()


def _read(path):
    try:
        return read_picture(path), ""
    except UserError as error:
        return None, str(error)


@given(st.binary(max_size=100))
def test_any_bytes_as_a_grid(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.png"
    path.write_bytes(content)
    picture, message = _read(path)
    assert picture is None
    assert message.startswith(f"{path}: cannot be read as a picture: ")
    assert "\n" not in message


@given(st.integers(0), st.integers(0, 7), st.none() | st.integers(0))
def test_any_damage_of_a_grid_is_noticed(tmp_path_factory, grid, place, bit, cut):
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    content = bytearray(grid)
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content if cut is None else content[: cut % len(content)])
    picture, message = _read(path)
    assert "\n" not in message
    # A bit of the kind of a chunk may make one that PNG readers pass over.
    assert picture is None or np.array_equal(picture[:, :, 0], np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))


@pytest.mark.parametrize(("room", "frames"), [(0, 2), (3, 3), (100, 5)])
def test_a_film_of_large_grids_has_fewer_of_them(grid, tmp_path, monkeypatch, room, frames):
    pictures = {step: tmp_path / f"{step}.png" for step in range(10, 60, 10)}
    for path in pictures.values():
        path.write_bytes(grid)
    run = SimpleNamespace(config=lambda: load_config("mlp"), steps_per_epoch=lambda: 10, grid_pictures=lambda: pictures)
    monkeypatch.setattr(show, "_MOST_PIXELS", room * 64 * 64)
    with Image.open(show.animate(run, tmp_path / "film.gif")) as film:
        assert film.n_frames == frames


@pytest.mark.parametrize("draw", [plot, scatter])
def test_a_folder_whose_name_is_too_long_is_one_line(draw):
    with pytest.raises(UserError, match="x: is no run folder"):
        draw("x" * 300)


_LINES = st.lists(st.floats().map(str) | st.text(max_size=5) | st.just("9" * 400), max_size=5).map("\n".join)


_TEXTS = st.binary(max_size=60) | _LINES.map(lambda text: text.encode("utf-8", "replace"))


@given(_TEXTS, st.none() | _TEXTS)
def test_any_bytes_as_loss_texts(tmp_path_factory, content, steps):
    folder = tmp_path_factory.getbasetemp() / "texts"
    folder.mkdir(exist_ok=True)
    for name in ("d_loss.txt", "d_acc.txt", "g_loss.txt"):
        (folder / name).write_bytes(content)
    (folder / "steps.txt").unlink(missing_ok=True)
    if steps is not None:
        (folder / "steps.txt").write_bytes(steps)
    try:
        records, message = read_loss_texts(folder), ""
    except UserError as error:
        records, message = [], str(error)
    assert "\n" not in message
    assert records or str(folder) in message
