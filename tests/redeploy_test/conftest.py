"""Installations on S3, one stand-in for a module and a bucket each, and on a disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from memory_core.storage.aws import Retries
from standin import StandIn
from tests.support.installation import First, GoOn, Installation, Kept, MakeInstallation


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    with StandIn() as started:
        yield started


@pytest.fixture
def install(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeInstallation]:
    """Makes an empty installation, on "s3" or on "chroma", or one with the variables of another."""
    # A backend that does not answer is not waited for.
    monkeypatch.setattr("memory_core.storage.aws.client.Retries", lambda: Retries(budget_s=0.05))
    for module in ("deployment", "evidence"):
        monkeypatch.setattr(f"memory_core.redeploy_test.{module}._PAUSE_S", 0.01)
    numbers, standins = count(1), []

    def make(
        kind: str, environ: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> Installation:
        folder = folder or tmp_path / f"installation {next(numbers)}"
        if kind == "chroma":
            return Installation(folder, environ={**(environ or {})})
        standin: StandIn = request.getfixturevalue("standin")
        standins.append(standin)
        for name, value in standin.environ().items():
            monkeypatch.setenv(name, value)
        return Installation(folder, standin, {**(environ or {})})

    yield make
    for standin in standins:
        standin.reset()


@pytest.fixture(scope="module")
def kept() -> dict[tuple[str, First], tuple[Kept, Any]]:
    """What the tests of a module do first on a kind of storage, done."""
    return {}


@pytest.fixture
def go_on(
    install: MakeInstallation,
    kept: dict[tuple[str, First], tuple[Kept, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> GoOn:
    """Makes an installation with something done in it, and returns what came of that.

    It takes half of a test, and is done once; each test goes on from a copy, on S3 on a new disk.
    """

    def make(kind: str, first: First) -> tuple[Installation, Any]:
        if (kind, first) in kept:
            then, outcome = kept[kind, first]
            folder = then.data_dir if kind == "chroma" else None
            installation = install(kind, then.environ, folder)
            then.put_back(installation)
        else:
            folder = tmp_path_factory.mktemp("kept") / "data" if kind == "chroma" else None
            installation = install(kind, folder=folder)
            outcome = first(installation)
            kept[kind, first] = Kept.of(installation), outcome
        return installation, outcome

    return make
