"""The smoke test of scripts/test_aarch64.sh: the same work on two kinds of machine, then a comparison.

``smoke.py run RESULTS DATA`` works through it and writes RESULTS/<machine>.npz; ``smoke.py compare RESULTS`` compares
x86_64.npz with aarch64.npz. Batches are small, because emulated float32 arithmetic is some hundred times slower.
"""

import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path

import numpy as np

STEPS = 20
TOLERANCE = 1e-4
# Images of a batch: a step of dcgan takes a minute of emulation with 8.
BATCHES = {"mlp": 8, "dcgan": 2}
# Losses that must agree: dcgan's batch normalisation of two images and Adam make any rounding grow, as they do between
# one worker and two (docs/workers.md); its parameters and pictures at the end are printed and not judged.
CALM_STEPS = {"dcgan": 4}
PATIENCE = 3600.0


def run(results: Path, data: Path) -> int:
    """Do everything on this machine; return 0 unless the doctor finds something missing."""
    began = time.monotonic()
    machine = platform.machine()
    from ms_gan import doctor
    from ms_gan.device import probe
    from ms_gan.device.settings import own_settings

    # An emulated import takes a minute on a quiet machine; the time limits are those of real ones.
    doctor.IMPORT_SECONDS = probe.TRIAL_SECONDS = PATIENCE
    if doctor.run_doctor():
        return 1
    arrays = {"digits": _digits(data)}
    seconds = {"doctor": time.monotonic() - began}
    for recipe in BATCHES:
        for mode in ("graph", "pynative"):
            began = time.monotonic()
            arrays |= _train(recipe, mode, data, results / f"runs-{machine}" / f"{recipe}-{mode}")
            seconds[f"{recipe} {mode}"] = time.monotonic() - began
    facts = {"machine": machine, "settings": own_settings(), "seconds": seconds, "versions": _versions()}
    facts["ONEDNN_MAX_CPU_ISA"] = os.environ.get("ONEDNN_MAX_CPU_ISA")
    unfinished = results / f".{machine}.npz"
    np.savez(unfinished, facts=json.dumps(facts), **arrays)
    unfinished.replace(results / f"{machine}.npz")
    return 0


def _digits(data: Path) -> np.ndarray:
    """Return digits as this machine draws them; the first machine writes them as the data of both."""
    from ms_gan.data.digit_drawing import render_digits

    images, labels = render_digits(320, 1)
    if not data.exists():
        data.mkdir()
        for name, array in (("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (data / name).write_bytes(head + array.astype(np.uint8).tobytes())
    return images


def _train(recipe: str, mode: str, data: Path, out: Path) -> dict[str, np.ndarray]:
    """Train in one go in graph mode, interrupted and resumed in PyNative, and generate; return what came out."""
    import mindspore

    from ms_gan import generate, resume, train
    from ms_gan.config import load_config

    shutil.rmtree(out, ignore_errors=True)
    # The schedule goes over the whole length in both, so that the interrupted run has the same learning rates.
    settings = [f"batch_size={BATCHES[recipe]}", "log_every=1", "data.source=mnist", f"data.folder={data}"]
    roles = [f"{role}_optimizer" for role in ("generator", "discriminator")]
    scheduled = [role for role in roles if getattr(load_config(recipe), role).schedule != "constant"]
    settings += [f"{role}.lr_steps={STEPS}" for role in scheduled]
    settings += ["data.images_per_epoch=null", f"mode={mode}", "epochs=null"]
    if mode == "graph":
        folder = train(recipe, settings=[*settings, f"steps={STEPS}"], out=str(out), device="cpu")
    else:
        train(recipe, settings=[*settings, f"steps={STEPS // 2}"], out=str(out), device="cpu")
        folder = resume(str(out), settings=[f"steps={STEPS}"], device="cpu")
    pictures = out / "generated.npy"
    generate(out, num=16, seed=3, out=pictures)
    records = folder.history()
    saved = mindspore.load_checkpoint(str(folder.generator_file()))
    return {
        f"{recipe} {mode} losses of D": np.array([record["d_loss"] for record in records]),
        f"{recipe} {mode} losses of G": np.array([record["g_loss"] for record in records]),
        f"{recipe} {mode} parameters of G": np.concatenate([saved[name].asnumpy().ravel() for name in sorted(saved)]),
        f"{recipe} {mode} pictures": np.load(pictures),
    }


def _versions() -> dict[str, str | None]:
    from ms_gan.device.machine import describe_machine

    described = describe_machine()
    return {name: described[name] for name in ("python", "mindspore", "numpy", "opencv")}


def compare(results: Path) -> int:
    """Print the greatest differences; return 0 if all are within `TOLERANCE` and no setting leaked, else 1."""
    sides = [dict(np.load(results / f"{machine}.npz")) for machine in ("x86_64", "aarch64")]
    facts = [json.loads(str(side.pop("facts"))) for side in sides]
    failures = []
    for side in facts:
        seconds = ", ".join(f"{name} {taken:.0f} s" for name, taken in side["seconds"].items())
        print(f"{side['machine']}: {side['versions']}\n  settings: {side['settings']}\n  {seconds}")
    if facts[1]["ONEDNN_MAX_CPU_ISA"] is not None:
        failures.append(f"ONEDNN_MAX_CPU_ISA={facts[1]['ONEDNN_MAX_CPU_ISA']} is set on aarch64")
    ours, theirs = (side.pop("digits").astype(int) for side in sides)
    print(f"built-in digits: {np.mean(ours != theirs):.2%} of the pixels differ, at most by {abs(ours - theirs).max()}")
    if sides[0].keys() != sides[1].keys():
        failures.append(f"the sides have different results: {sorted(sides[0].keys() ^ sides[1].keys())}")
    for name in [name for name in sides[0] if name in sides[1]]:
        difference = _difference(sides[0][name], sides[1][name])
        judged = _difference(*(_judged(name, side[name]) for side in sides))
        print(f"{name:<32} {difference:.1e}{'' if judged == difference else f', of what is judged {judged:.1e}'}")
        if not judged <= TOLERANCE:
            failures.append(f"{name}: differ by {judged:.1e}, more than {TOLERANCE:g}")
    for side, made in zip(facts, sides, strict=True):
        for name in [name for name in made if "graph" in name]:
            if not np.array_equal(made[name], made.get(name.replace("graph", "pynative"))):
                failures.append(f"{side['machine']}: {name}: not the bits of the resumed PyNative run")
    print("\n".join(failures) or f"agree within {TOLERANCE:g}; graph mode and resumed PyNative: the same bits on each")
    return 1 if failures else 0


def _judged(name: str, array: np.ndarray) -> np.ndarray:
    """Return the part of a result that must agree: all of it, except where `CALM_STEPS` says otherwise."""
    calm = CALM_STEPS.get(name.split()[0])
    return array if calm is None else array[: calm if "losses" in name else 0]


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the greatest difference, relative to the greatest magnitude where that exceeds 1."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float(abs(ours - theirs).max() / max(1.0, abs(ours).max())) if ours.size else 0.0


if __name__ == "__main__":
    action, *folders = sys.argv[1:]
    sys.exit({"run": run, "compare": compare}[action](*map(Path, folders)))
