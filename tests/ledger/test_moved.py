"""Memories that keep their id while their owner changes, in the record."""

from __future__ import annotations

from pathlib import Path

from memory_core import Kind, UserId
from memory_core.ledger import EventDraft, Ledger
from memory_core.storage.objects import LocalObjects

ALICE = UserId("alice@example.com")


def test_a_memory_that_moved_says_so_even_when_it_is_the_only_one(tmp_path: Path) -> None:
    ledger = Ledger(LocalObjects(tmp_path))
    payload = {"data": "x", "user_id": ALICE}
    came = EventDraft(Kind.ADD, "m-1", ALICE, payload, moved={"from": "bob"})
    (entry,) = ledger.append(ledger.view(ALICE), [came])
    assert entry.key == f"ledger/v1/alice%40example.com/{entry.ulid}.BATCH.1.jsonl"
    for reader in (ledger, Ledger(LocalObjects(tmp_path))):
        view = reader.view(ALICE)
        assert view.live["m-1"].added.moved
        assert not view.given_away
        assert reader.details([entry])[entry]["moved"] == {"from": "bob"}
    ledger.append(ledger.view(ALICE), [EventDraft(Kind.DELETE, "m-1", ALICE, moved={"to": "bob"})])
    assert not ledger.view(ALICE).live
    assert ledger.view(ALICE).given_away == {"m-1"}
    ledger.append(ledger.view(ALICE), [came])
    assert not ledger.view(ALICE).given_away
