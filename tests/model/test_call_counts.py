"""A service counts its saves and questions, those without an answer, and its own failures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from memory_core import BackendError, InvalidMemory, MemoryService
from memory_core.model.call_counts import BOUNDS_S, CallCount
from memory_core.model.user_id import PROBE_DOMAIN


def test_saves_and_questions_are_counted_by_hour_and_since_the_start(
    service: MemoryService,
) -> None:
    service.add_text_memory("ann", "likes rye bread")
    service.add_document("ann", "a.txt", b"The key is under the mat.", isolate=False)
    service.add_text_memory(f"p@{PROBE_DOMAIN}", "a probe is no question of anybody")
    assert service.query_memories("ann", "Which bread?")
    assert not service.query_memories("bob", "Which bread?")
    with pytest.raises(InvalidMemory):
        service.search("ann", " ")
    totals = service.counts.totals()
    assert {kind: (count.calls, count.empty, count.failed) for kind, count in totals.items()} == {
        "save": (2, 0, 0),
        "search": (2, 1, 0),
    }
    assert sum(count.calls for count in service.counts.hours().values()) == 4
    assert (
        0
        < totals["save"].seconds
        == pytest.approx(
            sum(
                count.seconds
                for (_, kind), count in service.counts.hours().items()
                if kind == "save"
            )
        )
    )


def test_a_failure_of_the_storage_is_counted_and_raised(
    service: MemoryService, data_dir: Path
) -> None:
    service.add_text_memory("ann", "likes tea")
    shutil.rmtree(data_dir / "ledger")
    data_dir.joinpath("ledger").write_text("in the way")
    with pytest.raises(BackendError):
        service.search("ann", "tea?")
    assert service.counts.totals()["search"].failed == 1


def test_quantiles_are_bounds_of_ranges() -> None:
    count = CallCount()
    assert count.quantile(0.5) is None
    for milliseconds in range(1, 101):
        count.add(milliseconds / 1000)
    median, last = count.quantile(0.5), count.quantile(0.95)
    assert median is not None
    assert last is not None
    assert 0.05 <= median <= 0.075
    assert 0.095 <= last <= 0.15
    count.add(3600)
    assert count.quantile(1) == BOUNDS_S[-1]
