"""Coverage-guided fuzzing (atheris) of everything that reads a file: any bytes give a result or one UserError.

    pip install -r requirements-fuzzing.txt
    python tests/faults/fuzz_readers.py                         # every reader, two minutes each
    python tests/faults/fuzz_readers.py yaml history --seconds 600

A crash, a hang of 25 seconds or more than 2 GB of memory is a finding; the input is kept in the current folder.
"""

import argparse
import gzip
import io
import json
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_ALONE = "--alone"


def _image_file(images: int = 2, edge: int = 4) -> bytes:
    return struct.pack(">BBBBIII", 0, 0, 8, 3, images, edge, edge) + bytes(images * edge * edge)


def _label_file(images: int = 2) -> bytes:
    return struct.pack(">BBBBI", 0, 0, 8, 1, images) + bytes(images)


def _pictures() -> list[bytes]:
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    samples = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        stream = io.BytesIO()
        picture.save(stream, kind)
        samples.append(stream.getvalue())
    return samples


def _checkpoint() -> bytes:
    import mindspore as ms

    with tempfile.TemporaryDirectory() as folder:
        ms.save_checkpoint(ms.nn.Dense(2, 3), f"{folder}/x.ckpt")
        return Path(folder, "x.ckpt").read_bytes()


def _state(folder: Path) -> bytes:
    from ms_gan.runs.sealed import file_digest
    from ms_gan.runs.stored import seal_of

    state = folder / "state-00000003"
    state.mkdir()
    (state / "parameters.npz").write_bytes(b"PK")
    about = {"step": 3, "seconds": 1.5, "rollbacks": 1, "best": None, "files": {}}
    sealed = about | {"sha256": seal_of(about, file_digest(state / "parameters.npz"))}
    return json.dumps(sealed).encode()


def _data(folder: Path, name: str, samples: list[bytes], labels: tuple[str, bytes] | None = None):
    """Fuzz a file of a data set, read as `ms-gan train --data-dir` reads it."""
    from ms_gan.data.sources import load_images

    if labels:
        (folder / labels[0]).write_bytes(labels[1])
    return folder / name, samples, lambda: load_images(folder=folder, size=8, announce=lambda line: None)


def reader(name: str, folder: Path) -> tuple[Path, list[bytes], Callable[[], object]]:
    """Return the file that a reader reads, good examples of it, and the reading."""
    labels = ("train-labels-idx1-ubyte", _label_file())
    if name == "idx":
        return _data(folder, "train-images-idx3-ubyte", [_image_file()], labels)
    if name == "gz":
        return _data(folder, "train-images-idx3-ubyte.gz", [gzip.compress(_image_file())], labels)
    if name == "cifar10":
        return _data(folder, "data_batch_1.bin", [bytes(3073)])
    if name == "raw":
        return _data(folder, "labelsTrain.bin", [bytes(2)], ("imagesTrain.bin", bytes(2 * 784)))
    if name == "pictures":
        return _data(folder, "picture.png", _pictures())
    if name == "yaml":
        from ms_gan.config import load_config, recipe_names

        texts = [(_ROOT / "configs" / f"{recipe}.yaml").read_bytes() for recipe in recipe_names()]
        return folder / "my.yaml", texts, lambda: load_config(str(folder / "my.yaml"))
    if name == "checkpoint":
        from ms_gan.runs.checkpoints import read_checkpoint

        return folder / "Generator1.ckpt", [_checkpoint()], lambda: read_checkpoint(folder / "Generator1.ckpt")
    return _run_file(name, folder)


def _run_file(name: str, folder: Path) -> tuple[Path, list[bytes], Callable[[], object]]:
    from ms_gan.runs.folder import RunFolder
    from ms_gan.runs.history import append_record, read_history
    from ms_gan.runs.stored import find_stored

    run = RunFolder(folder)
    if name == "history":
        append_record(folder / "sample", {"step": 10, "epoch": 0, "d_loss": 1.5, "seconds": 2.0})
        return run.history_file, [(folder / "sample").read_bytes()], lambda: read_history(run.history_file)
    if name == "environment":
        run.write_environment({"steps_per_epoch": 3, "data": {"sha256": "0"}})
        return run.environment_file, [run.environment_file.read_bytes()], lambda: run.steps_per_epoch()
    run.checkpoints.mkdir()
    if name == "position":
        path = run.checkpoints / "state-00000003" / "position.json"
        return path, [_state(run.checkpoints)], lambda: find_stored(run.checkpoints, lambda line: None)
    files = run.network_files(3, 0)
    for file in (*files, *run.best_files()):
        file.write_bytes(b"x")
    run.note_networks(3, files, None)
    run.note_best("sliced_wasserstein", 0.5, 3, run.best_files())
    index = run.checkpoints / "index.json"
    return index, [index.read_bytes()], lambda: (run.network_index(), run.best())


READERS = (
    *("idx", "gz", "cifar10", "raw", "pictures", "yaml"),
    *("checkpoint", "history", "position", "index", "environment"),
)


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one reader; ends the process."""
    import atheris

    sys.path.insert(0, str(_ROOT))
    with atheris.instrument_imports(include=["ms_gan", "PIL", "yaml", "json", "gzip"]):
        from ms_gan.errors import UserError

        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
            folder, corpus = Path(place, "files"), Path(place, "corpus")
            folder.mkdir()
            corpus.mkdir()
            path, samples, read = reader(name, folder)
            for number, sample in enumerate(samples):
                (corpus / str(number)).write_bytes(sample)

            def one(content: bytes) -> None:
                path.write_bytes(content)
                message = ""
                try:
                    read()
                except UserError as error:
                    message = str(error)
                assert "\n" not in message

            limits = [f"-max_total_time={seconds}", "-timeout=25", "-rss_limit_mb=2048", "-max_len=20000"]
            atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", str(corpus)], one)
            atheris.Fuzz()


def main() -> int:
    """Fuzz the readers one after the other, each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], default=[])
    parser.add_argument("--seconds", type=int, default=120, help="for each reader (120)")
    parser.add_argument(_ALONE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        fuzz(options.readers[0], options.seconds)
    failed = 0
    print("| reader | seconds | inputs tried | edges covered | findings |\n|---|---|---|---|---|", flush=True)
    for name in options.readers or READERS:
        words = [sys.executable, __file__, name, "--seconds", str(options.seconds), _ALONE]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        tried = re.search(r"Done (\d+) runs in (\d+) second", done.stderr)
        edges = re.findall(r"cov: (\d+)", done.stderr)
        found = re.findall(r"Test unit written to (\S+)", done.stderr)
        failed += done.returncode != 0
        if done.returncode and not found:
            found = [(done.stderr.strip().splitlines() or ["no message"])[-1]]
        numbers = (tried[2], f"{int(tried[1]):,}") if tried else ("?", "?")
        told = ", ".join(found) or "none"
        print(f"| {name} | {' | '.join(numbers)} | {edges[-1] if edges else '?'} | {told} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
