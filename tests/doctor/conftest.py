"""Systems: one stand-in and one filled folder for a module, and copies that may be damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from memory_core import Settings, open_service
from standin import StandIn
from tests.support.doctor_system import MakeSystem, System, fill, on_chroma, on_s3
from tests.support.standin_state import put_state, take_state


@pytest.fixture(scope="package")
def standin() -> Iterator[StandIn]:
    with StandIn() as started:
        yield started


@pytest.fixture(scope="package")
def healthy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ChromaDB and its ledger with three memories of two users, closed."""
    folder = tmp_path_factory.mktemp("healthy") / "data"
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(folder)})) as service:
        (folder.parent / "ids").write_text("\n".join(fill(service)))
    return folder


@pytest.fixture(scope="package")
def healthy_bucket(
    standin: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> tuple[System, bytes]:
    """A system on S3 with three memories of two users, and what the stand-in holds then."""
    folder = tmp_path_factory.mktemp("healthy")
    with pytest.MonkeyPatch.context() as monkeypatch, ExitStack() as stack:
        system = System("s3", folder, monkeypatch, stack, standin)
        system.set(MEMORY_DATA_DIR=str(system.data_dir), HOME=str(folder))
        on_s3(system)
        with system.open() as service:
            system.ids = fill(service)
    return system, take_state(standin)


@pytest.fixture
def make_system(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeSystem]:
    """Makes a healthy system, of the kind "s3" or "chroma", with memories or empty.

    The filled bucket is one for all, as it was at first.
    """
    # What does not answer is not waited for.
    monkeypatch.setattr("memory_core.doctor.context._BUDGET_S", 0.05)

    # A busy machine is no damage.
    monkeypatch.setattr("memory_core.doctor.checks.round_trip._SLOW_MS", 600_000)

    with ExitStack() as stack:

        def make(kind: str, *, filled: bool = True) -> System:
            standin = request.getfixturevalue("standin") if kind == "s3" else None
            system = System(kind, tmp_path, monkeypatch, stack, standin)
            system.set(MEMORY_DATA_DIR=str(system.data_dir), HOME=str(tmp_path))
            if standin:
                stack.callback(standin.reset)
                healthy = None
                if filled:
                    healthy, state = request.getfixturevalue("healthy_bucket")
                    put_state(standin, state)
                on_s3(system, healthy)
            else:
                on_chroma(system, request.getfixturevalue("healthy_folder") if filled else None)
            return system

        yield make
