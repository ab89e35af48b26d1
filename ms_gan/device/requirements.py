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
# The bounds outside which nothing works: an older MindSpore lacks what is called, numpy 2 fails at the first BatchNorm.
_BINDING = {"mindspore": ">=", "numpy": "<"}


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


def project_requirements() -> list[Requirement]:
    """Return what requirements.txt lists, in a clone or as an installed ms_gan's metadata has it; else nothing."""
    listed = Path(__file__).parents[2] / "requirements.txt"
    if listed.is_file():
        return read_requirements(listed)
    try:
        return [parse_requirement(line) for line in importlib.metadata.requires("ms_gan") or []]
    except importlib.metadata.PackageNotFoundError:
        return []


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
        from packaging import specifiers
        from packaging import version as versions
    except ImportError:
        try:
            from pip._vendor.packaging import specifiers
            from pip._vendor.packaging import version as versions
        except ImportError:
            return True
    try:
        found = versions.Version(version)
    except versions.InvalidVersion:
        return True
    return specifiers.SpecifierSet(bounds).contains(found, prereleases=True)


def refusal(requirement: Requirement, version: str) -> str | None:
    """Return the line that tells why training cannot work with a package's `version`, or None."""
    sign = _BINDING.get(requirement.package)
    binding = [part for part in requirement.bounds.split(",") if sign and part.startswith(sign)]
    if is_supported(version, ",".join(binding)):
        return None
    return f"{requirement.package} {version} does not work here; run: {sys.executable} -m pip install '{requirement}'"


def check(requirements: Iterable[Requirement]) -> tuple[list[Requirement], list[tuple[Requirement, str]]]:
    """Return the requirements that are missing, and those that are here in an unsupported version."""
    requirements = list(requirements)
    missing = [entry for entry in requirements if not is_installed(entry)]
    found = [(entry, module_version(entry.module)) for entry in requirements if entry not in missing]
    return missing, [
        (entry, version) for entry, version in found if version and not is_supported(version, entry.bounds)
    ]


def main(words: list[str]) -> int:
    """Print the missing requirements of files, one a line; notes on unsupported versions go to stderr.

    Parameters
    ----------
    words : list[str]
        The files; ``--tests`` before them: those that only the tests need are wanted too.

    Returns
    -------
    int
        2 when nothing works with what is here; otherwise 0.
    """
    tests = words[:1] == ["--tests"]
    listed = (entry for file in words[tests:] for entry in read_requirements(file))
    missing, unsupported = check(entry for entry in listed if tests or entry.package not in TEST_TOOLS)
    for entry, version in unsupported:
        if reason := refusal(entry, version):
            print(reason, file=sys.stderr)
            return 2
        print(f"Note: {entry.package} {version} is used as it is; tried were {entry.bounds}", file=sys.stderr)
    print("\n".join(map(str, missing)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
