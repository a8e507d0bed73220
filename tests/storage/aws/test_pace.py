"""Waiting: for one's turn at an index, and between the attempts of one call."""

from __future__ import annotations

import threading

import pytest

from memory_core.storage.aws import Pace, Retries, pace_of
from memory_core.storage.aws.retry import REQUESTS_PER_S, VECTORS_PER_S, Attempts
from tests.support.s3_bench import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock=clock, sleep=clock.sleep)


def test_a_burst_of_one_second_passes_at_once(pace: Pace, clock: Clock) -> None:
    for _ in range(5):
        pace.take(500)
    assert clock.slept == []


def test_vectors_beyond_the_burst_wait_their_turn(pace: Pace, clock: Clock) -> None:
    for _ in range(50):
        pace.take(500)
    assert clock.now == pytest.approx((50 * 500 - VECTORS_PER_S) / VECTORS_PER_S)


def test_requests_are_limited_however_small(pace: Pace, clock: Clock) -> None:
    for _ in range(3000):
        pace.take(1)
    assert clock.now == pytest.approx((3000 - REQUESTS_PER_S) / REQUESTS_PER_S)


def test_idle_time_saves_up_no_more_than_one_burst(pace: Pace, clock: Clock) -> None:
    clock.now = 3600.0
    for _ in range(6):
        pace.take(500)
    assert clock.now - 3600.0 == pytest.approx(500 / VECTORS_PER_S)


def test_threads_share_the_limit(clock: Clock) -> None:
    waits: list[float] = []
    pace = Pace(clock=clock, sleep=waits.append)
    threads = [threading.Thread(target=pace.take, args=(500,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Time stands still, so each of the last fifteen waits for all before it.
    assert sorted(waits) == pytest.approx([number * 0.2 for number in range(1, 16)])


def test_an_index_has_one_pace_in_a_process_and_another_index_has_its_own() -> None:
    first = pace_of("", "us-east-1", "bucket", "index")
    assert pace_of("", "us-east-1", "bucket", "index") is first
    assert pace_of("", "us-east-1", "bucket", "other") is not first


def test_the_count_of_attempts_begins_anew_with_each_call() -> None:
    clock = Clock()
    retries = Retries(budget_s=1.0, sleep=clock.sleep, clock=clock, random=lambda: 1.0)
    for _ in range(3):
        attempts = Attempts(retries)
        assert attempts.wait()
        assert not attempts.wait()
    assert clock.slept == [0.5, 0.5, 0.5]
