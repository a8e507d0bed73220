from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from standin import StandIn
from tests.support.standin_requests import Desk, vector

THREADS = 8


def together(call: Callable[[int], Any]) -> list[str]:
    """Call from several threads at once; return "ok" or the error code of each."""

    def attempt(number: int) -> str:
        try:
            call(number)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "ok"

    with ThreadPoolExecutor(THREADS) as pool:
        return sorted(pool.map(attempt, range(THREADS)))


def test_racing_creates_have_one_winner(desk: Desk) -> None:
    desk.delete_index()
    losers = ["ConflictException"] * (THREADS - 1)
    assert together(lambda _: desk.create()) == [*losers, "ok"]
    assert desk.listed() == []


@pytest.fixture
def restless() -> Iterator[None]:
    """Let threads interrupt each other all the time, between a check and its put as well."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless")
def test_racing_put_if_absent_has_one_winner(s3_bucket: str, s3_client: Any) -> None:
    for key in "abcdefghijkl":

        def put(number: int, key: str = key) -> None:
            s3_client.put_object(Bucket=s3_bucket, Key=key, Body=b"x", IfNoneMatch="*")

        assert together(put) == ["PreconditionFailed"] * (THREADS - 1) + ["ok"]


def test_no_write_is_lost_between_threads(desk: Desk) -> None:
    def write(number: int) -> None:
        for i in range(10):
            desk.put_vectors(vectors=[vector(f"{number}-{i}")])
            desk.keys()

    assert together(write) == ["ok"] * THREADS
    assert len(desk.listed()) == len(desk.keys()) == THREADS * 10


def test_faults_and_counts_survive_many_threads(standin: StandIn, desk: Desk) -> None:
    standin.add_fault("throttle", operation="ListVectors", nth="every", times=3)
    standin.reset_requests()
    outcomes = together(lambda _: desk.list_vectors())
    assert outcomes.count("TooManyRequestsException") == 3
    assert standin.request_counts() == {"s3vectors:ListVectors": THREADS}
