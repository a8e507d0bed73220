"""The parametrized fixtures of the contract: one store, and one service, of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from memory_core.storage.vectors import VectorStore
from tests.support.contract import Bench
from tests.support.places import DIMENSIONS, KINDS, SERVICES, Place


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, open_place: Callable[[str], Place]) -> Place:
    return open_place(request.param)


@pytest.fixture
def store(place: Place) -> Iterator[VectorStore]:
    """An empty index of 8 dimensions."""
    opened = place.store(DIMENSIONS)
    yield opened
    opened.close()


@pytest.fixture(params=SERVICES)
def bench(request: pytest.FixtureRequest, open_place: Callable[[str], Place]) -> Iterator[Bench]:
    """A service over each store, and the asynchronous one over the embedded default."""
    opened = Bench(open_place(request.param))
    yield opened
    opened.service.close()
