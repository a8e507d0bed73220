"""A rebuild on AWS is as undisturbed when a request fails once, and goes on when it was cut off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from memory_core import Settings, open_service
from memory_core.embedders import Embedder
from memory_core.errors import BackendUnavailable
from memory_core.memories.repair import rebuild_index
from memory_core.model.records import RebuildReport
from memory_core.storage.aws import Retries
from memory_core.storage.aws.client import Transport
from tests.support.s3_bench import Bench, Clock, open_bench
from tests.support.s3_worlds import BEFORE

EACH_OF = 10
"""Of so many requests one fails, and fails when it is tried again; parallel ones are fewer."""
LONGEST = 200


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, embedder: Embedder) -> Iterator[Bench]:
    """A bucket with memories; the waits of the retries take no time, the model is loaded once."""
    clock = Clock()
    monkeypatch.setattr("memory_core.memories.repository.open_embedder", lambda settings: embedder)
    monkeypatch.setattr("memory_core.storage.vectors.s3._SEGMENTS", 1)
    monkeypatch.setattr(
        "memory_core.storage.aws.client.Retries",
        lambda: Retries(budget_s=2.0, sleep=clock.sleep, clock=clock, random=lambda: 1.0),
    )
    monkeypatch.setattr("memory_core.storage.aws.client.Transport", lambda: Transport(attempts=1))
    with open_bench() as opened:
        with open_service(opened.settings) as service:
            for text in BEFORE:
                service.add_text_memory("ann", text)
        yield opened


def rebuild(bench: Bench, index: str) -> RebuildReport:
    return rebuild_index(Settings.from_env({**bench.environ, "MEMORY_INDEX": index}))


def assert_complete(bench: Bench, index: str) -> None:
    with open_service(Settings.from_env({**bench.environ, "MEMORY_INDEX": index})) as service:
        assert service.storage() == {"s3_vectors": 3, "ledger": 0}


def test_a_request_that_fails_once_changes_nothing(bench: Bench) -> None:
    for first in range(1, EACH_OF, 2):
        # Each is refused, and once it is let through the answer is lost.
        for place in range(first, LONGEST, EACH_OF):
            bench.standin.add_fault("throttle", nth=place)
            bench.standin.add_fault("drop_after", nth=place + 1)
        report = rebuild(bench, f"again-{first}")
        fired = [rule["fired"] for rule in bench.standin.faults()]
        bench.standin.clear_faults()
        assert (report.memories, report.embedded, report.audit.clean) == (3, 3, True), first
        assert sum(fired) > 3
        assert not fired[-1]
    assert_complete(bench, f"again-{first}")


def test_one_that_was_cut_off_goes_on(bench: Bench) -> None:
    for at, fault in ((2, "error503"), (7, "drop_after"), (12, "error503"), (17, "drop_after")):
        bench.standin.add_fault(fault, nth=at, times=10_000)
        with pytest.raises(BackendUnavailable, match=r"try again|check the network"):
            rebuild(bench, f"again-{at}")
        bench.standin.clear_faults()
        report = rebuild(bench, f"again-{at}")
        assert (report.memories, report.audit.clean) == (3, True), at
        assert_complete(bench, f"again-{at}")
