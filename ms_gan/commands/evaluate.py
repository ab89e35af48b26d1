"""`ms-gan evaluate`: how good the images of a generator are, each number beside that of real images."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ms_gan.commands.evaluation_source import FEWEST, MOST, Source, described, draw_to_judge, find_source
from ms_gan.commands.references import RealImages, draw_sample, load_real_images
from ms_gan.commands.report import finish_report
from ms_gan.data.stream import check_seed
from ms_gan.device import activate, choose_device
from ms_gan.errors import UserError
from ms_gan.evaluation import classes
from ms_gan.evaluation.copies import ALARM, copy_threshold, nearness
from ms_gan.evaluation.extractors import AUTO, Extractor, choose_extractor
from ms_gan.evaluation.halves import HALVES
from ms_gan.evaluation.judging import Sample, describe, judge
from ms_gan.evaluation.protocol import count_text
from ms_gan.evaluation.results import AS_THE_DATA, table
from ms_gan.files import check_writable, make_writable, write_atomically
from ms_gan.pictures.grid import save_grid
from ms_gan.runs.folder import RunFolder
from ms_gan.runs.sealed import write_sealed

_PAIRS = 12


def evaluate(
    source: str | Path,
    *,
    num: int = 10_000,
    extractor: str = AUTO,
    seed: int = 1,
    data: dict[str, Any] | None = None,
    config: str | None = None,
    json_file: str | Path | None = None,
    device: str = "auto",
    require_ascend: bool = False,
    announce: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Compare generated with real images, and real with real ones in the same way.

    Parameters
    ----------
    source : path-like
        A run folder (its newest checkpoint), a checkpoint of a generator, or a .npy file with images (N, C, S, S),
        float in [-1, 1] or uint8.
    num : int
        Generated and real images, at least 10; fewer are taken where the held-out part or the file has fewer.
    extractor : str
        See :func:`ms_gan.evaluation.extractors.choose_extractor`.
    seed : int
        Latents and the choice of images follow from it.
    data : dict, optional
        Settings of the section `data` that replace those of the run, such as ``{"folder": "DIR"}``. A file needs
        ``source`` or ``folder``.
    config : str, optional
        The recipe of a checkpoint outside a run folder.
    json_file : path-like, optional
        Where the result is written as well; for a run it always goes into its folder `evaluation`.
    device, require_ascend
        As for :func:`ms_gan.train`.
    announce : callable
        Takes the lines for people.

    Returns
    -------
    dict
        Protocol and metrics; the content of the JSON file.

    Raises
    ------
    UserError
        If something that was given is wrong.
    """
    if not FEWEST <= num <= MOST:
        raise UserError(f"--num {num}: must be from {FEWEST} to {MOST:,}")
    check_seed(seed)
    began = time.perf_counter()
    check_writable(json_file)
    found = find_source(Path(source), data or {}, config)
    if found.run:
        make_writable(found.run.evaluations)
    choice = choose_device(device, require_ascend=require_ascend, announce=announce)
    # A checkpoint outside a run is compared with data that nobody noted.
    digest = found.run.data_digest() if found.run else None
    real = load_real_images(found.data, digest, announce, seed)
    announce(f"Data: {real.reference.described()}")
    count = _count(num, found, real)
    if count < num:
        announce(f"{count:,} images of either kind, not {num:,}: there are no more")
    activate(choice)
    chosen = choose_extractor(extractor, real.train, real.test, announce)
    images, asked = _generated(found, real, count, seed, config, announce)
    samples = _samples(real, images, count, seed, chosen, announce)
    result = _result(found, real, samples, chosen, count, seed, AS_THE_DATA if asked else None)
    if asked and set(asked) <= set(chosen.class_names):
        wanted = np.array([chosen.class_names.index(name) for name in asked])
        result["classes"]["as_asked"] = round(float((samples["fake"].classes == wanted).mean()), 6)
    result["seconds"] = round(time.perf_counter() - began, 1)
    for line in [*(f"Note: {notice}" for notice in real.notices), "", *table(result)]:
        announce(line)
    _keep(found, real, samples, result, json_file, announce)
    return result


def _count(num: int, source: Source, real: RealImages) -> int:
    """Return of how many images of either kind there are enough."""
    there = [num, len(real.reference.images), len(real.other.images)]
    if source.samples is not None:
        there.append(len(source.samples))
    if min(there) < FEWEST:
        raise UserError(f"evaluate: only {min(there)} images to compare; at least {FEWEST} are needed")
    return min(there)


