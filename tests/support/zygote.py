"""Real processes at the price of a fork.

Loading chromadb, mem0 and the embedder takes seconds. One helper process loads them, uses none of
them, and forks a child for every job. A child calls a function of `tests.support.jobs` and writes
what it reports, line by line, to a file of its own; each line is there before the job goes on.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

from tests.support.paths import ROOT

_TIMEOUT_S = 90.0

Report = Callable[[Any], None]
"""Called by a job with a JSON value once something has been acknowledged."""


class Child:
    """A process that does one job."""

    def __init__(self, zygote: Zygote, pid: int, reports: Path) -> None:
        self.pid = pid
        self._zygote = zygote
        self._reports = reports

    def reported(self) -> list[Any]:
        """Return what was reported up to now; a line cut off by a kill is no report."""
        if not self._reports.exists():
            return []
        lines = self._reports.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def wait_for(self, number: int) -> None:
        """Wait until that many reports are there; an error of the child ends the wait."""
        until = time.monotonic() + _TIMEOUT_S
        while len(reports := self.reported()) < number:
            assert time.monotonic() < until, reports
            assert not any("Traceback" in str(one) for one in reports), reports[-1]
            time.sleep(0.005)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Return the exit code, negative for a signal."""
        return self._zygote.wait(self.pid)

    def finish(self) -> list[Any]:
        """Wait for the end, which has to be a good one, and return the reports."""
        code = self.wait()
        assert code == 0, f"exit code {code}: {self.reported()[-1:]}"
        return self.reported()


class Zygote:
    """The helper process, from the side of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self._asking = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, job: str, **arguments: Any) -> Child:
        """Begin a job in a process of its own."""
        reports = self._folder / f"{next(self._numbers)}.jsonl"
        plain = {name: str(v) if isinstance(v, Path) else v for name, v in arguments.items()}
        pid = self._ask({"start": job, "arguments": plain, "reports": str(reports)})
        return Child(self, pid, reports)

    def run(self, job: str, **arguments: Any) -> list[Any]:
        """Do a job to its end and return what it reported."""
        return self.start(job, **arguments).finish()

    def wait(self, pid: int) -> int:
        return self._ask({"wait": pid})

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_TIMEOUT_S)
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


def main() -> None:
    """Answer requests until the test closes the pipe."""
    from tests.support import jobs

    jobs.preload()
    # A child that looks through what was loaded for garbage would copy all of it: 0.3 s.
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        answer = _wait(request["wait"]) if "wait" in request else _fork(jobs, request)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _fork(jobs: ModuleType, request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(2, 1)
        reports = os.open(request["reports"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def report(value: Any) -> None:
            os.write(reports, json.dumps(value).encode() + b"\n")

        try:
            getattr(jobs, request["start"])(report, **request["arguments"])
            code = 0
        except BaseException:
            report(traceback.format_exc())
    finally:
        os._exit(code)


def _wait(pid: int) -> int:
    until = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    print(f"a job was not done after {_TIMEOUT_S} s and is killed", file=sys.stderr)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
