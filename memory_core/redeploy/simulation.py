"""A deployment in seconds: the writer's process and disk end, and a new one looks.

The processes get environments made from scratch. On S3 Vectors they use the real bucket and index,
under reserved users. On ChromaDB they use a folder of their own, never the real one: on the same
mounted disk where that counts as kept, else on a disk that the deployment wipes.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from ..backend import select_backend
from ..embedders import open_embedder
from ..errors import BackendError, InvalidMemory, RedeployTestFailed
from ..service import open_service
from ..settings import Settings, child_environment
from .receipts import from_file
from .testing import DEFAULT_PROBES, ignore, keep, make_report, step
from .values import Control, Level, OnStep, Report, State, StepDone, observation_from

_SOURCES = Path(__file__).parent.parent.parent
_PROCESS_S = 180.0
_CONTROL = {"MEMORY_BACKEND": "chroma", "MEMORY_EMBEDDER": "local"}


@dataclass(frozen=True, slots=True)
class _Machine:
    """Where the processes of one phase live; `disk` is what the next phase finds, or not."""

    folder: Path
    disk: Path
    variables: Mapping[str, str]

    def run(self, task: str, receipt: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker with a home, a working folder and a temporary folder of its own."""
        for name in ("home", "work", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "memory_core.redeploy.worker", task, str(receipt), *arguments],
            cwd=self.folder / "work",
            env={
                **self.variables,
                "HOME": str(self.folder / "home"),
                "TMPDIR": str(self.folder / "tmp"),
                "MEMORY_DATA_DIR": str(self.disk),
                "PYTHONPATH": str(_SOURCES),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def simulate(
    level: Level = "redeploy",
    count: int = DEFAULT_PROBES,
    *,
    environ: Mapping[str, str] | None = None,
    on_step: OnStep = ignore,
) -> Report:
    """Test what a deployment would leave of memories, with a control that must be lost.

    `restart`: a new process on the same disk. `redeploy`: a new process on a new disk, but for
    mounted ones. `crash`: the writer is killed in the middle, then redeploy. `server-move`: another
    host name and instance, on a new disk. The report is kept for the timeline.

    Raises:
        InvalidMemory: there is no such level, or `count` is not 1 to 200.
        SettingsError, BackendError: the storage cannot be used as it is configured.
        RedeployTestFailed: a process of the test ended as it should not.
    """
    if level not in get_args(Level):
        raise InvalidMemory(f"level is {level!r}; use one of {', '.join(get_args(Level))}")
    steps: list[StepDone] = []

    def tell(done: StepDone) -> None:
        on_step(done)
        if done.ms is not None:
            steps.append(done)

    base = child_environment(environ)
    settings = Settings.from_env(base)
    sandbox = Path(tempfile.mkdtemp(prefix="holdfast-redeploy-"))
    disk = _disk(settings, sandbox)
    try:
        report = _simulate(level, count, base, settings, sandbox, disk, tell)
    finally:
        shutil.rmtree(sandbox, ignore_errors=True)
        shutil.rmtree(disk, ignore_errors=True)
    report = replace(report, steps=tuple(steps))
    with open_service(settings) as service:
        return keep(service, report)


def _simulate(
    level: Level,
    count: int,
    base: Mapping[str, str],
    settings: Settings,
    sandbox: Path,
    disk: Path,
    tell: OnStep,
) -> Report:
    without_aws = {name: value for name, value in base.items() if not name.startswith("AWS_")}
    before = _Machine(sandbox / "before", disk, _on(base, "before", level))
    after = _Machine(sandbox / "after", disk, _on(base, "after", level))
    control_disk = sandbox / "control"
    control = _Machine(sandbox / "control-machine", control_disk, {**without_aws, **_CONTROL})
    receipts = sandbox / "receipt.json", sandbox / "control.json"
    with ThreadPoolExecutor(1) as threads:
        with step(tell, "Write the control", "the same probes on a throw-away local store"):
            written = threads.submit(_finish, control.run("write", receipts[1], str(count)))
            with step(tell, "Write the probes", f"{count} memories, each read back in three ways"):
                if level == "crash":
                    _kill_halfway(before.run("write", receipts[0], str(count)), receipts[0], count)
                else:
                    _finish(before.run("write", receipts[0], str(count)))
            written.result()
        with step(tell, *_end_of(level)):
            if level != "restart" and not _kept(settings):
                shutil.rmtree(disk, ignore_errors=True)
            shutil.rmtree(before.folder)
            shutil.rmtree(control_disk)
        with step(tell, "Look for the probes", "a new process, which knows the receipt alone"):
            looking = threads.submit(_finish, control.run("look", receipts[1]))
            seen = observation_from(_finish(after.run("look", receipts[0])))
            control_seen = observation_from(looking.result())
    receipt = from_file(receipts[0].read_bytes(), settings)
    report = make_report(
        receipt, seen, level=level, control=_control(receipts[1], settings, control_seen)
    )
    with step(tell, "Clean up", "forget the probes and count again"):
        left = int(_finish(after.run("clean", receipts[0]))["left"])
    return replace(report, left_behind=left)


def _control(receipt: Path, settings: Settings, seen: Any) -> Control:
    written = from_file(receipt.read_bytes(), settings).acknowledged
    there = sum(one.state not in (State.LOST, State.NEVER) for one in seen.results)
    return Control(len(written), there)


def _on(base: Mapping[str, str], phase: str, level: Level) -> dict[str, str]:
    """Return the variables of a machine; after a move they name another host and instance."""
    if level != "server-move":
        return dict(base)
    return {**base, "MEMORY_HOST": f"server-{phase}", "RENDER_INSTANCE_ID": f"instance-{phase}"}


def _end_of(level: Level) -> tuple[str, str]:
    return {
        "restart": ("End the process", "the disk stays"),
        "redeploy": ("Deploy", "process, home, working folder and ordinary disk are gone"),
        "crash": ("Deploy after the crash", "killed while it wrote; its disk is gone"),
        "server-move": ("Move to another server", "another host and instance, a new disk"),
    }[level]


def _kept(settings: Settings) -> bool:
    """Say whether local data is on a disk that a deployment keeps."""
    backend = select_backend(settings, open_embedder(settings))
    return backend.name == "chroma" and backend.persistent


def _disk(settings: Settings, sandbox: Path) -> Path:
    if _kept(settings):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".redeploy-", dir=settings.data_dir)) / "data"
    return sandbox / "disk" / "data"


def _kill_halfway(writer: subprocess.Popen[bytes], receipt: Path, count: int) -> None:
    """Kill the writer once half of its probes are acknowledged."""
    until = time.monotonic() + _PROCESS_S
    with writer:
        while time.monotonic() < until and writer.poll() is None:
            if receipt.exists() and _acknowledged(receipt) >= max(1, count // 2):
                writer.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        _, told = writer.communicate(timeout=_PROCESS_S)
    if writer.returncode not in (0, -signal.SIGKILL):
        raise _failed(told)


def _acknowledged(receipt: Path) -> int:
    return len(json.loads(receipt.read_bytes())["acknowledged"])


def _finish(worker: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Wait for a worker and return what it says."""
    with worker:
        try:
            out, told = worker.communicate(timeout=_PROCESS_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            raise
    if worker.returncode:
        raise _failed(told)
    said: dict[str, Any] = json.loads(out)
    return said


def _failed(told: bytes) -> RedeployTestFailed | BackendError:
    lines = told.decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "it said nothing"
    return RedeployTestFailed(f"a process of the redeploy test failed: {last}")
