"""Memories of one person brought together, and given back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from memory_core import MemoryService
from memory_core.errors import BackendUnavailable, InvalidMove, NotIndexed
from memory_core.ledger import EventDraft
from memory_core.memories.merge_users import merge_document, read_merge
from memory_core.model.records import Kind, MemoryRecord
from memory_core.redeploy_test.probes import PROBE_DOMAIN
from tests.support.contract import OATS, RYE, TEA, Bench, check, save, texts

GMAIL, OTHER = "ann.lee@gmail.com", "annlee@googlemail.com"
few = pytest.mark.parametrize("bench", ["chroma", "s3_vectors", "async"], indirect=True)
one_kind = pytest.mark.parametrize("bench", ["in_memory"], indirect=True)


def told(record: MemoryRecord) -> MemoryRecord:
    """Return what a reunion leaves as it is."""
    return replace(record, user_id=GMAIL, verified=False, already_stored=False)  # type: ignore[arg-type]


@few
def test_everything_moves_as_it_was_and_comes_back(bench: Bench) -> None:
    service = bench.service
    kept = save(service, TEA, GMAIL, agent_id="chef", metadata={"topic": "drinks"})  # type: ignore[arg-type]
    changed = save(service, OATS, OTHER, run_id="r1")
    changed = service.update_memory(OTHER, changed.id, "Eats oats daily", metadata={"n": 1})
    moved = save(service, RYE, OTHER, agent_id="chef")
    plan = service.plan_reunion(" AnnLee@GoogleMail.com", GMAIL)
    assert (plan.former, plan.user_id, plan.theirs) == (OTHER, GMAIL, 1)
    assert (set(plan.ids), plan.doubles, plan.unfinished) == ({changed.id, moved.id}, 0, 0)
    assert texts(service, OTHER) == [RYE, "Eats oats daily"]

    steps: list[tuple[int, int]] = []
    reunion = service.reunite(OTHER, GMAIL, on_progress=lambda *step: steps.append(step))
    assert set(reunion.ids) == {changed.id, moved.id}
    assert (reunion.verified, reunion.refused, steps) == (2, (), [(2, 2)])
    found = {one.id: one for one in service.list_memories(GMAIL)}
    assert found == {one.id: told(one) for one in (kept, changed, moved)}
    check(bench, {GMAIL: [RYE, "Eats oats daily", TEA], OTHER: []})
    service = bench.service
    assert [one.came_from for one in service.history(GMAIL, moved.id)] == [OTHER]
    assert service.history(OTHER, moved.id)[-1].went_to == GMAIL
    assert [(one.former, set(one.ids)) for one in service.reunions(GMAIL)] == [
        (OTHER, set(reunion.ids))
    ]

    back = service.undo_reunion(read_merge(json.dumps(merge_document(reunion)).encode()))
    assert (set(back.ids), back.verified) == (set(reunion.ids), 2)
    check(bench, {GMAIL: [TEA], OTHER: [RYE, "Eats oats daily"]})
    assert bench.service.reunions(GMAIL) == []
    with pytest.raises(InvalidMove, match="nothing to undo"):
        bench.service.undo_reunion(replace(reunion, former=GMAIL, user_id=OTHER, ids=("x",)))
    # Undoing it twice changes nothing.
    assert bench.service.undo_reunion(reunion).ids == ()
    check(bench, {GMAIL: [TEA], OTHER: [RYE, "Eats oats daily"]})


@few
def test_whoever_had_a_memory_before_has_no_power_over_it(bench: Bench) -> None:
    service = bench.service
    first = save(service, TEA, OTHER)
    service.reunite(OTHER, GMAIL)
    # The same text again is another memory: the id of the first is in use elsewhere.
    again = save(service, TEA, OTHER)
    assert again.id != first.id
    assert save(service, TEA, OTHER).id == again.id
    assert save(service, TEA, GMAIL).id == first.id
    check(bench, {GMAIL: [TEA], OTHER: [TEA]})
    service = bench.service
    service.delete_user(OTHER)
    check(bench, {GMAIL: [TEA], OTHER: []})
    service = bench.service
    service.forget_user(OTHER)
    after = save(service, TEA, OTHER)
    assert after.id not in {first.id, again.id}
    check(bench, {GMAIL: [TEA], OTHER: [TEA]})
    bench.service.forget_user(GMAIL)
    check(bench, {GMAIL: [], OTHER: [TEA]})


@one_kind
def test_what_both_say_is_counted_and_kept(bench: Bench) -> None:
    service = bench.service
    for user in (GMAIL, OTHER):
        save(service, TEA, user)
    save(service, RYE, OTHER)
    assert service.plan_reunion(OTHER, GMAIL).doubles == 1
    assert len(service.reunite(OTHER, GMAIL).ids) == 2
    assert texts(service, GMAIL) == [RYE, TEA, TEA]


@one_kind
@pytest.mark.parametrize(
    ("former", "user_id", "why"),
    [
        (" ANN ", "ann", "both ids are the user 'ann'"),
        ("nobody", "ann", "user 'nobody' has no memories to move"),
        ("ann", f"probe@{PROBE_DOMAIN}", "belongs to a redeploy test"),
        (f"probe@{PROBE_DOMAIN}", "ann", "belongs to a redeploy test"),
    ],
)
def test_a_move_that_makes_no_sense_is_a_sentence(
    bench: Bench, former: str, user_id: str, why: str
) -> None:
    save(bench.service, TEA)
    for call in (bench.service.plan_reunion, bench.service.reunite):
        with pytest.raises(InvalidMove, match=why):
            call(former, user_id)
    assert texts(bench.service) == [TEA]


@one_kind
def test_what_cannot_be_stored_under_the_longer_id_stays(bench: Bench) -> None:
    service = bench.service
    save(service, TEA)
    # 254 characters of three bytes each.
    long = "语" * 254
    metadata = {f"k{at}": "v" * 60 for at in range(14)}
    scope = {"agent_id": "a" * 250, "run_id": "r" * 250}
    large = save(service, RYE, metadata=metadata, **scope)  # type: ignore[arg-type]
    plan = service.plan_reunion("ann", long)
    assert [one for one, _ in plan.refused] == [large.id]
    reunion = service.reunite("ann", long)
    assert reunion.refused == plan.refused
    assert (texts(service), texts(service, long)) == ([RYE], [TEA])
    assert service.audit().clean


@one_kind
def test_a_move_that_was_cut_off_is_seen_and_finished_by_repair(bench: Bench) -> None:
    service = bench.service
    first, second = save(service, TEA, OTHER), save(service, RYE, OTHER)
    half_move(service, [first, second])
    assert sorted(texts(service, OTHER)) == sorted(texts(service, GMAIL)) == sorted([TEA, RYE])
    report = service.audit()
    assert {(one.id, one.user_id) for one in report.altered if "cut off" in one.detail} == {
        (first.id, OTHER),
        (second.id, OTHER),
    }
    assert service.plan_reunion(OTHER, GMAIL).unfinished == 2
    assert service.audit(repair=True).clean
    check_in_memory(service, {GMAIL: [RYE, TEA], OTHER: []})


@one_kind
def test_what_is_written_under_the_former_id_meanwhile_comes_along(bench: Bench) -> None:
    service = bench.service
    record = save(service, TEA, OTHER)
    half_move(service, [record])
    ledger = service.parts.ledger
    payload = {"data": "Likes cocoa", "user_id": OTHER, "created_at": "2026-01-01T00:00:00+00:00"}
    late = EventDraft(Kind.UPDATE, record.id, OTHER, payload)
    ledger.append(ledger.view(OTHER), [late])  # type: ignore[arg-type]
    service.reunite(OTHER, GMAIL)
    check_in_memory(service, {GMAIL: ["Likes cocoa"], OTHER: []})


@one_kind
def test_what_the_store_refuses_is_recorded_and_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = bench.service
    save(service, TEA, OTHER)
    store = service.parts.store

    def fail(vectors: object) -> None:
        raise BackendUnavailable("told to fail", backend="test", operation="put")

    with monkeypatch.context() as broken:
        broken.setattr(store, "put", fail)
        with pytest.raises(NotIndexed, match="not all are stored: told to fail; repeat the call"):
            service.reunite(OTHER, GMAIL)
    assert texts(service, OTHER) == texts(service, GMAIL) == [TEA]
    assert service.reunite(OTHER, GMAIL).verified == 1
    check_in_memory(service, {GMAIL: [TEA], OTHER: []})


@one_kind
def test_an_undo_gives_back_what_is_there_as_it_is_now(bench: Bench) -> None:
    service = bench.service
    kept, gone = save(service, TEA, OTHER), save(service, RYE, OTHER)
    reunion = service.reunite(OTHER, GMAIL)
    service.update_memory(GMAIL, kept.id, "Likes cocoa")
    service.delete_memory(GMAIL, gone.id)
    assert service.undo_reunion(reunion).ids == (kept.id,)
    check_in_memory(service, {GMAIL: [], OTHER: ["Likes cocoa"]})


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"x"', b"{}", b'{"format": "another"}', "\u00ff".encode("latin-1")],
)
def test_what_is_no_undo_file_is_a_sentence(content: bytes) -> None:
    with pytest.raises(InvalidMove, match="this is not the undo file of a merge"):
        read_merge(content)


def half_move(service: MemoryService, records: list[MemoryRecord]) -> None:
    """Do what a reunion does up to its first write."""
    ledger = service.parts.ledger
    theirs, ours = ledger.view(OTHER), ledger.view(GMAIL)  # type: ignore[arg-type]
    payloads = ledger.payloads(theirs.live[one.id].latest for one in records)
    moves = [
        EventDraft(
            Kind.ADD,
            entry.memory_id,
            OTHER,
            {**payload, "user_id": GMAIL},
            moved={"from": OTHER, "revision": entry.ulid},
        )
        for entry, payload in payloads.items()
    ]
    ledger.append(ours, moves)


def check_in_memory(service: MemoryService, expected: dict[str, list[str]]) -> None:
    for user, memories in expected.items():
        assert texts(service, user) == memories
        assert all(one.indexed for one in service.list_memories(user))
    assert service.audit().clean