def _generated(
    source: Source, real: RealImages, count: int, seed: int, config: str | None, announce: Callable[[str], None]
) -> tuple[np.ndarray, list[str]]:
    """Return `count` generated images, uint8, and the class that was asked for with each, if any was."""
    if source.samples is not None:
        # A file may hold one class after the other.
        return draw_sample(source.samples, count, seed), []
    announce(f"Drawing {count:,} images from {source.path}")
    return draw_to_judge(source.path, config, real.seen, count, seed)


def _samples(
    real: RealImages,
    images: np.ndarray,
    count: int,
    seed: int,
    extractor: Extractor,
    announce: Callable[[str], None],
) -> dict[str, Sample]:
    """Look at all images: features, classes, nearest training images."""
    reference = draw_sample(real.reference.images, count, seed)
    other = draw_sample(real.other.images, count, seed, other=True)
    if images.shape[1:] != reference.shape[1:]:
        raise UserError(f"evaluate: generated images of {images.shape[1:]}, real ones of {reference.shape[1:]}")
    announce(f"Comparing with {count:,} real images, and looking for the nearest of {len(real.seen.images):,}")
    # Of real images the nearest are looked for in the other part, as if the generator had seen that alone.
    return {
        "fake": Sample.of(images, extractor.measure, nearness(images, real.seen.images)),
        "real": Sample.of(reference, extractor.measure, nearness(reference, real.other.images)),
        "other": Sample.of(other, extractor.measure),
    }


def _result(
    source: Source,
    real: RealImages,
    samples: dict[str, Sample],
    extractor: Extractor,
    count: int,
    seed: int,
    asked: str | None,
) -> dict[str, Any]:
    names = extractor.class_names
    found, rows = judge(samples["real"], samples["fake"], samples["other"], len(names))
    rate = copy_threshold(samples["real"].nearness)
    result = {
        "format": 1,
        "source": described(source),
        "protocol": {
            "generated": count,
            "real": count,
            "extractor": extractor.name,
            "extractor_digest": extractor.digest,
            "extractor_facts": extractor.facts,
            "data": real.reference.described(),
            "reference_sha256": real.reference.sha256,
            "floor_sha256": real.other.sha256,
            "seen_sha256": real.seen.sha256,
            "seen": len(real.seen.images),
            "unseen": real.unseen,
            "asked": asked,
            "seed": seed,
            "interval": f"95 %, from {HALVES} random halves of both sides",
            "copies": f"a copy is nearer to one training image than to its 20 nearest by a factor of {rate:.4f}, "
            f"below which {100 * ALARM:g} % of unseen real images lie",
        },
        "notices": list(real.notices),
        "metrics": describe(rows, found, count, extractor.name),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    if names:
        fake, reference = (classes.class_shares(samples[key].classes, len(names)) for key in ("fake", "real"))
        missing = [names[number] for number in classes.missing_classes(fake, reference)]
        result["classes"] = {
            "names": list(names),
            "generated": fake.round(6).tolist(),
            "real": reference.round(6).tolist(),
            "missing": missing,
        }
    return result


def _keep(
    source: Source,
    real: RealImages,
    samples: dict[str, Sample],
    result: dict[str, Any],
    json_file: str | Path | None,
    announce: Callable[[str], None],
) -> None:
    """Write the result, and for a run pictures of nearest neighbours and the report."""
    if source.run is not None:
        _keep_in(source.run, source.path.stem, real, samples["fake"], result, announce)
    if json_file:
        write_atomically(json_file, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        announce(f"wrote {json_file}")


def _keep_in(
    run: RunFolder,
    checkpoint: str,
    real: RealImages,
    fake: Sample,
    result: dict[str, Any],
    announce: Callable[[str], None],
) -> None:
    """Write what an evaluation leaves in its run folder."""
    protocol = result["protocol"]
    # With the hash of the real images: another folder, or a choice of classes, is another evaluation.
    parts = (count_text(protocol["generated"]), protocol["extractor"], protocol["reference_sha256"][:8])
    stem = f"{checkpoint}-{'-'.join(parts)}-seed{protocol['seed']}"
    folder = run.evaluations
    order = {"first": np.arange(_PAIRS), "closest": np.argsort(fake.nearness.ratios, kind="stable")[:_PAIRS]}
    for name, rows in order.items():
        rows = rows[: len(fake.images)]
        beside = real.seen.images[fake.nearness.indices[rows].astype(int)]
        save_grid(folder / f"{stem}-{name}.png", np.concatenate([fake.images[rows], beside]), 2, len(rows), scale=2)
    write_sealed(folder / f"{stem}.json", result)
    announce(f"wrote {folder / stem}.json")
    announce(f"wrote {finish_report(run)}")
