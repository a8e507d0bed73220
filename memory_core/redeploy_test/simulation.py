"""A simulated deployment: the writer's process and disk are removed; a new process looks.

The processes get new environments. On S3 Vectors they use the real bucket and index, under reserved
users. On ChromaDB they use a folder of their own, never the real one: on the same mounted disk if
that is kept, else on a disk that the deployment wipes.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from ..activity import open_log, recording
from ..embedders import open_embedder
from ..errors import BackendUnavailable, InvalidMemory, MemoryCoreError, RedeployTestFailed
from ..model.counting import OnStep, StepDone, counted
from ..model.encoder import decode
from ..settings import Settings, child_environment
from ..storage.backend import select_backend
from ..storage.objects.local import make_private_folder
from .deployment import ignore, make_report, step
from .probes import DEFAULT_PROBES, MOST
from .receipt import from_file
from .records import keep
from .report import LEVELS, Control, Level, Observation, ProbeState, Report
from .worker import EXIT_NO_ANSWER

_SOURCES = Path(__file__).parent.parent.parent
_PROCESS_S = 180.0
_RESTART: Level = "restart"
_END: Mapping[Level, tuple[str, str]] = {
    "restart": ("End the process", "the disk stays"),
    "redeploy": ("Deploy", "process, home, working folder and ordinary disk are gone"),
    "crash": ("Deploy after the crash", "killed while it wrote; its disk is gone"),
    "server-move": ("Move to another server", "another host and instance, a new disk"),
}
_CONTROL = {
    "MEMORY_BACKEND": "chroma",
    "MEMORY_EMBEDDER": "local",
    "MEMORY_REQUIRE_PERSISTENT": "0",
}


@dataclass(frozen=True, slots=True)
class _Machine:
    """The environment of the processes of one phase; the next phase may lack its `disk`."""

    folder: Path
    disk: Path
    variables: Mapping[str, str]

    def run(self, task: str, receipt: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker with a home, a working folder and a temporary folder of its own."""
        for name in ("home", "work", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "memory_core.redeploy_test.worker", task, str(receipt)]
        return subprocess.Popen(
            [*command, *arguments],
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
    """Test whether memories would survive a deployment, with a control that must be lost.

    `restart`: a new process on the same disk. `redeploy`: a new process on a new disk, except for
    mounted ones. `crash`: the writer is killed halfway, then redeploy. `server-move`: another
    host name and instance, on a new disk. The report is kept for the timeline.

    Raises:
        InvalidMemory: there is no such level, or `count` is not 1 to 200.
        SettingsError, BackendError: the storage cannot be used as it is configured.
        RedeployTestFailed: a process of the test failed.
    """
    if level not in get_args(Level):
        raise InvalidMemory(f"level is {level!r}; use one of {', '.join(get_args(Level))}")
    steps: list[StepDone] = []

    def tell(done: StepDone) -> None:
        on_step(done)
        if done.ms is not None:
            steps.append(done)

    if not 1 <= count <= MOST:
        raise InvalidMemory(f"{counted(count, 'probe')} asked for; there can be 1 to {MOST}")
    settings = Settings.from_env(environ)
    backend = select_backend(settings, open_embedder(settings))
    sandbox = Path(tempfile.mkdtemp(prefix="holdfast-redeploy-")).resolve()
    kept = None
    if backend.name == "chroma" and backend.persistent:
        make_private_folder(settings.data_dir)
        kept = Path(tempfile.mkdtemp(prefix=".redeploy-", dir=settings.data_dir)).resolve()
    with closing(open_log(backend.objects, settings)) as log, recording(log, "test") as operation:
        operation.detail = f"{LEVELS[level]}, simulated, {counted(count, 'probe')}"
        try:
            stage = _Stage(sandbox, kept, child_environment(environ), settings, level)
            report = replace(_simulate(stage, count, tell), steps=tuple(steps))
        finally:
            for folder in filter(None, (sandbox, kept)):
                shutil.rmtree(folder, ignore_errors=True)
        return keep(backend.objects, report)


@dataclass(frozen=True, slots=True)
class _Stage:
    """The setting of a simulation; `kept` is a folder on a disk that a deployment keeps."""

    sandbox: Path
    kept: Path | None
    variables: Mapping[str, str]
    settings: Settings
    level: Level

    @property
    def disk(self) -> Path:
        """The stand-in for the data folder."""
        return (self.kept or self.sandbox / "disk") / "data"

    def machine(self, phase: str) -> _Machine:
        """Return the machine of a phase, with an instance of its own where one is needed."""
        variables = dict(self.variables)
        if self.level == "server-move":
            variables["MEMORY_HOST"] = f"server-{phase}"
        if self.level == "server-move" or (self.kept and self.level != _RESTART):
            variables["RENDER_INSTANCE_ID"] = f"instance-{phase}"
        return _Machine(self.sandbox / phase, self.disk, variables)

    def control(self) -> _Machine:
        """Return the machine of the control, without AWS and with a disk of its own."""
        plain = {k: v for k, v in self.variables.items() if not k.startswith("AWS_")}
        disk = self.sandbox / "control-disk"
        return _Machine(self.sandbox / "control", disk, {**plain, **_CONTROL})


def _simulate(stage: _Stage, count: int, tell: OnStep) -> Report:
    level, after, control = stage.level, stage.machine("after"), stage.control()
    receipts = stage.sandbox / "receipt.json", stage.sandbox / "control.json"
    try:
        with ThreadPoolExecutor(1) as threads:
            _write(stage, control, receipts, count, threads, tell)
            with step(tell, *_END[level]):
                if level != _RESTART and not stage.kept:
                    shutil.rmtree(stage.disk, ignore_errors=True)
                shutil.rmtree(stage.sandbox / "before")
                shutil.rmtree(control.disk)
            with step(
                tell, "Look for the probes", "a new process, with the receipt alone; then clean up"
            ):
                looking = threads.submit(_finish, control.run("look", receipts[1]))
                answer = _finish(after.run("look", receipts[0]))
                of_control = decode(Observation, looking.result()["seen"])
        receipt = from_file(receipts[0].read_bytes(), stage.settings)
        judged = _control(receipts[1], stage.settings, of_control)
        observation = decode(Observation, answer["seen"])
        report = make_report(receipt, observation, level=level, control=judged)
    except BaseException:
        # A failed test must not leave its probes in a real bucket.
        with suppress(MemoryCoreError, OSError):
            if receipts[0].exists():
                _finish(after.run("clean", receipts[0]))
        raise
    return replace(report, left_behind=answer["left"])


def _write(
    stage: _Stage,
    control: _Machine,
    receipts: tuple[Path, Path],
    count: int,
    threads: ThreadPoolExecutor,
    tell: OnStep,
) -> None:
    before = stage.machine("before")
    with step(tell, "Write the control", "the same probes on a throw-away local store"):
        written = threads.submit(_finish, control.run("write", receipts[1], str(count)))
        with step(
            tell, "Write the probes", f"{counted(count, 'memory')}, each read back in three ways"
        ):
            writer = before.run("write", receipts[0], str(count))
            if stage.level == "crash":
                _kill_halfway(writer, receipts[0], count)
            else:
                _finish(writer)
        written.result()


def _control(receipt: Path, settings: Settings, observation: Observation) -> Control:
    if observation.evidence is None:
        raise RedeployTestFailed(f"the control could not be read: {observation.error}")
    written = from_file(receipt.read_bytes(), settings).acknowledged
    kept = sum(
        item.state not in (ProbeState.LOST, ProbeState.NEVER) for item in observation.results
    )
    return Control(len(written), kept)


def _kill_halfway(writer: subprocess.Popen[bytes], receipt: Path, count: int) -> None:
    """Kill the writer once half of its probes are acknowledged."""
    until = time.monotonic() + _PROCESS_S
    while time.monotonic() < until and writer.poll() is None:
        if receipt.exists():
            acknowledged = json.loads(receipt.read_bytes())["acknowledged"]
            if len(acknowledged) >= max(1, count // 2):
                writer.send_signal(signal.SIGKILL)
                break
        time.sleep(0.005)
    _end(writer, 0, -signal.SIGKILL)


def _finish(worker: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Wait for a worker and return its answer."""
    answer: dict[str, Any] = json.loads(_end(worker, 0))
    return answer


def _end(worker: subprocess.Popen[bytes], *codes: int) -> bytes:
    """Wait for a worker, which must end with one of the codes; return its output."""
    with worker:
        try:
            output, errors = worker.communicate(timeout=_PROCESS_S)
        except subprocess.TimeoutExpired as exc:
            raise RedeployTestFailed(
                f"a process of the redeploy test did not end within {_PROCESS_S:.0f} s"
            ) from exc
        finally:
            worker.kill()
    if worker.returncode in codes:
        return output
    lines = errors.decode(errors="replace").strip().splitlines()
    reason = lines[-1] if lines else f"it ended with code {worker.returncode}"
    if worker.returncode == EXIT_NO_ANSWER:
        raise BackendUnavailable(
            f"the redeploy test could not be run: {reason}",
            backend="storage",
            operation="redeploy test",
        )
    raise RedeployTestFailed(f"a process of the redeploy test failed: {reason}")
