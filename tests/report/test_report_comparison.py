"""The page that compares runs: what ranks them, what is laid over each other, what it calls them."""

import dataclasses

import pytest
from report_pages import read, result
from run_folders import copy_run

from ms_gan.commands.report import report
from ms_gan.config import load_config
from ms_gan.config.schema import ObjectiveConfig
from ms_gan.report import write_comparison
from ms_gan.report.charts import overlay
from ms_gan.report.gather import gather, telling_names
from ms_gan.report.overlays import overlays
from ms_gan.report.ranking import rank
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import append_record
from ms_gan.runs.sealed import write_sealed


@pytest.fixture
def run(finished, tmp_path) -> RunFolder:
    """Give a run that may be written to."""
    return RunFolder(copy_run(finished, tmp_path / "first"))


@pytest.fixture
def pair(run, tmp_path) -> list[RunFolder]:
    """Give two runs."""
    return [run, RunFolder(copy_run(run.path, tmp_path / "second"))]


@pytest.fixture
def three(pair, tmp_path) -> list[RunFolder]:
    """Give three runs."""
    return [*pair, RunFolder(copy_run(pair[0].path, tmp_path / "third"))]


def test_ranking_by_evaluation_marks_those_whose_intervals_meet(three):
    for run, fid in zip(three, (12.0, 11.5, 20.0), strict=True):
        write_sealed(run.path / "evaluation" / "x.json", result(fid=fid))
    found = rank([gather(run) for run in three])
    assert [(row.place, row.name) for row in found.rows if row.kind != "seeds"] == [
        (1, "second"),
        (2, "first"),
        (3, "third"),
        (None, "real images"),
    ]
    assert [row.cells[0].best for row in found.rows[:3]] == [True, True, False]
    assert [row.cells[0].text for row in found.rows] == ["11.5", "12.0", "20.0", "0.100"]


@pytest.mark.parametrize(
    "change",
    [{"generated": 1000}, {"extractor_digest": "e" * 64}, {"unseen": False}, {"seed": 2}, {"asked": "in turn"}],
)
def test_different_protocols_are_never_ranked(pair, change):
    for run, differs in zip(pair, ({}, change), strict=True):
        write_sealed(run.path / "evaluation" / "x.json", result(**differs))
    found = rank([gather(run) for run in pair])
    assert found.rows == []
    assert "different protocols" in found.explained


@pytest.mark.parametrize("change", [{"extractor": "idx-cnn"}, {"asked": None}, {"asked": "as the data"}])
def test_one_protocol_of_another_version_or_kind_of_run_is_ranked(pair, change):
    for run, differs in zip(pair, ({}, change), strict=True):
        write_sealed(run.path / "evaluation" / "x.json", result(**differs))
    assert [row.place for row in rank([gather(run) for run in pair]).rows] == [1, 1, None]


def rewrite(run: RunFolder, records: list[dict], **settings) -> None:
    """Give a run another history, and other settings."""
    for state in run.checkpoints.glob("state-*"):
        (state / "history.jsonl").unlink(missing_ok=True)
    run.history_file.unlink()
    for record in records:
        append_record(run.history_file, record)
    run.write_config(dataclasses.replace(run.config(), **settings))


def test_without_evaluations_the_ends_of_the_histories_rank(three):
    for run, values in zip(three, ((0.3, 0.2), (0.05, 0.4), (0.5, 0.2)), strict=True):
        records = [
            {**record, "sliced_wasserstein": value} for record, value in zip(run.history()[-2:], values, strict=True)
        ]
        samples = dataclasses.replace(run.config().samples, seed=len(run.path.name))
        rewrite(run, records, samples=samples)
    found = rank([gather(run) for run in three])
    # The measure uses neither the grid's latents nor what was better on the way.
    assert [(row.place, row.name, row.where, row.cells[0].text) for row in found.rows] == [
        (1, "first", "50", "0.200"),
        (1, "third", "50", "0.200"),
        (3, "second", "50", "0.400"),
    ]
    assert [row.cells[0].best for row in found.rows] == [True, True, False]
    assert [row.cells[1].text for row in found.rows] == ["0.200", "0.200", "0.0500"]


