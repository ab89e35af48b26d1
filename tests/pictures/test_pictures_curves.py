"""Plots: every record is in them, what they cannot show is said, and the text files of recipe dense are read right."""

import json
import os
import subprocess
import sys
import typing
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ms_gan.config.schema import LossKind
from ms_gan.errors import UserError
from ms_gan.pictures import read_loss_texts, save_curves, save_scatter
from ms_gan.pictures.curves import draw_curves, draw_scatter
from ms_gan.pictures.panels import FOOTERS, PANELS, running_mean
from ms_gan.pictures.sheet import LETTERS, thin_out


def some_records(count: int) -> list[dict]:
    rng = np.random.default_rng(0)
    keys = ("d_loss", "g_loss", "d_real", "d_fake", "d_accuracy", "distance")
    return [{"step": 10 * (k + 1), **{key: float(rng.random()) for key in keys}} for k in range(count)]


def line_of(figure, key: str):
    return next(line for axes in figure.axes for line in axes.lines if line.get_gid() == key)


def texts_of(figure) -> str:
    return " ".join(text.get_text() for owner in (figure, *figure.axes) for text in owner.texts)


@pytest.mark.parametrize("count", [1, 40, 187, 1560])
@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("gan", ("d_loss", "g_loss", "d_real", "d_fake", "d_accuracy")),
        ("scores", ("d_loss", "g_loss", "d_real", "d_fake", "d_accuracy")),
        ("wasserstein", ("distance", "d_loss", "g_loss")),
    ],
)
def test_every_record_is_in_the_curves(kind, keys, count):
    records = some_records(count)
    figure = draw_curves(records, title="run", kind=kind)
    for key in keys:
        steps, values = line_of(figure, key).get_data()
        assert steps.tolist() == [record["step"] for record in records]
        assert values.tolist() == [record[key] for record in records]


@pytest.mark.parametrize("title", ["run of d\udce9", r"$\frac$", "猫 \x01"])
def test_any_title_is_drawn(tmp_path, title):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib's of letters that its font does not have
        save_curves(tmp_path / "x.png", some_records(5), title=title, kind="gan")


def test_only_what_was_recorded_gets_a_plot():
    records = [{"step": 1, "d_loss": 0.7, "d_accuracy": None}, {"step": 2, "g_loss": 0.8}]
    figure = draw_curves(records, title="run", kind="gan")
    assert len(figure.axes) == 1
    assert line_of(figure, "g_loss").get_xdata().tolist() == [2]


def test_wasserstein_runs_lead_with_the_distance_and_say_how_to_read_it():
    figure = draw_curves(some_records(5), title="run", kind="wasserstein")
    assert line_of(figure, "distance").axes is figure.axes[0]
    assert "d_accuracy" not in [line.get_gid() for axes in figure.axes for line in axes.lines]  # scores have no zero
    assert "It should fall" in texts_of(figure)


def test_what_a_plot_cannot_show_is_written_over_it():
    records = some_records(200)
    records[3]["d_loss"] = 1e6
    records[100]["g_loss"] = float("nan")
    records[101]["g_loss"] = float("inf")
    figure = draw_curves(records, title="run", kind="gan")
    assert figure.axes[0].get_ylim()[1] < 3
    assert "discriminator D: 1 record is outside this plot, the farthest 1e+06 at step 40." in texts_of(figure)
    assert "generator G: 2 records are not a finite number, the first at step 1,010" in texts_of(figure)


def test_a_run_without_one_finite_number_is_still_drawn(tmp_path):
    records = [{"step": step, "d_loss": float("nan")} for step in range(300)]
    save_curves(tmp_path / "p.png", records, title="run", kind="gan")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.width == 1350


def test_smooth_line_is_the_mean_without_outliers_and_keeps_gaps():
    values = np.array([1.0, 2.0, 3.0, 100.0, np.nan, 5.0])
    expected = [1.5, 2.0, 2.5, 3.0, np.nan, 5.0]
    assert np.allclose(running_mean(values, 3, (0, 10)), expected, equal_nan=True)


