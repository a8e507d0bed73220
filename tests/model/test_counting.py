"""Batches, progress of several threads, and numbers with what they count."""

from __future__ import annotations

from threading import Thread

import pytest

from memory_core.model.counting import Steps, after, counted


def test_steps_of_several_threads_are_all_counted() -> None:
    told: list[tuple[int, int]] = []
    steps = Steps(lambda done, total: told.append((done, total)), 100, every=50)
    threads = [Thread(target=lambda: [steps.advance(1) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps.end(200)
    assert told == [(50, 100), (100, 100), (150, 150), (200, 200), (200, 200)]
    Steps(None).advance(1)


def test_work_that_comes_after_other_work_goes_on_counting() -> None:
    told: list[tuple[int, int]] = []
    report = after(lambda done, total: told.append((done, total)), 7)
    assert report
    report(1, 3)
    assert told == [(8, 10)]
    assert after(None, 7) is None


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, "memory", "0 memories"),
        (1, "memory", "1 memory"),
        (1204, "user", "1,204 users"),
        (3, "day", "3 days"),
    ],
)
def test_a_number_stands_with_its_noun(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said
    assert counted(2, "index", "indexes") == "2 indexes"
