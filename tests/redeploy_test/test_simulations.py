"""Deployments of seconds, with processes that really end and disks that are really wiped."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from memory_core.errors import BackendError, InvalidMemory, RedeployTestFailed
from memory_core.model.encoder import decode, encode
from memory_core.model.records import Step
from memory_core.redeploy_test import Level, ProbeState, Report, Verdict, leftovers, simulate
from tests.support.forked_workers import fork_workers
from tests.support.installation import ANN, Installation, MakeInstallation
from tests.support.zygote import Zygote

pytestmark = pytest.mark.process

Simulate = Callable[..., Report]
Fork = Callable[..., None]
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


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch, zygote: Zygote, tmp_path: Path) -> Fork:
    """Lets simulations fork their workers, where a new interpreter is not what is proven."""
    return partial(fork_workers, monkeypatch, zygote, tmp_path)


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
    assert decode(Report, json.loads(data)) == report == decode(Report, encode(report))


@pytest.mark.parametrize("level", ON_S3)
def test_memories_on_s3_survive_and_the_control_does_not(
    install: MakeInstallation, run: Simulate, forked: Fork, level: Level
) -> None:
    # With new interpreters tests/browser/test_redeploy.py does the same on ChromaDB.
    forked()
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
    install: MakeInstallation, run: Simulate, forked: Fork, level: Level
) -> None:
    # As above.
    forked()
    installation = install("chroma")
    with installation.open() as service:
        service.add_text_memory(ANN, "likes tea")
    before = contents(installation.data_dir)
    report = run(installation, level)
    assert contents(installation.data_dir) == before
    wanted = Verdict.PASS if level == "restart" else Verdict.FAIL
    assert report.verdict is wanted, report.reason
    assert report.survived == (report.written if level == "restart" else 0)
    states = {one.state for one in report.probes} - {ProbeState.NEVER}
    assert states == {ProbeState.OK if level == "restart" else ProbeState.LOST}
    check(installation, report, level, 2)


def test_memories_in_chromadb_survive_on_a_disk_that_is_kept(
    install: MakeInstallation, run: Simulate, forked: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked()
    # The disk of this machine takes the place of a mounted one.
    monkeypatch.setattr(
        "memory_core.storage.backend.disk_step", lambda settings: Step("disk", True, "kept")
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


def test_a_worker_that_is_killed_leaves_nothing_behind(
    install: MakeInstallation,
    run: Simulate,
    forked: Fork,
) -> None:
    installation = install("s3")
    started: list[str] = []

    def is_killed(task: str) -> bool:
        # The second that looks has the probes; the first has the control.
        started.append(task)
        return started == ["write", "write", "look", "look"]

    forked(is_killed)
    with pytest.raises(RedeployTestFailed, match="it ended with code -9"):
        run(installation, "redeploy")
    assert started == ["write", "write", "look", "look", "clean"]
    with installation.open() as service:
        assert leftovers(service) == []
        assert service.storage() == {"s3_vectors": 0, "ledger": 0}
        assert list(service.parts.store.keys()) == []
        assert list(service.parts.backend.objects.list("redeploy/")) == []


def test_a_backend_that_is_down_is_no_verdict(
    install: MakeInstallation, run: Simulate, forked: Fork
) -> None:
    forked()
    installation = install("s3")
    assert installation.standin
    installation.standin.set_switches(deny_actions=("s3:PutObject",))
    with pytest.raises(BackendError, match="the redeploy test could not be run"):
        run(installation, "restart")
