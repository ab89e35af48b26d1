"""What every benchmark says of the machine it ran on, and how it leaves its numbers."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ms_gan.device import describe_machine
from ms_gan.device.requirements import module_version
from ms_gan.errors import UserError
from ms_gan.files import write_atomically

_BUSY = 0.5


def circumstances() -> dict[str, Any]:
    """Return machine, versions, date, command and load, and warn if the machine is not idle."""
    load = os.getloadavg()[0]
    if load > _BUSY:
        print(
            f"Warning: the load of this machine is {load:.1f} before the start; "
            f"timings need all its cores, wait until it is below {_BUSY}",
            file=sys.stderr,
        )
    facts = describe_machine()
    versions = {name: facts.pop(name) for name in ("python", "mindspore", "numpy")}
    return {
        "machine": {name: facts[name] for name in ("cpu", "cores", "memory_gb", "platform")},
        "versions": versions | {"torch": module_version("torch")},
        "date": date.today().isoformat(),
        "command": shlex.join(["python", *sys.argv]),
        "load_before": round(load, 2),
    }


def headline(facts: dict[str, Any]) -> str:
    """Return the line that goes over a table."""
    machine, versions = facts["machine"], facts["versions"]
    names = {"mindspore": "MindSpore", "torch": "PyTorch", "python": "Python"}
    listed = ", ".join(f"{title} {versions[name]}" for name, title in names.items() if versions[name])
    return f"{machine['cpu']}, {machine['cores']} cores; {listed}; {facts['date']}; `{facts['command']}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; the first column is on the left, the others on the right."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def leave(path: str | None, result: dict[str, Any]) -> None:
    """Write the numbers, if a file was asked for."""
    if path is not None:
        write_atomically(path, json.dumps(result, indent=2) + "\n")
        print(f"wrote {path}")


def run(main: Any) -> None:
    """Run a benchmark's main function; a mistake of the user's ends it with one line and status 2."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(_failed(str(error), 2))
    except KeyboardInterrupt:
        sys.exit(_failed("interrupted", 130))


def _failed(message: str, status: int) -> int:
    print(f"{Path(sys.argv[0]).name}: {message}".replace("\n", " "), file=sys.stderr)
    return status