def evaluate(run: RunFolder, name: str, **changes) -> None:
    """Leave an evaluation of the newest generator, or of the file that is asked for."""
    given = {"file": run.generator_file().name} | changes
    write_sealed(run.path / "evaluation" / f"{name}.json", result(**given))


def test_other_checkpoints_and_protocols_leave_the_ranking_as_it_is(pair):
    for run, fid in zip(pair, (12.0, 15.0), strict=True):
        evaluate(run, "first", fid=fid)
    before = rank([gather(run) for run in pair])
    later = "2026-11-23T12:00:00+00:00"
    evaluate(pair[0], "plain", fid=99.0, file="Plain.ckpt", date=later)
    evaluate(pair[0], "turns", fid=1.0, extractor_digest="e" * 64, date=later)
    assert rank([gather(run) for run in pair]) == before
    assert before.where == "checkpoint (step)"
    assert before.rows[0].where == f"{pair[0].generator_file().name} (50)"
    # The page of the run speaks of the generator that it draws with, too.
    assert gather(pair[0]).evaluations[-1]["source"]["file"] == pair[0].generator_file().name
    # Of two protocols that all share, the newer one.
    evaluate(pair[1], "turns", fid=2.0, extractor_digest="e" * 64, date=later)
    assert [row.cells[0].text for row in rank([gather(run) for run in pair]).rows[:2]] == ["1.00", "2.00"]


def test_a_run_that_was_evaluated_at_another_checkpoint_alone_is_ranked_and_named(pair):
    evaluate(pair[0], "x")
    evaluate(pair[1], "x", file="GeneratorBest.ckpt", step=20, fid=3.0)
    found = rank([gather(run) for run in pair])
    assert [(row.name, row.where) for row in found.rows[:2]] == [
        ("second", "GeneratorBest.ckpt (20)"),
        ("first", f"{pair[0].generator_file().name} (50)"),
    ]
    assert "Run second counts by GeneratorBest.ckpt, because its newest generator" in found.explained
    assert "Run first" not in found.explained


def test_seeds_of_one_recipe_are_summed_up_on_page_and_console(three, tmp_path):
    for run, fid, seed in zip(three, (12.0, 15.0, 18.0), (1, 2, 3), strict=True):
        run.write_config(dataclasses.replace(run.config(), seed=seed))
        evaluate(run, "x", fid=fid)
    lines = []
    text = " ".join(read(write_comparison(three, tmp_path / "all.html", lines.append)).text)
    name = "Mean (lowest to highest) of 3 seeds: first, second, third"
    assert lines[0].startswith(f"{name}: fid10k_cnn 15.0 (12.0 to 18.0), ")
    assert len(lines) == 1
    assert name in text
    assert "(12.0 to 18.0)" in text
    assert "not about training again" in text
    three[2].write_config(dataclasses.replace(three[2].config(), batch_size=8))
    assert rank([gather(run) for run in three]).lines()[0].startswith(name[:-7].replace("3", "2"))


@pytest.mark.parametrize(
    ("length", "found", "summed"),
    [
        ({}, [{"step": 1000}, {"step": 1100}], False),
        ({}, [{"step": 1000, "file": "GeneratorBest.ckpt"}, {"step": 1100, "file": "GeneratorBest.ckpt"}], True),
        ({}, [{"step": 1000, "file": "GeneratorBest.ckpt"}, {"step": 1000}], False),
        ({"epochs": None, "steps": None, "minutes": 1.0}, [{"step": 1000}, {"step": 1100}], True),
    ],
)
def test_seeds_are_summed_up_where_their_steps_are_their_own(pair, length, found, summed):
    for run, seed, evaluation in zip(pair, (1, 2), found, strict=True):
        run.write_config(dataclasses.replace(run.config(), seed=seed, **length))
        evaluate(run, "x", **evaluation)
    assert bool(rank([gather(run) for run in pair]).lines()) == summed


