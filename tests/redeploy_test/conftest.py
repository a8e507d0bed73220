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

    def make(kind: str, environ: Mapping[str, str] | None = None) -> Installation:
        folder = tmp_path / f"installation {next(numbers)}"
        if kind == "chroma":
            return Installation(folder)
        standin: StandIn = request.getfixturevalue("standin")
        standins.append(standin)
        for name, value in standin.environ().items():
            monkeypatch.setenv(name, value)
        return Installation(folder, standin, {**(environ or {})})

    yield make
    for standin in standins:
        standin.reset()


@pytest.fixture(scope="module")
def kept() -> dict[First, tuple[Kept, Any]]:
    """What the tests of a module do first on S3, done."""
    return {}


@pytest.fixture
def go_on(request: pytest.FixtureRequest, install: MakeInstallation) -> GoOn:
    """Makes an installation with something done in it, and returns what came of that.

    On S3, where it takes half of a test, it is done once; each test goes on from a copy.
    """

    def make(kind: str, first: First) -> tuple[Installation, Any]:
        kept: dict[First, tuple[Kept, Any]] = request.getfixturevalue("kept")
        if kind == "s3" and first in kept:
            then, outcome = kept[first]
            installation = install(kind, then.environ)
            then.put_back(installation)
        else:
            installation = install(kind)
            outcome = first(installation)
            if kind == "s3":
                kept[first] = Kept.of(installation), outcome
        return installation, outcome

    return make
