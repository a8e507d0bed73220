"""Installations on S3, one stand-in for a module and a bucket each, and on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from memory_core.storage.aws import Retries
from standin import StandIn
from tests.support.installation import Installation, MakeInstallation


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    with StandIn() as started:
        yield started


@pytest.fixture
def install(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeInstallation]:
    """Makes an empty installation, on "s3" or on "chroma"."""
    # A backend that does not answer is not waited for.
    monkeypatch.setattr("memory_core.storage.aws.client.Retries", lambda: Retries(budget_s=0.05))
    for module in ("deployment", "evidence"):
        monkeypatch.setattr(f"memory_core.redeploy_test.{module}._PAUSE_S", 0.01)
    numbers, standins = count(1), []

    def make(kind: str) -> Installation:
        folder = tmp_path / f"installation {next(numbers)}"
        if kind == "chroma":
            return Installation(folder)
        standin: StandIn = request.getfixturevalue("standin")
        standins.append(standin)
        for name, value in standin.environ().items():
            monkeypatch.setenv(name, value)
        return Installation(folder, standin)

    yield make
    for standin in standins:
        standin.reset()
