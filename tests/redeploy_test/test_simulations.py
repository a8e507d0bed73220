"""Deployments of seconds, with processes that really end and disks that are really wiped."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from memory_core.errors import BackendError, InvalidMemory, RedeployTestFailed
from memory_core.records import Step
from memory_core.redeploy import Level, Report, State, StepDone, Verdict, leftovers, simulate
from memory_core.redeploy.values import report_from, to_json
from tests.support.installation import ANN, Installation, MakeInstallation

Simulate = Callable[..., Report]
# Of seconds each: a restart is the easiest on S3, and a disk that is gone is gone in any of them.
ON_S3: tuple[Level, ...] = ("redeploy", "crash", "server-move")
ON_CHROMA: tuple[Level, ...] = ("restart", "redeploy")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulate:
    """Simulates in a temporary folder that has to be empty again afterwards."""
    sandboxes = tmp_path / "sandboxes"
    sandboxes.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(sandboxes))

    def simulated(installation: Installation, level: Level, probes: int = 2) -> Report:
        environ = {**os.environ, **installation.environ}
        try:
            return simulate(level, probes, environ=environ)
        finally:
            assert list(sandboxes.glob("holdfast-redeploy-*")) == []

    return simulated


def contents(folder: Path) -> Mapping[str, bytes]:
    """Return every file of a data folder but what is kept of redeploy tests, and noted of them."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in ("redeploy", "activity")
    }


def check(installation: Installation, report: Report, level: Level, probes: int) -> None:
    """Check what every report of a simulation has to say, and that it is kept."""
    assert report.level == level
    assert report.control
    assert (report.control.written, report.control.survived) == (probes, 0)
    assert report.left_behind == 0
    assert all(step.ms is not None and not step.failed for step in report.steps)
    assert report.steps
    with installation.open() as service:
        kept = list(service.parts.backend.objects.list("redeploy/"))
        data = service.parts.backend.objects.get(kept[0]) or b""
    assert kept == [f"redeploy/v1/{report.run}.report.json"]
    assert report_from(json.loads(data)) == report == report_from(to_json(report))


@pytest.mark.parametrize("level", ON_S3)
def test_memories_on_s3_survive_and_the_control_does_not(
    install: MakeInstallation, run: Simulate, level: Level
) -> None:
    installation = install("s3")
    # As docs/operations.md has it for a pipeline; the control is on a disk that is wiped.
    installation.environ["MEMORY_REQUIRE_PERSISTENT"] = "1"
    report = run(installation, level, 4)
    assert report.verdict is Verdict.PASS, report.reason
    assert report.survived == report.written
    assert report.written == 4 or level == "crash"
    assert report.written >= 2
    check(installation, report, level, 4)


@pytest.mark.parametrize("level", ON_CHROMA)
def test_memories_in_chromadb_survive_a_restart_alone(
    install: MakeInstallation, run: Simulate, level: Level
) -> None:
    installation = install("chroma")
    with installation.open() as service:
        service.add_text_memory(ANN, "likes tea")
    before = contents(installation.data_dir)
    report = run(installation, level)
    assert contents(installation.data_dir) == before
    wanted = Verdict.PASS if level == "restart" else Verdict.FAIL
    assert report.verdict is wanted, report.reason
    assert report.survived == (report.written if level == "restart" else 0)
    states = {one.state for one in report.probes} - {State.NEVER}
    assert states == {State.OK if level == "restart" else State.LOST}
    check(installation, report, level, 2)


def test_memories_in_chromadb_survive_on_a_disk_that_is_kept(
    install: MakeInstallation, run: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The disk of this machine takes the place of a mounted one.
    monkeypatch.setattr(
        "memory_core.backend.disk_step", lambda settings: Step("disk", True, "kept")
    )
    installation = install("chroma")
    with installation.open() as service:
        service.add_text_memory(ANN, "likes tea")
    before = contents(installation.data_dir)
    report = run(installation, "redeploy")
    assert (report.verdict, report.survived) == (Verdict.PASS, 2), report.reason
    assert contents(installation.data_dir) == before
    assert list(installation.data_dir.glob(".redeploy-*")) == []


def test_an_empty_data_folder_stays_empty(install: MakeInstallation, run: Simulate) -> None:
    installation = install("chroma")
    with pytest.raises(InvalidMemory, match="there can be 1 to 200"):
        run(installation, "restart", 0)
    with pytest.raises(InvalidMemory, match="level is 'earthquake'"):
        run(installation, "earthquake")
    assert not installation.data_dir.exists()


def workers(task: str) -> list[int]:
    """Return the processes of a simulation of this process that do a task."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        wanted = {b"memory_core.redeploy.worker", task.encode()}
        if parent == os.getpid() and wanted.issubset(command):
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_a_worker_that_is_killed_leaves_nothing_behind(
    install: MakeInstallation, run: Simulate, tmp_path: Path
) -> None:
    installation = install("s3")

    def kill(done: StepDone) -> None:
        if done.name.startswith("Look") and done.ms is None:
            threading.Thread(target=kill_soon).start()

    def kill_soon() -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and not workers("look"):
            time.sleep(0.01)
        for pid in workers("look"):
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(RedeployTestFailed, match="it ended with code -9"):
        simulate("redeploy", 2, environ={**os.environ, **installation.environ}, on_step=kill)
    assert list((tmp_path / "sandboxes").glob("holdfast-redeploy-*")) == []
    with installation.open() as service:
        assert leftovers(service) == []
        assert service.storage() == {"s3_vectors": 0, "ledger": 0}
        assert list(service.parts.store.keys()) == []
        assert list(service.parts.backend.objects.list("redeploy/")) == []


def test_a_backend_that_is_down_is_no_verdict(install: MakeInstallation, run: Simulate) -> None:
    installation = install("s3")
    assert installation.standin
    installation.standin.set_switches(deny_actions=("s3:PutObject",))
    with pytest.raises(BackendError, match="the redeploy test could not be made"):
        run(installation, "restart")