def test_runs_of_one_folder_name_are_called_by_more_of_their_paths(run, tmp_path):
    same = [RunFolder(copy_run(run.path, tmp_path / place)) for place in ("a/seed-1", "b/seed-1", "c/other")]
    names = ["a/seed-1", "b/seed-1", "other"]
    assert telling_names(same) == names
    page = write_comparison(same, tmp_path / "all.html", print).read_text()
    for number, name in enumerate(names, 1):
        assert f'<a href="#run-{number}">{name}</a>' in page
        assert page.count(f'id="run-{number}"') == 1


def test_curves_are_only_laid_over_each_other_on_one_scale(three):
    records = [{"step": step, "epoch": 0, "d_loss": 1.0, "g_loss": 1.0, "distance": 1.0} for step in (10, 20)]
    for run, loss in zip(three, ("hinge", "hinge", "non_saturating"), strict=True):
        rewrite(run, records, objective=ObjectiveConfig(loss=loss))
    charts = {chart["title"]: [name for _, name in chart["legend"]] for chart in overlays([*map(gather, three)])}
    assert charts["Loss of G (hinge)"] == ["first", "second"]
    assert not [title for title in charts if "non saturating" in title]
    for run, clip in zip(three, (0.01, 0.1, 0.01), strict=True):
        rewrite(run, records, objective=ObjectiveConfig(loss="wasserstein", clip=clip))
    charts = {chart["title"]: [name for _, name in chart["legend"]] for chart in overlays([*map(gather, three)])}
    assert charts["Estimated distance (wasserstein)"] == ["first", "third"]


def test_losses_of_d_from_updates_in_turn_have_a_chart_of_their_own(three):
    records = [{"step": step, "epoch": 0, "d_loss": 0.69, "g_loss": 0.69} for step in (10, 20)]
    for run, recipe in zip(three, ("dense", "dense", "mlp"), strict=True):
        rewrite(run, records, updates=load_config(recipe).updates)
    charts = {chart["title"]: [name for _, name in chart["legend"]] for chart in overlays([*map(gather, three)])}
    assert charts["Loss of G"] == ["first", "second", "third"]
    assert {title: names for title, names in charts.items() if "Loss of D" in title} == {
        "Loss of D (non saturating, in turn)": ["first", "second"]
    }


def test_no_two_of_many_runs_have_one_line():
    records = [{"step": step, "d_loss": 1.0} for step in (10, 20)]
    found = overlay("Loss", "d_loss", [(number, str(number), records) for number in range(18)])
    looks = [look for look, _ in found["legend"]]
    assert len(set(looks)) == 18
    assert all(f'class="line {look}"' in found["svg"] for look in looks)
    assert 'class="mark' not in found["svg"]
    # The looks are used up; the number of a line tells it from the earlier one.
    found = overlay("Loss", "d_loss", [(number, "run", records) for number in range(20)])
    assert len({(look, name) for look, name in found["legend"]}) == 20
    assert found["legend"][18] == (looks[0], "19 run")
    assert f'class="mark {looks[0]}"' in found["svg"]
    assert ">19</text>" in found["svg"]


def test_several_runs_in_one_page(pair, tmp_path):
    page = write_comparison(pair, tmp_path / "both.html", print)
    parser = read(page)
    assert parser.loads == []
    text = " ".join(parser.text)
    assert "2 runs side by side" in text
    assert "No run has been evaluated yet" in text
    assert text.count("In plain words") == 2


def test_settings_that_differ_are_told_where_they_have_an_effect_and_broken_at_dots(pair, tmp_path):
    config = pair[1].config()
    objective = dataclasses.replace(config.objective, penalty_weight=3.0)
    optimizer = dataclasses.replace(config.generator_optimizer, lr=0.3, lr_end=0.1, decay=0.5)
    pair[1].write_config(dataclasses.replace(config, objective=objective, generator_optimizer=optimizer))
    page = write_comparison(pair, tmp_path / "both.html", print).read_text()
    table = page[page.index("What differs") : page.index("Each run")]
    assert "generator_<wbr>optimizer.<wbr>lr</code>" in table
    assert "penalty" not in table
    assert "lr_<wbr>end" not in table
    assert "decay" not in table


def test_pages_of_the_same_second_have_names_of_their_own(pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [run.path for run in pair]
    assert report(paths) != report(paths)