def test_after_a_resume_the_later_record_counts_and_steps_rise():
    records = [{"step": 10, "d_loss": 1.0}, {"step": 20, "d_loss": 2.0}, {"step": 10, "d_loss": 3.0}]
    steps, values = line_of(draw_curves(records, title="run", kind="gan"), "d_loss").get_data()
    assert steps.tolist() == [10, 20]
    assert values.tolist() == [3.0, 2.0]


@pytest.mark.parametrize(
    ("count", "first", "labels"),
    [(12, 0, [str(k) for k in range(12)]), (100, 0, [str(k) for k in range(0, 100, 5)]), (521, 1, ["50", "100"])],
)
def test_epoch_marks_are_not_crowded(count, first, labels):
    marks = [(156 * (k + 1), str(k + first)) for k in range(count)]
    chosen = [label for _, label in thin_out(marks)]
    assert chosen[: len(labels)] == labels
    assert len(chosen) <= 27


def test_epoch_marks_stand_where_the_epochs_end():
    figure = draw_curves(some_records(3), title="run", kind="gan", epoch_marks=[(15, "0"), (40, "1")])
    top = figure.axes[0].child_axes[0]
    assert top.get_xticks().tolist() == [15, 40]
    assert [label.get_text() for label in top.get_xticklabels()] == ["0", "1"]
    assert figure.axes[0].get_xlim()[1] >= 40


@pytest.mark.parametrize("kind", typing.get_args(LossKind))
def test_only_probabilities_are_called_so_and_stand_between_0_and_1(kind):
    answers = [panel for panel in PANELS[kind] if {key for key, *_ in panel.lines} & {"d_real", "d_fake"}]
    probability = kind == "gan"
    assert ["mean probability" in panel.reading for panel in answers] == [probability] * len(answers)
    assert [panel.share for panel in answers] == [probability] * len(answers)
    assert bool(answers) == (kind not in ("wasserstein", "pairs"))


def test_sentences_fit_their_line():
    assert all(len(panel.reading) <= LETTERS - 5 for panels in PANELS.values() for panel in panels)
    assert set(FOOTERS) == set(PANELS)


def test_titles_are_taken_literally(tmp_path):
    save_curves(tmp_path / "p.png", some_records(3), title=r"a $\broken{ title_with _ and $ signs", kind="gan")


