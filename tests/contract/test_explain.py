"""What the assistant would remember: each memory that is left out has its rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from memory_core import MemoryService
from memory_core.ledger import EventDraft
from memory_core.memories import search
from memory_core.model.records import Kind
from memory_core.storage.vectors import Vector
from tests.support.contract import OATS, RYE, TEA, Bench, save

one_kind = pytest.mark.parametrize("bench", ["in_memory"], indirect=True)


def reasons(service: MemoryService, question: str, limit: int) -> dict[str, str | None]:
    recall = service.explain("ann", question, limit=limit)
    assert [one.hit.rank for one in recall.ranking] == [*range(1, len(recall.ranking) + 1)]
    answered = [one.hit.memory for one in recall.ranking if one.place]
    assert answered == [hit.memory for hit in recall.answer.hits]
    hits = service.query_memories("ann", question, limit=limit, mode=recall.answer.mode)
    assert recall.answer.hits == tuple(hits)
    return {one.hit.memory.memory: one.reason for one in recall.ranking}


@pytest.mark.parametrize("bench", ["chroma", "s3_vectors", "async"], indirect=True)
def test_what_lies_behind_the_limit_is_named(bench: Bench) -> None:
    for text in (TEA, RYE, OATS):
        save(bench.service, text)
    assert reasons(bench.service, "green tea", 1) == {TEA: None, RYE: "limit", OATS: "limit"}
    assert reasons(bench.service, "green tea", 5) == {TEA: None, RYE: None, OATS: None}


@one_kind
def test_an_expired_memory_is_listed_and_never_answered(bench: Bench) -> None:
    service = bench.service
    today = datetime.now(UTC).date()
    save(service, RYE)
    for text, day in ((TEA, today - timedelta(days=1)), (OATS, today)):
        adopt(service, text, day.isoformat())
    assert {one.memory: one.expires for one in service.list_memories("ann")} == {
        RYE: None,
        TEA: today - timedelta(days=1),
        OATS: today,
    }
    for mode in ("exact", "index"):
        hits = service.query_memories("ann", "green tea", limit=2, mode=mode)  # type: ignore[arg-type]
        assert {hit.memory.memory for hit in hits} == {RYE, OATS}
        assert [hit.rank for hit in hits] == [1, 2]
    assert reasons(service, "green tea", 2) == {TEA: "expired", RYE: None, OATS: None}


@one_kind
def test_what_the_index_misses_or_has_not_is_told_apart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = bench.service
    # What stands beside a candidate of the index is ranked as well.
    between = ["The van needs new tyres.", "It rains in Ghent."]
    tea, rye, van, rain, oats = (save(service, text) for text in (TEA, RYE, *between, OATS))
    monkeypatch.setattr(search, "EXACT_UP_TO", 2)
    store = service.parts.store
    store.delete([tea.id])
    real = store.query
    monkeypatch.setattr(
        store,
        "query",
        lambda *asked: [one for one in real(*asked) if one[0] not in (rye.id, van.id)],
    )
    found = reasons(service, "green tea", 5)
    assert found == {
        TEA: "not indexed",
        RYE: "missed",
        between[0]: None,
        between[1]: None,
        OATS: None,
    }
    assert rain.id
    assert oats.id


@one_kind
def test_another_form_of_the_id_is_shown_and_not_asked(bench: Bench) -> None:
    save(bench.service, TEA, "ann.lee@gmail.com")
    recall = bench.service.explain("annlee@gmail.com", "green tea")
    assert (recall.memories, recall.ranking, recall.answer.hits) == (0, (), ())
    (other,) = recall.elsewhere
    assert other.user.user_id == "ann.lee@gmail.com"
    assert other.best.memory.memory == TEA


def adopt(service: MemoryService, text: str, expires: str) -> None:
    """Record what a tool of mem0 had stored with an expiry date."""
    backend, embedder, ledger, store = service.parts
    payload = {
        "data": text,
        "user_id": "ann",
        "created_at": "2026-01-01T00:00:00+00:00",
        "expiration_date": expires,
    }
    view = ledger.view("ann")  # type: ignore[arg-type]
    (entry,) = ledger.append(view, [EventDraft(Kind.ADD, f"id-{expires}", "ann", payload)])
    values = embedder.embed([text])[0]
    store.put([Vector(entry.memory_id, {**payload, "revision": entry.ulid}, values)])
    assert backend.name == "in_memory"
