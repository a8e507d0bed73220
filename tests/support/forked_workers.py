"""The processes of a simulated deployment, forked from one that has loaded the libraries.

They do what `python -m memory_core.redeploy_test.worker` does, in the folder and with the variables
that the simulation gives them, and end as real processes do; only the loading is spared.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from tests.support.waiting import wait_for
from tests.support.zygote import Child, Zygote

_numbers = count(1)


class Worker:
    """A forked process with as much of `subprocess.Popen` as a simulation uses."""

    def __init__(self, child: Child, out: Path, err: Path, *, killed: bool) -> None:
        self.returncode: int | None = None
        self._child, self._out, self._err = child, out, err
        self._killed = killed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        wait_for("a worker to end", self._has_ended)

    def poll(self) -> int | None:
        if self.returncode is None and (self._killed or self._child.reported()):
            code = self._child.wait()
            self.returncode = code or self._child.reported()[-1]
        return self.returncode

    def send_signal(self, number: int) -> None:
        assert number == 9
        self.kill()

    def kill(self) -> None:
        if not self._has_ended():
            self._killed = True
            self._child.kill()

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        wait_for("a worker to end", self._has_ended, timeout)
        return tuple(  # type: ignore[return-value]
            path.read_bytes() if path.exists() else b"" for path in (self._out, self._err)
        )

    def _has_ended(self) -> bool:
        return self.poll() is not None


def fork_workers(
    monkeypatch: pytest.MonkeyPatch,
    zygote: Zygote,
    folder: Path,
    is_killed: Callable[[str], bool] = lambda task: False,
) -> None:
    """Let simulations fork their workers; `is_killed` says of each task whether it is killed."""

    def start(command: list[str], *, cwd: Path, env: Mapping[str, str], **streams: int) -> Worker:
        _, dash, module, task, *more = command
        assert (dash, module) == ("-m", "memory_core.redeploy_test.worker")
        assert streams == {
            "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE
        }  # fmt: skip
        number = next(_numbers)
        out, err = folder / f"worker-{number}.out", folder / f"worker-{number}.err"
        killed = is_killed(task)
        child = zygote.start(
            "program", module=module, arguments=[task, *more], cwd=cwd, environ=dict(env),
            out=out, err=err, killed=killed,
        )  # fmt: skip
        return Worker(child, out, err, killed=killed)

    given: Any = SimpleNamespace(**{**vars(subprocess), "Popen": start})
    monkeypatch.setattr("memory_core.redeploy_test.simulation.subprocess", given)
