"""The boot file for ModelArts, with stand-ins for moxing, which copies folders and can fail, and for the training."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
# obs://name is the folder $OBS/name; it notes each copy, takes $SECONDS for it, and fails as often as $FAILS says.
FAKE_MOXING = """
import os, shutil, time
from pathlib import Path

class file:
    @staticmethod
    def copy_parallel(source, target):
        obs = Path(os.environ["OBS"])
        source, target = (str(obs / p[6:]) if p.startswith("obs://") else p for p in (source, target))
        with open(obs / "copies", "a") as stream:
            stream.write(f"{source} -> {target}\\n")
        time.sleep(float(os.environ.get("SECONDS", 0)))
        failing = os.environ.get("FAILS_AT", "nowhere") in target
        if failing and len((obs / "copies").read_text().split(os.environ["FAILS_AT"])) - 1 <= int(os.environ["FAILS"]):
            Path(target).mkdir(parents=True, exist_ok=True)
            raise OSError("no route to OBS")
        shutil.copytree(source, target, dirs_exist_ok=True)
"""
FAKE_TRAINING = """
import json, os, signal, sys, time
from pathlib import Path

words = sys.argv[1:]
print("TRAINING " + json.dumps(words), flush=True)
where = "--out" if "--out" in words else "--resume"
if where in words:
    run = Path(words[words.index(where) + 1])
    run.mkdir(parents=True, exist_ok=True)
    (run / "log.txt").write_text("half a run")
if "--wait" in os.environ.get("TRAINING", ""):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    time.sleep(30)
if os.environ.get("TRAINING") == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
sys.exit(int(os.environ.get("TRAINING_STATUS", 0)))
"""


class Place:
    """A repository whose training is a stand-in, a bucket, and a server's working folder."""

    def __init__(self, folder: Path) -> None:
        self.bucket, self.work, self.modules = folder / "obs/bucket", folder / "work", folder / "modules"
        scripts = folder / "repository/scripts"
        for made in (self.bucket / "mnist", scripts, self.modules):
            made.mkdir(parents=True)
        (self.bucket / "mnist/train-images").write_text("digits")
        (scripts.parent / "ms_gan").symlink_to(REPOSITORY / "ms_gan")
        (scripts.parent / "requirements.txt").symlink_to(REPOSITORY / "requirements.txt")
        (scripts / "modelarts_train.py").write_text((REPOSITORY / "scripts/modelarts_train.py").read_text())
        (scripts / "train.py").write_text(FAKE_TRAINING)
        (self.modules / "moxing.py").write_text(FAKE_MOXING)
        self.boot_file = scripts / "modelarts_train.py"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("RANK_", "MA_", "MS_ROLE"))}
        self.environment |= {"OBS": str(folder / "obs"), "PYTHONPATH": str(self.modules)}

    def start(self, *words: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, str(self.boot_file), f"--work_dir={self.work}", *words],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> tuple[int, str]:
        process = self.start(*words, **environment)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def copies(self) -> list[str]:
        noted = self.bucket.parent / "copies"
        return noted.read_text().splitlines() if noted.exists() else []


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


def training_words(output: str) -> list[str]:
    return json.loads(next(line for line in output.splitlines() if line.startswith("TRAINING "))[9:])


def test_data_come_from_obs_and_results_go_there(place):
    status, output = place.run(
        *("--data_url=obs://bucket/mnist/", "--train_url=obs://bucket/out/", "--config", "dcgan", "--epochs=3"),
        MA_VJ_NAME="ma-job-1",
    )
    words = training_words(output)
    assert status == 0
    assert words[:3] == ["--config", "dcgan", "--epochs=3"]
    assert (Path(words[words.index("--data-dir") + 1]) / "train-images").read_text() == "digits"
    run = Path(words[words.index("--out") + 1])
    assert run.name.startswith("dcgan-")
    assert (place.bucket / "out" / run.name / "log.txt").read_text() == "half a run"


def test_plain_folders_are_used_where_they_are(place, tmp_path):
    (place.modules / "moxing.py").write_text("raise ImportError('must not be imported')")
    status, output = place.run(f"--data_url={place.bucket / 'mnist'}", f"--train_url={tmp_path / 'outputs'}")
    words = training_words(output)
    assert status == 0
    assert words[words.index("--data-dir") + 1] == str(place.bucket / "mnist")
    assert Path(words[words.index("--out") + 1]).parent == tmp_path / "outputs"


def test_without_places_it_says_that_results_stay(place):
    status, output = place.run("--steps", "5")
    assert (status, training_words(output)) == (0, ["--steps", "5"])
    assert "without --train_url the results stay" in output


def test_only_here_unknown_options_are_left_out_and_named(place, command):
    unknown = ["--num_gpus=1", "--init_method", "tcp://10.0.0.1:7000"]
    status, output = place.run("--epochs", "2", *unknown, "--seed=7")
    assert (status, training_words(output)) == (0, ["--epochs", "2", "--seed=7"])
    assert f"left out, because ms-gan train does not know them: {' '.join(unknown)}" in output
    assert command("train", *unknown).status == 2


def test_data_is_not_taken_for_data_url(place):
    status, output = place.run("--data", "builtin")
    assert (status, training_words(output)) == (0, ["--data", "builtin"])


@pytest.mark.parametrize(
    ("environment", "expected"), [({"TRAINING_STATUS": "1"}, 1), ({"TRAINING": "crash"}, 128 + signal.SIGSEGV)]
)
def test_results_of_a_failed_training_are_uploaded_and_its_status_is_kept(place, environment, expected):
    status, output = place.run("--train_url=obs://bucket/out", **environment)
    assert status == expected
    assert f"the training ended with status {expected}" in output
    assert [path.read_text() for path in place.bucket.glob("out/*/log.txt")] == ["half a run"]


