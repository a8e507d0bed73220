"""One stand-in for the whole run; every test has buckets of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from standin import StandIn
from tests.support.standin_requests import ONCE, Desk

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def running() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture(scope="session")
def unchecked_client(running: StandIn) -> Any:
    """A client that sends whatever it is given, once."""
    return running.client("s3vectors", parameter_validation=False, **ONCE)


@pytest.fixture(scope="session")
def s3_client(running: StandIn) -> Any:
    return running.client("s3", **ONCE)


@pytest.fixture
def standin(running: StandIn) -> Iterator[StandIn]:
    running.reset()
    yield running
    running.reset()


@pytest.fixture
def name() -> str:
    return f"bucket-{next(_numbers)}"


@pytest.fixture
def desk(standin: StandIn, unchecked_client: Any, name: str) -> Desk:
    """A vector bucket with a cosine index of three dimensions."""
    return Desk.opened(unchecked_client, name)


@pytest.fixture
def s3_bucket(standin: StandIn, s3_client: Any, name: str) -> str:
    s3_client.create_bucket(Bucket=name)
    return name
