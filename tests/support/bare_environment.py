"""Environments of Python in which only the packages of some extras can be imported.

The wheel is installed by pip; what it needs is linked from the environment of the tests, as far as
the metadata of the packages say that it is needed. No network is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from functools import cache
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TIMEOUT_S = 120


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the canonical names of all packages that the requirements bring, themselves included.

    Raises:
        PackageNotFoundError: one of them is not installed.
    """
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in distribution(name).requires or []:
            inner = Requirement(text)
            chosen = [{"extra": extra} for extra in extras or {""}]
            if inner.marker is None or any(map(inner.marker.evaluate, chosen)):
                waiting.append(inner)
    return {name for name, _ in seen}


def size_bytes(names: Iterable[str]) -> int:
    """Return what the files of packages take."""
    return sum(
        path.stat().st_size
        for name in names
        for path in map(Path, map(str, _located(distribution(name))))
        if path.is_file()
    )


class BareEnvironment:
    """A virtual environment with a wheel and the packages named, and nothing else, not even pip."""

    def __init__(self, folder: Path, wheel: Path, names: set[str]) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self._make(names)
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python")]
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
        subprocess.run([*pip, "install", *quiet, str(wheel)], check=True, timeout=TIMEOUT_S)

    def _make(self, names: set[str]) -> None:
        options = ["--without-pip", "--symlinks", str(self.folder)]
        subprocess.run([sys.executable, "-m", "venv", *options], check=True, timeout=TIMEOUT_S)
        _link(self._packages, names)

    @property
    def _packages(self) -> Path:
        (packages,) = (self.folder / "lib").glob("python*/site-packages")
        return packages

    def another(self, folder: Path, names: set[str]) -> BareEnvironment:
        """Make one with other packages and what pip installed here, copied: pip takes seconds."""
        made = copy(self)
        made.folder, made.bin = folder, folder / "bin"
        made._make(names)
        for path in (*self._packages.glob("memory_core"), *self._packages.glob("holdfast-*")):
            shutil.copytree(path, made._packages / path.name)
        program = (self.bin / "holdfast").read_text().replace(str(self.bin), str(made.bin))
        (made.bin / "holdfast").write_text(program)
        (made.bin / "holdfast").chmod(0o755)
        return made

    def run(
        self, *command: str, stdin: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in its folder, with these variables alone."""
        program, *arguments = command
        return subprocess.run(
            [str(self.bin / program), *arguments],
            input=stdin,
            cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": os.defpath, **environ},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )


def _located(package: Distribution) -> Iterator[object]:
    return (package.locate_file(file) for file in package.files or [])


@cache
def _owners() -> Mapping[PurePosixPath, set[str]]:
    """Map each file and folder of the packages here to the packages that have files there."""
    owners: defaultdict[PurePosixPath, set[str]] = defaultdict(set)
    for package in distributions():
        name = canonicalize_name(package.metadata["Name"])
        for file in package.files or []:
            path = PurePosixPath(file)
            if path.parts[0] != ".." and "__pycache__" not in path.parts:
                for part in (path, *path.parents[:-1]):
                    owners[part].add(name)
    return owners


def _link(target: Path, names: set[str]) -> None:
    """Link the files of packages; folders as a whole where no other package is in them."""
    source, owners = Path(str(distribution("pip").locate_file(""))), _owners()
    for path in sorted(path for path, of in owners.items() if of & names):
        if any(owners[parent] <= names for parent in path.parents[:-1]):
            continue
        if owners[path] <= names:
            (target / path).symlink_to(source / path)
        else:
            (target / path).mkdir(exist_ok=True)