def test_equal_records_give_equal_bytes_whatever_the_users_settings(tmp_path):
    records = some_records(200)
    save_curves(tmp_path / "a.png", records, title="run", kind="gan", epoch_marks=[(100, "0")])
    save_scatter(tmp_path / "as.png", [1.0, 2.0], [2.0, 1.0])
    (tmp_path / "records.json").write_text(json.dumps(records))
    script = (
        "import json, sys, matplotlib\n"
        "matplotlib.rcParams.update({'lines.linewidth': 9, 'font.size': 30})\n"
        "from ms_gan.pictures import save_curves, save_scatter\n"
        "save_curves('b.png', json.load(open('records.json')), title='run', kind='gan', epoch_marks=[(100, '0')])\n"
        "save_scatter('bs.png', [1.0, 2.0], [2.0, 1.0])\n"
        "assert matplotlib.rcParams['font.size'] == 30\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'mindspore' not in sys.modules\n"
    )
    package = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(Path(__file__).parents[2])])
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": package})
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "as.png").read_bytes() == (tmp_path / "bs.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert "Software" not in picture.info


def test_scatter_holds_every_pair():
    d_loss, g_loss = [0.5, 0.6, float("nan")], [1.0, 2.0, 3.0]
    figure = draw_scatter(d_loss, g_loss, steps=[0, 100, 200], title="run")
    over_time, against = figure.axes[:2]
    assert over_time.collections[1].get_offsets().tolist() == [[0, 1], [100, 2], [200, 3]]
    assert against.collections[0].get_offsets()[:2].tolist() == [[0.5, 1], [0.6, 2]]
    assert "not a finite number, the first at step 200" in texts_of(figure)


def write_texts(folder, d_loss="0.7\n0.6\n", d_acc="0.5\n0.75\n", g_loss="0.8\n0.9\n", steps=None):
    for name, text in (("d_loss", d_loss), ("d_acc", d_acc), ("g_loss", g_loss), ("steps", steps)):
        if text is not None:
            (folder / f"{name}.txt").write_bytes(text.encode() if isinstance(text, str) else text)


def test_loss_texts_are_read(tmp_path):
    write_texts(tmp_path)
    assert read_loss_texts(tmp_path) == [
        {"step": 0, "d_loss": 0.7, "d_accuracy": 0.5, "g_loss": 0.8},
        {"step": 100, "d_loss": 0.6, "d_accuracy": 0.75, "g_loss": 0.9},
    ]
    assert [record["step"] for record in read_loss_texts(tmp_path, every=1)] == [0, 1]
    save_curves(tmp_path / "p.png", read_loss_texts(tmp_path), title="dense", kind="gan")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"d_acc": "50\n75\n"}, [0.5, 0.75]),
        ({"d_acc": "\ufeff0.5\r\n 7.5e-1 \r\n\r\n"}, [0.5, 0.75]),
        ({"d_acc": "nan\n0.5\n"}, [np.nan, 0.5]),
    ],
)
def test_loss_texts_from_elsewhere_are_read(tmp_path, texts, expected):
    write_texts(tmp_path, **texts)
    read = [record["d_accuracy"] for record in read_loss_texts(tmp_path)]
    assert np.allclose(read, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"g_loss": None}, "g_loss.txt; a folder to plot needs d_loss.txt, d_acc.txt, g_loss.txt"),
        ({"d_loss": "0.7\nabc\n"}, "d_loss.txt, line 2: 'abc' is not a number"),
        ({"d_loss": "0.7\n\n0.6\n"}, "d_loss.txt, line 2: '' is not a number"),
        ({"d_loss": "1_0\n2\n"}, "line 1: '1_0'"),
        ({"g_loss": "0.8\n"}, "d_loss.txt has 2, d_acc.txt has 2, g_loss.txt has 1"),
        ({"g_loss": ""}, "g_loss.txt is empty"),
        ({"g_loss": b"\xff\xfe\x00"}, "cannot read"),
        ({"d_acc": "0.5\n300\n"}, "d_acc.txt"),
        ({"d_acc": "-0.5\n0.5\n"}, "d_acc.txt"),
        ({"steps": "10\n"}, "g_loss.txt has 2, steps.txt has 1"),
        ({"steps": "10\n20.5\n"}, "steps.txt holds numbers that are no steps"),
        ({"steps": "nan\n20\n"}, "steps.txt holds numbers that are no steps"),
        ({"steps": "-10\n20\n"}, "steps.txt holds numbers that are no steps"),
    ],
)
def test_bad_loss_texts_are_one_clear_line(tmp_path, texts, words):
    write_texts(tmp_path, **texts)
    with pytest.raises(UserError, match=words) as caught:
        read_loss_texts(tmp_path)
    assert "\n" not in str(caught.value)


GOOD = [{"step": 1, "d_loss": 1.0}]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda path: save_curves(path / "p.png", [], title="", kind="gan"), "none of the 0 records"),
        (lambda path: save_curves(path / "p.png", [{"step": 1}], title="", kind="gan"), "none of the 1 records"),
        (lambda path: save_curves(path / "p.png", [{"d_loss": 1.0}], title="", kind="gan"), "record 1 of 1: the step"),
        (lambda path: save_curves(path / "p.png", [{"step": 1, "d_loss": "x"}], title="", kind="gan"), "d_loss is 'x'"),
        (lambda path: save_curves(path / "p.png", GOOD, title="", kind="other"), "gan, scores, wasserstein"),
        (lambda path: save_curves(path / "p.jpg", GOOD, title="", kind="gan"), "p.jpg"),
        (lambda path: save_curves(path / "file" / "p.png", GOOD, title="", kind="gan"), "cannot write"),
        (lambda path: save_scatter(path / "p.png", [1.0], []), "these are 1, 0 and 1"),
        (lambda path: save_scatter(path / "p.png", [], []), "at least one"),
        (lambda path: read_loss_texts(path, every=0), "at least 1, not 0"),
        (lambda path: read_loss_texts(path / "file"), "cannot read|there is no"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, call, words):
    (tmp_path / "file").write_text("a file where a folder is needed")
    with pytest.raises(UserError, match=words) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
