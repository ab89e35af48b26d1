"""The notebooks: kept without outputs, the same code in both languages, and run from top to bottom with QUICK."""

import json
import shutil
from pathlib import Path

import pytest

from ms_gan import notebook
from ms_gan.errors import UserError

INLINE = "module://matplotlib_inline.backend_inline"
FOLDER = Path(__file__).parents[1] / "notebooks"
ENGLISH = ("01_first_gan", "02_graph_against_pynative", "03_gan_wgan_wgan_gp")
NAMES = (*ENGLISH, "01_first_gan_zh")


def read(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def code(name: str) -> list[tuple[str, str]]:
    return [(cell["id"], "".join(cell["source"])) for cell in read(name)["cells"] if cell["cell_type"] == "code"]


def test_these_are_all_notebooks():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_outputs_are_kept_and_no_cell_needs_a_shell(name):
    cells = read(name)["cells"]
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids)
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            assert not [line for line in cell["source"] if line.lstrip().startswith(("!", "%"))]


def test_the_chinese_notebook_has_the_same_code_and_other_words():
    assert code("01_first_gan") == code("01_first_gan_zh")
    texts = [["".join(c["source"]) for c in read(n)["cells"] if c["cell_type"] == "markdown"] for n in NAMES[::3]]
    assert not set(texts[0]) & set(texts[1])


@pytest.fixture
def execute(child_environment, kept_digits, tmp_path, monkeypatch):
    """Give a function that runs a notebook with QUICK and returns what its cells put out, by cell."""
    nbclient = pytest.importorskip("nbclient", reason="needs requirements-notebooks.txt")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    # Not a kernel of another Python that the user has registered.
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))

    def execute(name: str, old: str = "QUICK", new: str = "QUICK") -> dict[str, list]:
        text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
        assert old in text
        content = nbformat.reads(text.replace(old, new), as_version=4)
        place = {"metadata": {"path": str(tmp_path)}}
        client = nbclient.NotebookClient(content, timeout=600, kernel_name="python3", resources=place)
        client.execute(env=child_environment | {"MS_GAN_QUICK": "1", "MPLBACKEND": INLINE})
        return {cell["id"]: cell["outputs"] for cell in content.cells if cell["cell_type"] == "code"}

    return execute


def text_of(outputs: list) -> str:
    return "".join(output.get("text", "") for output in outputs)


def pictures_in(outputs: list) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def shown_in(outputs: list) -> str:
    return "".join(output.get("data", {}).get("text/html", "") for output in outputs)


def test_first_gan_trains_shows_its_gif_and_draws_new_digits(execute):
    # Three grids in one epoch redraw the page as those of eight do.
    outputs = execute("01_first_gan", "8 if QUICK", "1 if QUICK")
    assert "Device: CPU" in text_of(outputs["device"])
    assert "nothing is downloaded" in text_of(outputs["data"])
    # One place of the page that was redrawn, and lines beside it.
    assert pictures_in(outputs["training"]) == 1
    assert "Run folder: " in text_of(outputs["training"])
    assert "ms/step  " not in text_of(outputs["training"])
    assert 'src="data:image/gif;base64,' in shown_in(outputs["gif"])
    assert "(32, 1, 28, 28) float32" in text_of(outputs["inference"])
    for cell in ("game", "losses", "equilibrium", "inference"):
        assert pictures_in(outputs[cell]) == 1


# Slow: test_commands_compare.py compares the modes too.
@pytest.mark.slow
def test_graph_against_pynative_measures_and_finds_the_same_bits(execute):
    outputs = execute("02_graph_against_pynative")
    assert "the same bits" in outputs["table"][0]["data"]["text/markdown"]
    assert pictures_in(outputs["pays"]) == 1
    assert "call 4, 65 rows" in text_of(outputs["small"])


@pytest.mark.slow
def test_three_objectives_train_from_one_seed(execute, digits_folder, tmp_path):
    # Found without being named, as MNIST beside the notebooks is.
    shutil.copytree(digits_folder, tmp_path.parent / "data", dirs_exist_ok=True)
    outputs = execute("03_gan_wgan_wgan_gp")
    shutil.rmtree(tmp_path.parent / "data")
    assert "Data: IDX files other than MNIST's, found in ../data" in text_of(outputs["device"])
    for cell in ("training-gan", "training-wgan", "training-wgan-gp", "curves", "fair", "pictures", "weights"):
        assert pictures_in(outputs[cell]) == 1
    assert "penalty's gradient agrees" in text_of(outputs["training-wgan-gp"])


def test_a_local_folder_comes_first(digits_folder, capsys):
    found = notebook.find_data(digits_folder, quick=True)
    assert (found["data.source"], found["data.folder"]) == ("auto", str(digits_folder))
    assert f"Data: IDX files other than MNIST's in {digits_folder}" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["digits_folder", "empty"])
def test_what_lies_beside_the_notebooks_is_found_and_named(request, monkeypatch, capsys, tmp_path, folder):
    place = tmp_path if folder == "empty" else request.getfixturevalue(folder)
    monkeypatch.setattr(notebook, "LOCAL_DATA", ("/nowhere", str(place)))
    found = notebook.find_data(quick=True)
    expected = ("builtin", None) if folder == "empty" else ("auto", str(place))
    assert (found["data.source"], found["data.folder"]) == expected
    told = "No MNIST in" if folder == "empty" else f"Data: IDX files other than MNIST's, found in {place}"
    assert told in capsys.readouterr().out


def test_without_one_quick_downloads_nothing_and_otherwise_the_cache_or_network_is_next(monkeypatch, capsys):
    monkeypatch.setattr(notebook, "LOCAL_DATA", ("/nowhere",))
    assert notebook.find_data(quick=True)["data.source"] == "builtin"
    assert "nothing is downloaded" in capsys.readouterr().out
    assert notebook.find_data()["data.source"] == "auto"
    assert "built-in digits where it cannot be fetched" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["/nowhere", "empty"])
def test_a_named_folder_without_data_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no such folder|holds no data set"):
        notebook.find_data(tmp_path / folder)


def test_the_live_picture_is_a_png_of_grid_and_curves(finished):
    from ms_gan.runs.folder import RunFolder

    run = RunFolder(finished)
    records = run.history()
    drawn = notebook.live_picture(records, list(run.grid_pictures().values())[-1])
    assert drawn.startswith(b"\x89PNG")
    wasserstein = [record | {"distance": 1.0} for record in records]
    assert notebook.live_picture(wasserstein, list(run.grid_pictures().values())[-1]) != drawn
