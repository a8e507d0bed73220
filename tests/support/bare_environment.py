"""Environments of Python in which only the packages of some extras can be imported.

The wheel is installed by pip; what it needs is linked from the environment of the tests, as far as
the metadata of the packages say that it is needed. No network is used.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TIMEOUT_S = 120

RUNNER = """
import io, json, runpy, sys, traceback
ran = []
for program, *arguments in json.load(sys.stdin):
    said = sys.stdout, sys.stderr = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
    code = 0
    try:
        if program == "python":
            sys.argv = arguments[1:]
            exec(arguments[1], {"__name__": "__main__"})
        else:
            sys.argv = [program, *arguments]
            runpy.run_path(program, run_name="__main__")
    except SystemExit as exc:
        code = exc.code or 0
    except BaseException:
        code = 1
        traceback.print_exc()
    for stream in said:
        stream.flush()
    ran.append([code, *(stream.buffer.getvalue().decode() for stream in said)])
sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
print(json.dumps(ran))
"""
"""Runs programs one after another: to load the libraries takes more than any of them."""


@dataclass(frozen=True)
class Ran:
    """What a program left."""

    code: int
    out: str
    err: str


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
        os.stat(path).st_size
        for package in map(distribution, names)
        for file in _files(package)
        if os.path.isfile(path := str(package.locate_file(file)))
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
        """Make one with other packages and what pip installed here: pip takes seconds."""
        made = copy(self)
        made.folder, made.bin = folder, folder / "bin"
        shutil.copytree(self.bin, made.bin, symlinks=True)
        shutil.copy(self.folder / "pyvenv.cfg", folder)
        (folder / self._packages.relative_to(self.folder)).mkdir(parents=True)
        _link(made._packages, names)
        for path in (*self._packages.glob("memory_core"), *self._packages.glob("holdfast-*")):
            (made._packages / path.name).symlink_to(path)
        program = (self.bin / "holdfast").read_text().replace(str(self.bin), str(made.bin))
        (made.bin / "holdfast").write_text(program)
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

    def run_each(self, *commands: Iterable[str], **environ: str) -> list[Ran]:
        """Run programs, or `python -c`, one after another in one new process."""
        paths = [
            [program if program == "python" else str(self.bin / program), *arguments]
            for program, *arguments in commands
        ]
        process = self.run("python", "-c", RUNNER, stdin=json.dumps(paths), **environ)
        assert (process.returncode, process.stderr) == (0, ""), process
        return [Ran(*left) for left in json.loads(process.stdout)]


def _files(package: Distribution) -> Iterator[str]:
    """Yield the paths of a package's files, as its RECORD has them."""
    return (path for path, *_ in csv.reader((package.read_text("RECORD") or "").splitlines()))


@cache
def _owners() -> Mapping[str, set[str]]:
    """Map each file and folder of the packages here to the packages that have files there."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for package in distributions():
        name = canonicalize_name(package.metadata["Name"])
        for file in _files(package):
            path = "" if file.startswith("..") or "__pycache__/" in file else file
            while path and name not in owners[path]:
                owners[path].add(name)
                path = path.rpartition("/")[0]
    return owners


def _link(target: Path, names: set[str]) -> None:
    """Link the files of packages; folders as a whole where no other package is in them."""
    source, owners = Path(str(distribution("pip").locate_file(""))), _owners()
    linked: set[str] = set()
    # A folder comes before what is in it.
    for path in sorted(path for path, of in owners.items() if of & names):
        if path.rpartition("/")[0] in linked:
            linked.add(path)
        elif owners[path] <= names:
            (target / path).symlink_to(source / path)
            linked.add(path)
        else:
            (target / path).mkdir(exist_ok=True)
