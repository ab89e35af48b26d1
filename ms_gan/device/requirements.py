"""Which of the required packages are missing here, or of a version that is not supported.

The scripts run this file by its path in a Python where nothing is installed yet, so it imports only the
standard library (and the `packaging` that comes with pip).
"""

import functools
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Packages whose module has another name; it is the module that counts, because several packages provide cv2.
MODULES = {
    "opencv-python": "cv2",
    "pytest-xdist": "xdist",
    "PyYAML": "yaml",
    "pillow": "PIL",
    "attrs": "attr",
    "cython": "Cython",
    "absl-py": "absl",
}
# What training itself needs; the rest of requirements.txt serves the tests.
TEST_TOOLS = {"pytest", "pytest-xdist", "hypothesis", "ruff"}


@dataclass(frozen=True)
class Requirement:
    """One line of a requirements file: a package, its version bounds ('>=1,<2'), the module it provides."""

    package: str
    bounds: str
    module: str

    def __str__(self) -> str:
        return self.package + self.bounds


def parse_requirement(line: str) -> Requirement:
    """Return the requirement that one line of a requirements file states."""
    package, bounds = re.fullmatch(r"([\w.-]+)\s*(.*)", line.strip()).groups()
    return Requirement(package, bounds, MODULES.get(package, package))


def read_requirements(path: str | Path) -> list[Requirement]:
    """Return the packages that the requirements file `path` lists, one a line; comments are left out."""
    lines = (line.split("#")[0].strip() for line in Path(path).read_text().splitlines())
    return [parse_requirement(line) for line in lines if line]


def is_installed(requirement: Requirement) -> bool:
    """Tell whether the requirement's module can be found, whichever package brought it."""
    return importlib.util.find_spec(requirement.module) is not None


def module_version(module: str) -> str | None:
    """Return the version of the installed package that provides `module`; None where there is none."""
    for name in _distributions().get(module, []):
        return importlib.metadata.version(name)
    return None


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Return the packages that provide each module; it takes a while, because it reads every package's files."""
    return importlib.metadata.packages_distributions()


def is_supported(version: str, bounds: str) -> bool:
    """Tell whether `version` lies within `bounds` (true where neither packaging nor pip can judge it)."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        try:
            from pip._vendor.packaging.specifiers import SpecifierSet
        except ImportError:
            return True
    return SpecifierSet(bounds).contains(version, prereleases=True)


def check(requirements: Iterable[Requirement]) -> tuple[list[Requirement], list[tuple[Requirement, str]]]:
    """Return the requirements that are missing, and those that are here in an unsupported version."""
    requirements = list(requirements)
    missing = [entry for entry in requirements if not is_installed(entry)]
    found = [(entry, module_version(entry.module)) for entry in requirements if entry not in missing]
    return missing, [
        (entry, version) for entry, version in found if version and not is_supported(version, entry.bounds)
    ]


def main(files: list[str]) -> int:
    """Print the missing requirements of `files`, one a line; notes on unsupported versions go to stderr.

    Returns
    -------
    int
        2 when numpy is too new, because MindSpore then fails at the first BatchNorm; otherwise 0.
    """
    missing, unsupported = check(entry for file in files for entry in read_requirements(file))
    for entry, version in unsupported:
        install = f"{sys.executable} -m pip install '{entry}'"
        if entry.package == "numpy" and int(version.split(".")[0]) >= 2:
            print(f"numpy {version} does not work with MindSpore; run: {install}", file=sys.stderr)
            return 2
        print(f"Note: {entry.package} {version} is used as it is; tried were {entry.bounds}", file=sys.stderr)
    print("\n".join(map(str, missing)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
