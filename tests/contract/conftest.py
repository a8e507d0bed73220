"""The parametrized fixtures of the contract: one store, and one service, of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from memory_core import MemoryService
from memory_core.embedders import Embedder
from memory_core.stores import VectorStore
from tests.aws_standin import StandIn

from .bucket import on_aws, on_standin
from .places import KINDS, LIVE, S3_SWITCHES, SERVICES, Folder, Place

DIMENSIONS = 8


@pytest.fixture(scope="session")
def standin() -> Iterator[tuple[StandIn, Any]]:
    """One stand-in for all tests, and a client of its S3: each test has a bucket of its own."""
    with StandIn() as started:
        yield started, started.client("s3")


@pytest.fixture
def open_place(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    given_environ: Mapping[str, str],
    data_dir: Path,
    embedder: Embedder,
) -> Iterator[Callable[[str], Place]]:
    """Opens an empty place of a kind, with its credentials in the environment."""
    with ExitStack() as stack:

        def open_one(kind: str) -> Place:
            if kind not in S3_SWITCHES and kind != LIVE:
                return Folder(kind, data_dir, embedder)
            if kind == LIVE:
                environ, place = given_environ, on_aws(kind, given_environ, embedder)
            else:
                standin, s3 = request.getfixturevalue("standin")
                environ = standin.environ()
                place = on_standin(kind, standin, s3, S3_SWITCHES[kind], embedder)
            for name, value in environ.items():
                if name.startswith("AWS_"):
                    monkeypatch.setenv(name, value)
            return stack.enter_context(place)

        yield open_one


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, open_place: Callable[[str], Place]) -> Place:
    return open_place(request.param)


@pytest.fixture
def store(place: Place) -> Iterator[VectorStore]:
    """An empty index of 8 dimensions."""
    opened = place.store(DIMENSIONS)
    yield opened
    opened.close()


class Bench:
    """A service on a place, which can be opened again."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.service = place.service()

    def reopen(self) -> MemoryService:
        self.service.close()
        self.service = self.place.service()
        return self.service


@pytest.fixture(params=SERVICES)
def bench(request: pytest.FixtureRequest, open_place: Callable[[str], Place]) -> Iterator[Bench]:
    """A service over each store, and the asynchronous one over the embedded default."""
    opened = Bench(open_place(request.param))
    yield opened
    opened.service.close()
