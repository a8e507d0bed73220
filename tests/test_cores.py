"""The threads of a test share a core, and each core has its share of the work."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from tests.support.cores import ALL, cores_of, put_on

pytestmark = pytest.mark.skipif(not ALL, reason="a process cannot choose its cores here")


@pytest.fixture
def threads() -> Iterator[list[int]]:
    """The numbers of this thread and of two that wait."""
    done = threading.Event()
    waiting = [threading.Thread(target=done.wait) for _ in range(2)]
    for thread in waiting:
        thread.start()
    yield [threading.get_native_id(), *(thread.native_id or 0 for thread in waiting)]
    done.set()
    for thread in waiting:
        thread.join()


def test_a_test_without_processes_has_the_core_of_its_worker(
    threads: list[int], pytestconfig: pytest.Config
) -> None:
    given = getattr(pytestconfig, "workerinput", None)
    expected = cores_of(int(given["workerid"][2:]), given["workercount"]) if given else ALL
    assert {frozenset(os.sched_getaffinity(thread)) for thread in threads} == {frozenset(expected)}


@pytest.mark.process
def test_a_test_with_processes_has_all_cores(threads: list[int]) -> None:
    assert {frozenset(os.sched_getaffinity(thread)) for thread in threads} == {ALL}


@pytest.mark.process
def test_all_threads_are_put_on_a_core_and_back(threads: list[int]) -> None:
    for cores in (frozenset({min(ALL)}), ALL):
        put_on(cores)
        assert {frozenset(os.sched_getaffinity(thread)) for thread in threads} == {cores}


@pytest.mark.parametrize(
    ("workers", "cores", "expected"),
    [
        (2, {0, 1}, [{0}, {1}]),
        (3, {0, 1}, [{0, 1}, {0}, {1}]),
        (3, {4, 7}, [{4, 7}, {4}, {7}]),
        (4, {0, 1}, [{0}, {1}, {0}, {1}]),
        (3, {0, 1, 2, 3}, [{0}, {1}, {2}]),
        (3, {5}, [{5}, {5}, {5}]),
    ],
)
def test_no_core_is_kept_for_more_workers_than_another(
    workers: int, cores: set[int], expected: list[set[int]]
) -> None:
    assert [cores_of(worker, workers, cores) for worker in range(workers)] == expected
