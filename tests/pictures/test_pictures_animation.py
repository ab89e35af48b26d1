"""The GIF: one frame for each given, exact greys, captions that touch nothing but the strip."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from ms_gan.errors import UserError
from ms_gan.pictures import animation, choose_frames, save_gif

HEIGHT, WIDTH = 60, 200


def noise(seed: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, channels), dtype=np.uint8)


def read(path) -> tuple[list[np.ndarray], list[int], dict]:
    with Image.open(path) as gif:
        frames, durations = [], []
        for frame in ImageSequence.Iterator(gif):
            frames.append(np.asarray(frame.convert("RGB")))
            durations.append(frame.info["duration"])
        return frames, durations, dict(gif.info)


def test_frames_durations_and_loop(tmp_path):
    save_gif(tmp_path / "t.gif", [noise(k) for k in range(4)], [f"epoch {k}" for k in range(4)], 0.5)
    frames, durations, info = read(tmp_path / "t.gif")
    assert len(frames) == 4
    assert durations == [500, 500, 500, 3000]
    assert info["loop"] == 0


def test_slow_animations_do_not_hurry_at_the_end(tmp_path):
    save_gif(tmp_path / "t.gif", [noise(0), noise(1)], ["a", "b"], 5)
    assert read(tmp_path / "t.gif")[1] == [5000, 5000]


def test_grey_frames_are_exact(tmp_path):
    given_frames = [np.resize(np.arange(256, dtype=np.uint8), (HEIGHT, WIDTH, 1)), noise(1), noise(2)]
    save_gif(tmp_path / "t.gif", given_frames, ["a", "b", "c"], 1)
    for stored, expected in zip(read(tmp_path / "t.gif")[0], given_frames, strict=True):
        assert (stored[:HEIGHT] == expected).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_identical_frames_are_not_merged(tmp_path, channels):
    frame = noise(0, channels)
    save_gif(tmp_path / "t.gif", [frame] * 5, ["same"] * 5, 0.1, progress=[0.5] * 5)
    frames, durations, _ = read(tmp_path / "t.gif")
    assert len(frames) == 5
    assert durations == [100, 100, 100, 100, 3000]


def test_one_frame_is_a_gif_too(tmp_path):
    save_gif(tmp_path / "t.gif", [noise(0)], ["only"], 1)
    frames, durations, _ = read(tmp_path / "t.gif")
    assert len(frames) == 1
    assert durations == [3000]


@pytest.mark.parametrize("channels", [1, 3])
def test_captions_and_progress_change_only_the_strip(tmp_path, channels):
    frames = [noise(0, channels), noise(1, channels)]
    save_gif(tmp_path / "a.gif", frames, ["epoch 0", "epoch 1"], 1, progress=[0.1, 0.2])
    save_gif(tmp_path / "b.gif", frames, ["EPOCH 7", "EPOCH 8"], 1, progress=[0.8, 0.9])
    for one, other in zip(read(tmp_path / "a.gif")[0], read(tmp_path / "b.gif")[0], strict=True):
        assert (one[:HEIGHT] == other[:HEIGHT]).all()
        assert (one[HEIGHT:] != other[HEIGHT:]).any()


def test_bar_grows_with_progress(tmp_path):
    save_gif(tmp_path / "t.gif", [noise(0)] * 4, [""] * 4, 1)
    done = [int((frame[HEIGHT:] == 102).all(axis=2).sum()) for frame in read(tmp_path / "t.gif")[0]]
    assert np.allclose(np.array(done) / done[-1], [0.25, 0.5, 0.75, 1], atol=0.02)


def test_narrow_frames_get_room_for_the_caption(tmp_path):
    frame = noise(0)[:, :30]
    save_gif(tmp_path / "t.gif", [frame], ["epoch 11 · step 1,872"], 1)
    picture = read(tmp_path / "t.gif")[0][0]
    left = (picture.shape[1] - 30) // 2
    assert picture.shape[1] > 100
    assert (picture[:HEIGHT, left : left + 30] == frame).all()
    assert (picture[:HEIGHT, :left] == 255).all()


def test_colours_stay_close_and_do_not_flicker(tmp_path):
    ramp = np.linspace(0, 255, WIDTH).astype(np.uint8)
    still = np.stack(np.broadcast_arrays(ramp[None], ramp[None, ::-1], np.uint8(90)), axis=-1).repeat(HEIGHT, 0)
    save_gif(tmp_path / "t.gif", [still, still, still], ["a", "b", "c"], 1)
    frames = [frame[:HEIGHT] for frame in read(tmp_path / "t.gif")[0]]
    assert (frames[0] == frames[1]).all()
    assert (frames[0] == frames[2]).all()
    assert np.abs(frames[0].astype(int) - still).mean() < 2


def test_fewer_greys_make_a_smaller_file_and_hardly_another_picture(tmp_path):
    frames = [noise(0), noise(1)]
    save_gif(tmp_path / "all.gif", frames, ["a", "b"], 1)
    save_gif(tmp_path / "few.gif", frames, ["a", "b"], 1, greys=64)
    assert (tmp_path / "few.gif").stat().st_size < (tmp_path / "all.gif").stat().st_size
    for stored, expected in zip(read(tmp_path / "few.gif")[0], frames, strict=True):
        assert np.abs(stored[:HEIGHT].astype(int) - expected).max() <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_equal_frames_give_equal_bytes(tmp_path, channels):
    for name in ("a.gif", "b.gif"):
        save_gif(tmp_path / name, [noise(k, channels) for k in range(3)], ["x", "y", "z"], 1)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


@pytest.mark.parametrize("most", [7, 100, 10**6])
def test_pixels_for_the_palette_are_those_of_all_frames_joined(monkeypatch, most):
    frames = [noise(k, 3) for k in range(5)]
    joined = np.concatenate([frame.reshape(-1, 3) for frame in frames])
    monkeypatch.setattr(animation, "SAMPLE", most)
    assert (animation._sample(frames) == joined[:: max(1, len(joined) // most)]).all()


def test_a_palette_takes_no_second_copy_of_the_frames():
    frames = [np.full((500, 500, 3), k, np.uint8) for k in range(8)]
    tracemalloc.start()
    animation._palette(frames)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < sum(frame.nbytes for frame in frames)


@given(st.integers(1, 500), st.integers(2, 60))
def test_chosen_frames_are_even_and_hold_both_ends(count, most):
    chosen = choose_frames(count, most)
    gaps = np.diff(chosen)
    assert len(chosen) == min(count, most)
    assert chosen[0] == 0
    assert chosen[-1] == count - 1
    assert (gaps > 0).all()
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


GOOD = [noise(0), noise(1)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda path: save_gif(path / "t.gif", [], [], 1), "no picture"),
        (lambda path: save_gif(path / "t.png", GOOD, ["a", "b"], 1), "t.png"),
        (lambda path: save_gif(path / "t.gif", GOOD, ["a"], 1), "2 frames need as many captions, not 1"),
        (lambda path: save_gif(path / "t.gif", GOOD, ["a", "b"], 1, progress=[1]), "progress"),
        (lambda path: save_gif(path / "t.gif", GOOD, ["a", "b"], 1, progress=[0, 2]), "between 0 and 1"),
        (lambda path: save_gif(path / "t.gif", GOOD, ["a", "b"], 0), "seconds"),
        (lambda path: save_gif(path / "t.gif", GOOD, ["a", "b"], float("nan")), "seconds"),
        (lambda path: save_gif(path / "t.gif", GOOD, ["a", "b"], 1, greys=1), "greys"),
        (lambda path: save_gif(path / "t.gif", [GOOD[0], GOOD[1][1:]], ["a", "b"], 1), "frame 1 has the shape"),
        (lambda path: save_gif(path / "t.gif", [GOOD[0].astype(float)], ["a"], 1), "float64"),
        (lambda path: save_gif(path / "file" / "t.gif", GOOD, ["a", "b"], 1), "cannot write"),
        (lambda path: choose_frames(0, 5), "no picture"),
        (lambda path: choose_frames(9, 1), "at least 2"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, call, words):
    (tmp_path / "file").write_text("a file where a folder is needed")
    with pytest.raises(UserError, match=words) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
