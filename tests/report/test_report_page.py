"""The page itself: what is on it, that it needs no other file, and that it works in a browser."""

import dataclasses
import json
import os
import re
import shutil

import numpy as np
import pytest
from report_pages import read, result
from run_folders import copy_run

from ms_gan.config.schema import ObjectiveConfig
from ms_gan.evaluation.cheap import CHEAP_MEASURES
from ms_gan.pictures.panels import PANELS
from ms_gan.report import embedding, write_report
from ms_gan.report.charts import panels_of
from ms_gan.report.gather import commands, gather
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.history import append_record
from ms_gan.runs.sealed import write_sealed


@pytest.fixture
def run(finished, tmp_path) -> RunFolder:
    """Give a run that may be written to."""
    return RunFolder(copy_run(finished, tmp_path / "first"))


def test_it_loads_nothing(run):
    page = write_report(run)
    assert page == run.path / "report.html"
    assert read(page).loads == []
    text = page.read_text()
    assert not re.search(r"url\(\s*['\"]?(?!data:)", text)
    assert "@import" not in text
    assert "fetch(" not in text
    assert "XMLHttpRequest" not in text


def test_it_tells_what_was_run_and_how_to_repeat_it(run):
    text = " ".join(read(write_report(run)).text)
    assert "MLP GAN on MNIST, in MindSpore style (trained on IDX files other than MNIST's)" in text
    assert f"ms-gan train --config {run.config_file}" in text
    assert run.data_digest() in text
    assert "mindspore" in text
    assert "The run is complete: 50 steps." in text
    assert "Not measured yet." in text


def test_data_that_the_recipe_was_not_written_for_stand_in_the_title(run):
    environment = run.environment()
    run.write_environment(environment | {"data": environment["data"] | {"source": "builtin"}})
    assert "<title>MLP GAN on MNIST, in MindSpore style (trained on built-in digits)" in write_report(run).read_text()


def test_the_slider_holds_every_grid(run):
    text = write_report(run).read_text()
    frames = json.loads(re.search(r"data-frames>(.*?)</script>", text, re.S)[1])
    assert [frame["label"].split(" ·")[0] for frame in frames] == [f"step {step}" for step in run.grid_pictures()]
    assert all(frame["src"].startswith("data:image/") for frame in frames)


def test_an_evaluation_is_shown_with_its_floor(run):
    write_sealed(run.path / "evaluation" / "x.json", result())
    text = " ".join(read(write_report(run)).text)
    for word in ("fid10k_cnn", "12.0", "11.0 to 13.0", "0.100", "Class 0 is 1.0 % of the output", "99.50 %"):
        assert word in text


def test_a_damaged_evaluation_is_left_out_with_a_note(run):
    write_sealed(run.path / "evaluation" / "x.json", result())
    path = run.path / "evaluation" / "x.json"
    path.write_text(path.read_text().replace("12.0", "13.0"))
    write_sealed(run.path / "evaluation" / "y.json", {"some": "thing"})
    text = " ".join(read(write_report(run)).text)
    assert "x.json cannot be read and is left out" in text
    assert "y.json cannot be read and is left out" in text
    assert "Not measured yet." in text


def test_a_run_that_has_just_begun_has_a_page(run):
    run.history_file.unlink()
    shutil.rmtree(run.images)
    shutil.rmtree(run.checkpoints)
    run.animation.unlink()
    assert "not complete" in write_report(run).read_text()


@pytest.mark.parametrize(("loss", "told"), [("hinge", True), ("relativistic", True), ("wasserstein", False)])
def test_a_d_that_is_always_right_is_told_where_its_answers_are_no_probabilities(run, loss, told):
    run.write_config(dataclasses.replace(run.config(), objective=ObjectiveConfig(loss=loss)))
    for step in range(60, 1100, 10):
        append_record(run.history_file, {"step": step, "epoch": 0, "d_loss": 0.0, "g_loss": 1.0, "d_accuracy": 1.0})
    assert ("D has told every real from every generated picture" in write_report(run).read_text()) == told


def test_a_run_that_diverged_is_told_the_command_that_helps(run):
    append_record(run.history_file, {"step": 60, "epoch": 0, "d_loss": float("nan")})
    run.write_config(dataclasses.replace(run.config(), steps=100, epochs=None))
    told = [line for _, line in commands(gather(run)) if "--resume" in line]
    assert told == [f"ms-gan train --resume {run.path} --on-nan rollback"]
    run.write_config(dataclasses.replace(run.config(), on_nan="rollback"))
    assert not [line for _, line in commands(gather(run)) if "--resume" in line]


def test_a_name_that_is_not_utf_8_is_written_in_codes(run, tmp_path):
    odd = tmp_path / os.fsdecode(b"d\xe9")
    run.path.rename(odd)
    assert r"d\udce9" in write_report(RunFolder(odd)).read_text()


def test_names_are_escaped(run, tmp_path):
    odd = tmp_path / "<img src=x onerror=alert(1)>"
    run.path.rename(odd)
    assert "<img src=x" not in write_report(RunFolder(odd)).read_text()


def test_frames_fit_their_room(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(1)
    paths = []
    for number in range(9):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (120, 120), np.uint8)).save(path)
        paths.append(path)
    whole = embedding.frames(paths, 10**9)
    assert [index for index, _ in whole] == list(range(9))
    few = embedding.frames(paths, 30_000)
    assert sum(len(uri) for _, uri in few) < 32_000
    assert few[-1][0] == 8
    assert [index for index, _ in embedding.frames(paths, 1)] == [8]


def test_a_folder_that_is_no_run_is_refused(command, tmp_path):
    outcome = command("report", tmp_path)
    assert outcome.status == 2
    assert outcome.stderr.count("\n") == 1
    assert "is no run folder" in outcome.stderr


def test_the_command_draws_the_walk_and_names_the_page(command, run):
    outcome = command("report", run.path, "--device", "cpu")
    assert outcome.status == 0, outcome.stderr
    assert (run.path / "interpolation.png").is_file()
    assert "Each row walks" in (run.path / "report.html").read_text()
    assert "twice" in command("report", run.path, run.path).stderr
    (run.path / "interpolation.png").unlink()
    run.generator_file().unlink()
    assert command("report", run.path, "--device", "cpu").status == 0


def chromium():
    """Start Chromium, or skip the test with the reason."""
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    path = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    return sync, path


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_in_a_browser_the_slider_works(run, width, height):
    sync, path = chromium()
    write_sealed(run.path / "evaluation" / "x.json", result())
    page_file = write_report(run)
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height})
        trouble = []
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: trouble.append(request.url) if "://" in request.url[:9] else None)
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "wider than the screen"
        label, frame, slider = (page.locator(f"[data-{name}]") for name in ("label", "frame", "slider"))
        steps = [f"step {step}" for step in run.grid_pictures()]
        assert label.inner_text().startswith(steps[-1])
        last = frame.get_attribute("src")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
        assert label.inner_text().startswith(steps[0])
        assert frame.get_attribute("src") != last
        page.locator("[data-play]").click()
        page.wait_for_function("n => document.querySelector('[data-slider]').value == n", arg=str(len(steps) - 1))
        assert frame.get_attribute("src") == last
        browser.close()
    assert [word for word in trouble if word != page_file.as_uri()] == []


@pytest.mark.parametrize("kind", list(PANELS))
def test_no_number_of_a_run_is_drawn_twice(kind):
    keys = [key for panel in panels_of(kind, list(CHEAP_MEASURES)) for key, _, _ in panel.lines]
    assert set(CHEAP_MEASURES) <= set(keys)
    assert len(keys) == len(set(keys))
