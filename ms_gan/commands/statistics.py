"""`ms-gan evaluate A.npz --extractor B.npz`: the Fréchet distance of features that another program computed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ms_gan.errors import UserError
from ms_gan.evaluation.foreign import read_statistics
from ms_gan.evaluation.frechet import frechet_distance
from ms_gan.evaluation.protocol import count_text
from ms_gan.evaluation.results import number
from ms_gan.files import check_writable, write_atomically
from ms_gan.runs.sealed import file_digest


def compare_statistics(
    generated: str | Path,
    real: str | Path,
    json_file: str | Path | None = None,
    announce: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Compare statistics of features, for example those of an Inception network, of generated and real images.

    Parameters
    ----------
    generated, real : path-like
        .npz files with `mu` and `sigma`, or with `features` (N, d), of one and the same network.
    json_file : path-like, optional
        Where the result is written.
    announce : callable
        Takes the lines for people.

    Returns
    -------
    dict
        Name and value of the distance. There is no floor: that needs a second set of real images.

    Raises
    ------
    UserError
        If a file is no such file, or the two are of different networks.
    """
    for path in map(Path, (generated, real)):
        if path.suffix.lower() != ".npz":
            raise UserError(
                f"{path}: statistics compare only with statistics of the same network; give two .npz files: "
                "ms-gan evaluate GENERATED.npz --extractor REAL.npz"
            )
    check_writable(json_file)
    ours, theirs = read_statistics(Path(generated)), read_statistics(Path(real))
    counts = "-".join("unknown" if count is None else count_text(count) for _, count in (ours, theirs))
    value = frechet_distance(ours[0], theirs[0])
    result = {
        "metrics": [{"name": f"fid{counts}_{Path(real).stem}", "kind": "fid", "value": value, "floor": None}],
        "generated": {"file": str(generated), "images": ours[1], "sha256": file_digest(Path(generated))},
        "real": {"file": str(real), "images": theirs[1], "sha256": file_digest(Path(real))},
    }
    if json_file:
        write_atomically(json_file, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    announce(f"{result['metrics'][0]['name']}  {number(value)}  Fréchet distance, lower is better")
    announce("Files of statistics say nothing of how they were made: compare only what one program made in one way.")
    return result
