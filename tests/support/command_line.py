"""Runs commands of `python -m memory_core`, in processes of their own or in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from click.testing import CliRunner

from memory_core.cli import cli
from tests.support.loggers import kept_logger
from tests.support.paths import ROOT
from tests.support.zygote import Child, Zygote

TIMEOUT_S = 60


@dataclass(frozen=True)
class Result:
    """What a process left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; anything else there is an error."""
        assert self.code == 0, self
        assert self.err == "", self
        return json.loads(self.out)


@dataclass(frozen=True)
class Running:
    """A forked command whose output is a pipe."""

    child: Child
    out: TextIO
    err: Path

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it wrote to stderr."""
        ((code, _),) = self.child.finish()
        return code, self.err.read_text()


class _OfOneFolder:
    """What commands are told of their data folder."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self._environ = environ

    def environ(self, **more: str) -> dict[str, str]:
        given = {"MEMORY_DATA_DIR": str(self.data_dir), "HOME": str(self.folder)}
        return {**given, **self._environ, **more}


class CommandLine(_OfOneFolder):
    """Commands on one data folder.

    `run` forks a process that has loaded the libraries already; `run_fresh` starts Python anew.
    """

    def __init__(self, zygote: Zygote, folder: Path, **environ: str) -> None:
        super().__init__(folder, **environ)
        self._zygote = zygote
        self._numbers = count()

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> Result:
        return self.run_interrupted(0, *arguments, stdin=stdin, **environ)[0]

    def run_interrupted(
        self, at: int | str, *arguments: str, stdin: str = "", batch: int = 0, **environ: str
    ) -> tuple[Result, int]:
        """Run a command that gets a Ctrl-C as it opens its file of that number in the data folder.

        Or at an audit event of that name. Returns also how many files it opened there. With
        `batch` it saves so many memories at once.
        """
        name = next(self._numbers)
        files = {kind: self.folder / f"{name}.{kind}" for kind in ("stdin", "out", "err")}
        files["stdin"].write_text(stdin)
        variables = self.environ(**environ)
        ((code, opened),) = self._zygote.run(
            "command", arguments=arguments, environ=variables, interrupt_at=at,
            batch=batch, **files,
        )  # fmt: skip
        out = files["out"].read_text(errors="surrogateescape")
        return Result(code, out, files["err"].read_text()), opened

    @contextmanager
    def start(self, *arguments: str) -> Iterator[Running]:
        """Fork a command that has nothing on stdin, and whose output is to be read."""
        name = next(self._numbers)
        files = {kind: self.folder / f"{name}.{kind}" for kind in ("out", "err")}
        os.mkfifo(files["out"])
        child = self._zygote.start(
            "command", arguments=arguments, environ=self.environ(), stdin=os.devnull, **files
        )
        # Each waits for the other side.
        with files["out"].open() as out:
            yield Running(child, out, files["err"])

    def start_fresh(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start Python anew; use it as a context manager."""
        return subprocess.Popen(
            [sys.executable, "-m", "memory_core", *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.environ(**environ)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run_fresh(self, *arguments: str, **environ: str) -> Result:
        with self.start_fresh(*arguments, **environ) as process:
            out, err = process.communicate(timeout=TIMEOUT_S)
        return Result(process.returncode, out.decode("utf-8", "surrogateescape"), err.decode())


class CommandsHere(_OfOneFolder):
    """Commands on one data folder, run in this process, for what is not shown of processes.

    It takes a third of the time. Each command opens the storage and closes it, as a process does.
    """

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> Result:
        """Run a command with no other variables of AWS, OpenAI or this library than given."""
        others = (name for name in os.environ if name.startswith(("AWS_", "MEMORY_", "OPENAI_")))
        runner = CliRunner(env={**dict.fromkeys(others), **self.environ(**environ)})
        # Also in a fixture of a module, which is no part of the test that asks for it.
        with kept_logger():
            shown = runner.invoke(cli, arguments, input=stdin, prog_name="python -m memory_core")
        if shown.exception and not isinstance(shown.exception, SystemExit):
            raise shown.exception
        return Result(shown.exit_code, shown.stdout, shown.stderr)