def test_a_job_that_is_stopped_uploads_what_it_has(place):
    process = place.start("--train_url=obs://bucket/out", TRAINING="--wait")
    for line in process.stdout:
        if line.startswith("TRAINING "):
            break
    while not list(place.work.glob("*/runs/*/log.txt")):
        time.sleep(0.05)
    time.sleep(0.5)  # until the stand-in has its handler
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert list(place.bucket.glob("out/*/log.txt"))


def test_an_upload_is_tried_again(place):
    fast(place)
    status, output = place.run("--train_url=obs://bucket/out", FAILS_AT="bucket/out", FAILS="2")
    assert status == 0
    assert "failed (2 of 3): OSError: no route to OBS" in output
    assert list(place.bucket.glob("out/*/log.txt"))


@pytest.mark.parametrize(("trained", "expected"), [(0, 3), (7, 7)])
def test_a_lost_upload_is_told_and_hides_no_status(place, trained, expected):
    fast(place)
    status, output = place.run(
        "--train_url=obs://bucket/out", FAILS_AT="bucket/out", FAILS="9", TRAINING_STATUS=str(trained)
    )
    assert status == expected
    last = output.splitlines()[-1]
    assert "NOT UPLOADED" in last
    assert f"the training's status was {trained}" in last
    assert str(place.work) in last


def fast(place: Place) -> None:
    text = place.boot_file.read_text()
    place.boot_file.write_text(text.replace("UPLOAD_PAUSE = 3, 5.0", "UPLOAD_PAUSE = 3, 0.1"))
    assert text != place.boot_file.read_text()


def test_of_several_cards_one_copies_and_all_train(place):
    started = [
        place.start(
            *("--data_url=obs://bucket/mnist", "--train_url=obs://bucket/out"),
            **{"RANK_ID": str(rank), "RANK_SIZE": "3", "DEVICE_ID": str(rank), "SECONDS": "1"},
        )
        for rank in range(3)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len({tuple(training_words(output)) for output in outputs}) == 1
    assert sum("which another process of this job has copied" in output for output in outputs) == 2
    # The one copy of the data, and the upload of rank 0 alone.
    assert len(place.copies()) == 2


def test_the_scheduler_of_msrun_uploads_nothing(place):
    status, _ = place.run("--train_url=obs://bucket/out", MS_ROLE="MS_SCHED", RANK_ID="0")
    assert status == 0
    assert not place.copies()


def test_the_next_job_copies_again_whatever_an_older_one_left(place):
    for job in ("ma-job-1", "ma-job-2"):
        (place.bucket / "mnist/train-images").write_text(job)
        _, output = place.run("--data_url=obs://bucket/mnist", MA_VJ_NAME=job)
        words = training_words(output)
        assert (Path(words[words.index("--data-dir") + 1]) / "train-images").read_text() == job


def test_a_process_killed_while_copying_stops_nobody(place):
    both = ("--data_url=obs://bucket/mnist",)
    killed = place.start(*both, MA_VJ_NAME="ma-job", SECONDS="60")
    while not place.copies():
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    status, _ = place.run(*both, MA_VJ_NAME="ma-job")
    assert status == 0
    assert len(place.copies()) == 2


def test_nobody_waits_for_ever(place):
    slow = place.start("--data_url=obs://bucket/mnist", MA_VJ_NAME="ma-job", SECONDS="60")
    while not place.copies():
        time.sleep(0.05)
    status, output = place.run("--data_url=obs://bucket/mnist", "--wait=0.5", MA_VJ_NAME="ma-job")
    slow.kill()
    slow.communicate()
    assert status == 2
    assert "has not finished copying after 0.5 s" in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--data_url=obs://bucket/nothing",),
            "--data_url obs://bucket/nothing: could not be copied: FileNotFoundError",
        ),
        (("--train_url=/somewhere", "--out", "elsewhere"), "leave one of them away"),
        (("--epochs", "many"), "invalid int value: 'many'"),
        (("--work_dir=/proc/none",), "--work_dir: cannot write /proc/none"),
    ],
)
def test_bad_input_ends_with_status_2_and_a_line(place, words, message):
    status, output = place.run(*words)
    assert status == 2
    assert message in output
    assert "Traceback" not in output
    assert "TRAINING" not in output


def test_an_image_with_too_old_a_mindspore_is_refused(place):
    info = place.modules / "mindspore-2.6.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mindspore\nVersion: 2.6.0\n")
    (info / "top_level.txt").write_text("mindspore\n")
    status, output = place.run()
    assert (status, output.count("\n")) == (2, 1)
    assert "mindspore 2.6.0 does not work here; run: " in output
    assert output.endswith("; or choose an image that has it\n")


def test_obs_without_moxing_is_refused_before_the_training(place):
    (place.modules / "moxing.py").unlink()
    status, output = place.run("--train_url=obs://bucket/out")
    assert status == 2
    assert "OBS addresses need moxing" in output
    assert "TRAINING" not in output


def test_the_real_training_runs_from_it(place, digits_folder, child_environment):
    training = place.boot_file.parent / "train.py"
    training.write_text((REPOSITORY / "scripts/train.py").read_text())
    small = ("--set", "generator.options.widths=[64,128]", "discriminator.options.widths=[64]")
    status, output = place.run(
        *(f"--data_url={digits_folder}", "--train_url=obs://bucket/out", "--steps=3", "--device=cpu", *small),
        **{name: child_environment[name] for name in ("HOME", "MS_GAN_DATA", "MS_GAN_MIRROR")},
    )
    assert status == 0, output
    assert list(place.bucket.glob("out/mlp-*/checkpoints/*.ckpt"))
