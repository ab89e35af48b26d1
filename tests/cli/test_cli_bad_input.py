"""What a user gets for bad input: one line, status 2, nothing left behind; the tables hold the messages."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from run_folders import copy_run, replace

from ms_gan.device import probe

# Command (RUN: a run of 50 steps, DIGITS: MNIST files, below the current folder) -> what the line holds.
COMMANDS = {
    # train: configuration
    "train --config mpl": "--config: unknown name 'mpl'; did you mean mlp?",
    "train --config gone.yaml": "--config gone.yaml: no such file; recipes are",
    f"train --config {'x' * 300}": "unknown name",
    "train --config broken.yaml": "broken.yaml: not readable as YAML in line 2",
    "train --config bomb.yaml": "bomb.yaml: YAML aliases (*name) are not accepted",
    "train --config huge.yaml": "huge.yaml: larger than 64 KiB; that is no configuration",
    "train --config list.yaml": "list.yaml: expected keys and values at the top",
    "train --config circle.yaml": "circle.yaml: base: goes round in a circle",
    "train --config DIGITS/train-images-idx3-ubyte": "larger than 64 KiB",
    "train --set batchsize=3": "config key batchsize: unknown name 'batchsize'; did you mean batch_size?",
    "train --set objective.cliip=3": "config key objective.cliip: unknown name 'cliip'; did you mean clip?",
    "train --set batch_size": "--set batch_size: expected key=value",
    "train --data-dir=": "--data-dir= is empty; was a variable not set?",
    "train --set generator_optimizer.schedule=step": "lr_end: of 0 nothing is learnt after the first drop",
    "train --set =3": "--set =3: expected key=value",
    "train --set batch_size=many": "config batch_size: expected a whole number, got 'many'",
    "train --set batch_size=[1": "--set batch_size=[1: not readable as YAML",
    "train --set seed=!!bool_x": "not readable as YAML",
    "train --set latent=3": "config latent: expected keys and values, got 3",
    "train --set seed.x=3": "config seed: expected a whole number",
    "train --set objective.loss=hing": "config objective.loss: unknown name 'hing'; did you mean hinge?",
    "train --set generator.name=mlpp --data-dir DIGITS": "did you mean mlp?",
    "train --set generator.options.wide=3 --data-dir DIGITS": "wide",
    "train --set generator.options.widths=-3 --data-dir DIGITS": "widths",
    "train --set generator.options.widths=[] --data-dir DIGITS --dry-run --resume RUN": "--dry-run: shows a new run",
    "train --seed -1": "config seed: -1 is too small, the least is 0",
    "train --epochs 0": "config epochs: 0 is too small",
    "train --steps 99999999999999999999": "config steps: 99999999999999999999 is too large",
    "train --minutes nan": "config minutes: nan is not a finite number",
    "train --minutes -1": "config minutes: -1.0 must be above 0",
    "train --log-every 0": "config log_every: 0 is too small",
    "train --set batch_size=5000 --data-dir DIGITS": "batch_size 5000 is more than the 2,000 images of an epoch",
    "train --dry-run --set objective.penalty=r1 objective.penalty_every=1873": "1873 is never reached in the 1872 D",
    "train --set objective.penalty=r1 objective.penalty_every=385 updates.d_steps=2 --data-dir DIGITS": "in the 384 D",
    "train --keep 0": "config saving.networks_keep: 0 is too small",
    "train --evaluate-every 0": "config evaluation.every: 0 is too small",
    "train --keep-best d_loss": "(--keep-best): unknown name 'd_loss'; known: sliced_wasserstein; losses and D's a",
    "train --keep-best sliced_wassersteim": "did you mean sliced_wasserstein?",
    "train --keep-best sliced_wasserstein": "never measured; set evaluation.every (--evaluate-every STEPS), and",
    "train --dry-run --keep-best sliced_wasserstein --set evaluation.images=9": "config saving.best (--keep-best): s",
    "train --dry-run --set data.class_names=[a,b]": "config data.class_names: goes with conditional: true",
    "train --evaluate-every 9 --set evaluation.measures=sharpness": "unknown name 'sharpness'; known: ",
    "train --set evaluation.images=1": "config evaluation.images: 1 is too small, the least is 2",
    "train --set on_nan=rolback": "config on_nan: unknown name 'rolback'; did you mean rollback?",
    "train --set max_rollbacks=0": "config max_rollbacks: 0 is too small",
    # train: data
    "train --data mnits": "unknown name 'mnits'; did you mean mnist?",
    "train --data mnist": "MNIST",
    "train --data cifar10": "CIFAR-10",
    "train --data-dir gone": "gone: no such folder",
    "train --data-dir file": "file: is a file, not a folder",
    "train --data-dir empty --data pictures": "empty: holds no pictures",
    "train --data-dir texts": "texts: holds no data set",
    "train --data-dir DIGITS --data cifar10": "holds no CIFAR-10",
    "train --data-dir cut": "train-images-idx3-ubyte: is truncated",
    "train --data-dir ~nobodyatall/x": "~nobodyatall/x",
    "train --data raw": "data source raw: name the folder that holds the raw .bin files with --data-dir",
    "train --data-dir DIGITS --classes eleven": "eleven",
    "train --data-dir DIGITS --size 0": "config data.size: 0 is too small",
    # train: places, devices, checkpoints
    "train --data-dir DIGITS --out RUN": "holds a run already; go on with --resume",
    "train --data-dir DIGITS --out file": "cannot write file: Not a directory",
    "train --data-dir DIGITS --out file/below": "cannot write file/below: Not a directory",
    "train --data-dir DIGITS --device ascend": "no Ascend device to use: ",
    "train --data-dir DIGITS --require-ascend --device cpu": "--require-ascend contradicts --device cpu",
    "train --data-dir DIGITS --init-generator gone.ckpt": "gone.ckpt: no such checkpoint",
    "train --data-dir DIGITS --init-generator RUN/checkpoints/Discriminator_step50.ckpt": "of another network",
    "train --data-dir DIGITS --init-discriminator RUN/checkpoints/Generator_step50.ckpt": "of another network",
    "train --data-dir DIGITS --init-generator text.ckpt": "text.ckpt: cannot be read as a MindSpore checkpoint",
    "train --data-dir DIGITS --init-generator RUN": "no such checkpoint",
    "train --resume gone": "gone: is no run folder",
    "train --resume file": "file: is no run folder",
    "train --resume empty": "empty: is no run folder",
    "train --resume RUN --out other": "--resume: goes on with what RUN holds; leave out --out",
    "train --resume RUN --config mlp": "leave out --config",
    "train --resume RUN --init-generator x": "leave out --init-generator",
    "train --resume RUN --data-dir texts": "texts: holds no data set",
    "train --resume RUN --set nonsense=1": "config key nonsense: unknown name",
    # generate
    "generate gone": "gone: no such run folder or checkpoint",
    "generate empty": "empty: is no run folder",
    "generate text.ckpt": "text.ckpt: lies in no run folder; say with --config which recipe it belongs to",
    "generate RUN/config.yaml": "RUN/config.yaml: is no checkpoint of a generator",
    "generate text.ckpt --config mlp": "text.ckpt: cannot be read as a MindSpore checkpoint",
    "generate cut.ckpt --config mlp": "cut.ckpt: ",
    "generate empty.ckpt --config mlp": "empty.ckpt: ",
    "generate DIGITS/train-images-idx3-ubyte --config mlp": "cannot be read as a MindSpore checkpoint",
    "generate RUN/checkpoints/Discriminator_step50.ckpt": "of another network",
    "generate RUN --config dense": "is a checkpoint of another network",
    "generate RUN --config mpl": "did you mean mlp?",
    "generate RUN --num 0": "--num 0: must be from 1 to",
    "generate RUN --num -5": "--num -5: must be from 1 to",
    "generate RUN --num 99999999": "--num 99999999: must be from 1 to",
    "generate RUN --seed -1": "--seed -1: must be from 0",
    "generate RUN --seed 4294967296": "--seed 4294967296: must be from 0",
    "generate RUN --num 5 --grid 2x2": "5 images do not fit a grid of 2 x 2",
    "generate RUN --num 5 --grid 2x2 --out new.npy": "5 images do not fit a grid of 2 x 2",
    "generate RUN --out new.jpg": "--out new.jpg: must end in .png or .npy, or be a folder",
    "generate text.ckpt --config mlp --out new.jpg": "--out new.jpg: must end in .png or .npy, or be a folder",
    "generate RUN --out folder.png": "cannot write folder.png: it is a folder; give the name of a file",
    "generate RUN --out file/new.png": "cannot write file/new.png: ",
    "generate RUN --out file": "cannot write file/",
    "generate RUN --training-grid --num 0": "--training-grid: number, grid, seed and classes are those of the training",
    "generate RUN --latent-scale 1 --out new.npy": "--latent-scale draws one picture; its name must end in .png",
    "generate RUN --latent-scale nan": "--latent-scale",
    "generate RUN --latent-scale 1 --batch-statistics": "--latent-scale: draws by both statistics",
    "generate RUN --device ascend": "no Ascend device to use: ",
    # interpolate
    "interpolate RUN --out new.jpg": "--out new.jpg: must end in .png (a strip) or .gif",
    "interpolate RUN --seeds 1": "needs at least 2 --seeds",
    "interpolate RUN --seeds 1 -1": "--seeds -1: must be from 0 to 4294967295",
    "interpolate RUN --frames 1": "at least 2 --frames",
    "interpolate RUN --frames 334": "interpolate: 1,002 pictures on the way, the most is 1,000; ask for fewer --seeds",
    "interpolate RUN --frames 251 --out walk.gif": "interpolate: 1,004 pictures on the way",
    # animate and plot
    "animate gone": "gone: is no run folder",
    "animate bare": "holds no grids to animate; train first",
    "animate RUN --out new.png": "new.png",
    "animate RUN --seconds 0": "--seconds 0.0: must be from 0.02 to 60",
    "animate RUN --seconds nan": "--seconds nan: must be from 0.02 to 60",
    "animate RUN --every 0": "--every 0: the least is 1",
    "plot gone": "gone: is no run folder",
    "plot empty": "empty: is no run folder",
    "plot empty --scatter": "empty: is no run folder",
    "plot RUN --texts texts --out new.png": "--texts texts: this is where the files go; leave out --out",
    "plot texts": "d_loss.txt",
    "plot bare": "history.jsonl: cannot be read: No such file",
    "plot bare --scatter": "history.jsonl: cannot be read: No such file",
    "plot bare --texts new": "history.jsonl: cannot be read: No such file",
    "plot RUN --epochs 7": "--epochs 7: ",
    "plot RUN --out new.gif": "new.gif",
    "plot RUN --out file/new.png": "cannot write file/new.png",
    # data
    "data show --data-dir gone": "gone: no such folder",
    "data show --data-dir DIGITS --seed -1": "--seed -1: must be from 0",
    "data show --data-dir DIGITS --out new.gif": "--out new.gif: the picture's name must end in .png",
    "data fetch mnist --data-dir file": "file",
    # summary
    "summary mpl": "did you mean mlp?",
    "summary mlp --set latent.size=0": "config latent.size: 0 is too small",
}

# As a shell gives them that was asked for a variable that is not set.
EMPTY = {
    ("train", "--resume", ""): "the word after --resume is empty; was a variable not set?",
    ("evaluate", ""): "the word after evaluate is empty",
    ("train", "--classes", "1", ""): "the word after 1 is empty",
}

# What argparse answers, in its own form: usage, then the line.
ARGPARSE = {
    "": "required: COMMAND",
    "trian": "invalid choice: 'trian'",
    "train --nonsense": "unrecognized arguments: --nonsense",
    "train --epochs ten": "argument --epochs: invalid int value: 'ten'",
    "train --epochs 1 --steps 1": "not allowed with argument --epochs",
    "train --mode eager": "argument --mode: invalid choice: 'eager'",
    "train --on-nan ignore": "argument --on-nan: invalid choice: 'ignore'",
    "train --device gpu": "argument --device: invalid choice: 'gpu'",
    "generate": "required: RUN_OR_CKPT",
    "generate x --grid 5": "'5' is no grid; give rows x columns",
    "generate x --grid 0x5": "'0x5' is no grid",
    "plot x --epochs 1 --scatter": "not allowed with argument --epochs",
    "data": "required: ACTION",
    "data fetch imagenet": "invalid choice: 'imagenet'",
}


@pytest.fixture
def place(finished, digits_folder, tmp_path, monkeypatch):
    """Fill a folder with what the commands name, and go there."""
    monkeypatch.chdir(tmp_path)
    # MindSpore's own words are test_device.py's matter.
    monkeypatch.setattr(probe, "TRIAL", f"print({probe.FAILED!r}, 'no NPU')")
    copy_run(finished, Path("RUN"))
    for path in (*Path("RUN/checkpoints").glob("state-*"), Path("RUN/training.gif")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(digits_folder, "DIGITS", copy_function=os.link)
    shutil.copytree("DIGITS", "cut", copy_function=os.link)
    replace(Path("cut/train-images-idx3-ubyte"), Path("DIGITS/train-images-idx3-ubyte").read_bytes()[:5000])
    for name in ("empty", "texts", "bare", "folder.png"):
        Path(name).mkdir()
    for name in ("config.yaml", "environment.json"):
        shutil.copy(Path("RUN") / name, Path("bare") / name)
    checkpoint = Path("RUN/checkpoints/Generator_step50.ckpt").read_bytes()
    contents = {
        "file": b"",
        "texts/notes.txt": b"notes",
        "texts/d_loss.txt": b"one\ntwo\n",
        "broken.yaml": b"seed: 1\nmode: [",
        "bomb.yaml": b"a: &a [1, 1]\nb: [*a, *a]",
        "huge.yaml": b"seed: 1\n" * 250_000,
        "list.yaml": b"- 1",
        "circle.yaml": b"base: circle2.yaml",
        "circle2.yaml": b"base: circle.yaml",
        "text.ckpt": b"no checkpoint at all\n" * 9,
        "cut.ckpt": checkpoint[: len(checkpoint) // 2],
        "empty.ckpt": b"",
    }
    for name, content in contents.items():
        Path(name).write_bytes(content)
    return tmp_path


def _contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}


def _refused(result, message):
    assert "Traceback" not in result.stdout + result.stderr
    lines = result.stderr.splitlines()
    assert [line[:8] for line in lines] == ["ms-gan: "], result.stderr
    assert message in lines[0]
    assert result.status == 2


@pytest.mark.parametrize("line", COMMANDS)
def test_bad_command(command, place, line):
    before = {path for path in _contents(place)}
    result = command(*(word.replace("!!bool_x", "!!bool x") for word in line.split()))
    _refused(result, COMMANDS[line])
    assert {path for path in _contents(place)} == before


def test_data_that_a_network_cannot_make_are_told_of_before_the_refusal(command, place):
    result = command("train", "--config", "wgan", "--data-dir", "DIGITS", "--device", "cpu")
    _refused(result, "28 pixels are not a multiple of 8; resize the images with --size 32 (or set data.size=32)")
    assert "Data: idx, 2,200 images of 28x28 grey, " in result.stdout
    assert (
        "Note: The choice of horse is for CIFAR-10; all classes of the IDX files other than MNIST's are used."
        in result.stdout
    )


@pytest.mark.parametrize("words", EMPTY)
def test_empty_word(command, place, words):
    _refused(command(*words), EMPTY[words])


@pytest.mark.parametrize("line", ARGPARSE)
def test_bad_words(command, line):
    result = command(*line.split())
    assert result.status == 2
    assert ARGPARSE[line] in result.stderr.splitlines()[-1]


# File of a run and its new content -> command -> what the line holds.
DAMAGE = [
    ("config.yaml", b"seed: [", "train --resume RUN", "RUN/config.yaml: not readable as YAML"),
    ("config.yaml", b"sed: 1", "train --resume RUN", "RUN/config.yaml: config key sed: unknown name"),
    ("config.yaml", b"\xff\x00", "generate RUN", "RUN/config.yaml: not readable as YAML"),
    ("environment.json", b"{", "train --resume RUN", "environment.json: is damaged"),
    ("environment.json", b'{"data": 3}', "train --resume RUN", "environment.json: is damaged"),
    ("environment.json", None, "train --resume RUN", "environment.json: cannot be read: No such file"),
    ("environment.json", b"{}", "plot RUN", "environment.json: is damaged (steps_per_epoch: None)"),
    ("environment.json", b"[]", "animate RUN", "environment.json: is damaged (no JSON object)"),
    ("history.jsonl", b"garbage\n", "plot RUN", "history.jsonl: is damaged: line 1 is no record, or its"),
    ("history.jsonl", b'{"step": 31}\n', "plot RUN", "history.jsonl: is damaged: line 1 is no record"),
    ("history.jsonl", b'{"step": 31, "epoch": 0, "d_loss": "x"}\n', "plot RUN", "line 1 is no record"),
    ("history.jsonl", b'{"step": 31, "epoch": 0}\n', "plot RUN", "nothing to plot"),
    ("history.jsonl", b'{"step": 31, "epoch": 0}\n', "plot RUN --scatter", "d_loss"),
    ("history.jsonl", b'{"step": 30, "epoch": 0}\n', "plot RUN --texts new", "d_loss"),
    ("history.jsonl", b'{"step": 31, "epoch": 0}\n', "plot RUN --texts new", "holds no record of step 10 or"),
    ("history.jsonl", b"", "plot RUN", "nothing to plot"),
    ("checkpoints/index.json", b"{", "generate RUN", "index.json: is damaged; resume the run to have it written again"),
    ("checkpoints/index.json", b'{"50": ["../x", "y"]}', "generate RUN", "index.json: is damaged"),
    ("checkpoints/index.json", b"{}", "generate RUN", "holds no checkpoint yet"),
    ("checkpoints/Generator_step50.ckpt", b"half", "generate RUN", "is damaged (its checksum in index.json does not"),
    ("checkpoints/Generator_step50.ckpt", None, "generate RUN", "no such checkpoint"),
    ("images/step-00000020.png", b"GIF8", "animate RUN", "step-00000020.png: cannot be read as a picture"),
    ("images/step-00000020.png", "half", "animate RUN", "step-00000020.png: cannot be read as a picture"),
    ("images/step-00000020.png", "small", "animate RUN", "but the first one"),
    ("images/step-00000020.png", "huge", "animate RUN", "step-00000020.png: "),
]


@pytest.mark.parametrize(("file", "content", "line", "message"), DAMAGE)
def test_damaged_run(command, place, file, content, line, message):
    path = Path("RUN") / file
    old = path.read_bytes()
    if content == "small":
        path.unlink()
        Image.new("L", (9, 9)).save(path)
    elif content == "huge":
        header = bytearray(old)
        header[16:24] = b"\x00\x00\xff\xff" * 2
        replace(path, bytes(header))
    elif content is None:
        path.unlink()
    else:
        replace(path, old[: len(old) // 2] if content == "half" else content)
    before = {path for path in _contents(place)}
    _refused(command(*line.split()), message)
    assert {path for path in _contents(place)} == before
