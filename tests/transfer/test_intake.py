"""Memories that come from elsewhere keep their ids, and harm nothing that is here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_core import Kind, MemoryService
from memory_core.storage.vectors import Vector
from memory_core.transfer.incoming_memory import Digest, mark_of
from memory_core.transfer.incoming_writer import Intake
from memory_core.transfer.reports import Existing, Outcome
from tests.support.intakes import EARLY, Hashes, carried, open_world, puts, said, take, texts


@pytest.fixture
def world(tmp_path: Path) -> MemoryService:
    return open_world(tmp_path)


def embedded(service: MemoryService) -> list[str]:
    embedder = service.parts.embedder
    assert isinstance(embedder, Hashes)
    return embedder.embedded


def test_everything_about_a_memory_is_kept(world: MemoryService) -> None:
    came = carried(
        "m-1", " Ann@X.com", "tea", agent_id="chef", run_id="r1", role="assistant",
        actor_id="Bo", topic="drinks", n=0.1, updated_at="2026-02-02T00:00:00+00:00",
    )  # fmt: skip
    report = take(world, came)
    assert said(report) == {"added": 1, "embedded": 1}
    assert report.verified
    (one,) = world.list_memories("ann@x.com")
    assert (one.id, one.memory, one.agent_id, one.run_id) == ("m-1", "tea", "chef", "r1")
    assert (one.role, one.metadata) == ("assistant", {"topic": "drinks", "n": 0.1})
    assert one.created_at.isoformat() == EARLY
    assert one.updated_at.isoformat() == "2026-02-02T00:00:00+00:00"
    assert one.indexed
    (event,) = world.history("ann@x.com")
    assert (event.kind, event.raw_user_id) == (Kind.ADD, " Ann@X.com")
    view = world.parts.ledger.view(one.user_id)
    (details,) = world.parts.ledger.details(view.entries).values()
    assert details["moved"] == {"from": "a.jsonl"}
    assert details["payload"]["hash"]
    assert world.audit().clean


def test_once_more_writes_nothing(world: MemoryService) -> None:
    came = [carried(f"m-{n}", "ann", f"text {n}") for n in range(3)]
    take(world, *came)
    before = world.history("ann"), puts(world)[:]
    report = take(world, *came)
    assert said(report) == {"already_there": 3}
    assert report.verified
    assert (world.history("ann"), puts(world)) == before


@pytest.mark.parametrize("existing", ["skip", "overwrite", "keep-both"])
def test_another_text_under_an_id_is_for_the_policy_to_decide(
    world: MemoryService, existing: Existing
) -> None:
    take(world, carried("m-1", "ann", "ours"))
    came = carried("m-1", "ann", "theirs")
    report = take(world, came, existing=existing)
    outcome, left = {
        "skip": (Outcome.CONFLICT, {"ours"}),
        "overwrite": (Outcome.OVERWRITTEN, {"theirs"}),
        "keep-both": (Outcome.KEPT_BOTH, {"ours", "theirs"}),
    }[existing]
    assert report.counts[outcome] == 1
    assert set(texts(world, "ann").values()) == left
    if existing == "skip":
        assert "another text" in report.conflicts[0].reason
    if existing == "overwrite":
        assert [one.kind for one in world.history("ann", "m-1")] == [Kind.ADD, Kind.UPDATE]
    written = world.history("ann")
    again = take(world, came, existing=existing)
    assert again.counts[outcome] == (1 if existing == "skip" else 0)
    assert world.history("ann") == written
    assert world.audit().clean


def test_overwriting_brings_metadata_back_too(world: MemoryService) -> None:
    came = carried("m-1", "ann", "tea", topic="drinks")
    take(world, came)
    world.update_memory("ann", "m-1", "tea", metadata={"topic": "food"})
    # What is not taken is told: other metadata, under another id too, and an expiry.
    assert said(take(world, came)) == {"already_there": 1, "unlike": 1}
    other = carried("m-2", "ann", "tea", topic="food")
    expiring = carried("m-3", "ann", "tea", expiration_date="2030-01-01")
    assert said(take(world, other, expiring)) == {"already_there": 2, "unlike": 1}
    take(world, came, existing="overwrite")
    assert world.get_memory("ann", "m-1").metadata == {"topic": "drinks"}
    undated = carried("m-1", "ann", "green tea", created_at=None)
    take(world, undated, existing="overwrite")
    assert world.get_memory("ann", "m-1").created_at.isoformat() == EARLY
    assert said(take(world, undated, existing="overwrite")) == {"already_there": 1}
    take(world, came, existing="overwrite")
    assert said(take(world, came, existing="overwrite")) == {"already_there": 1}


@pytest.mark.parametrize("existing", ["skip", "overwrite", "keep-both"])
def test_a_text_that_is_there_under_another_id(world: MemoryService, existing: Existing) -> None:
    world.add_text_memory("ann", "tea")
    came = [carried("m-1", "ann", "tea"), carried("m-2", "ann", "tea"), carried(None, "ann", "tea")]
    report = take(world, *came, existing=existing)
    both = existing == "keep-both"
    assert said(report).get("added", 0) == (2 if both else 0)
    assert len(texts(world, "ann")) == (3 if both else 1)
    assert report.verified
    take(world, *came, existing=existing)
    assert len(texts(world, "ann")) == (3 if both else 1)


def test_another_users_memory_is_never_touched(world: MemoryService) -> None:
    take(world, carried("m-1", "bob", "rye"))
    came = carried("m-1", "ann", "tea")
    for existing in ("skip", "overwrite", "keep-both"):
        report = take(world, came, existing=existing)
        assert report.verified
        assert texts(world, "bob") == {"m-1": "rye"}
        (ours,) = texts(world, "ann")
        assert ours != "m-1"
    assert said(report) == {"already_there": 1}
    assert world.history("ann")[0].kind is Kind.ADD
    assert world.audit().clean


def test_another_users_memory_is_safe_while_the_store_has_lost_it(world: MemoryService) -> None:
    take(world, carried("m-1", "bob", "rye"))
    world.parts.store.delete(["m-1"])
    report = take(world, carried("m-1", "ann", "rye", former="bob"))
    assert said(report) == {"added": 1, "renamed": 1, "embedded": 1}
    world.audit(repair=True)
    assert texts(world, "bob") == {"m-1": "rye"}
    assert world.audit().clean


def test_a_vector_that_nobody_recorded_is_not_overwritten(world: MemoryService) -> None:
    row = world.parts.embedder.embed(["x"])[0]
    world.parts.store.put([Vector("m-1", {"user_id": "ann", "data": "plain"}, row)])
    report = take(world, carried("m-1", "ann", "tea"))
    assert (report.renamed, report.verified) == (1, True)
    assert world.parts.store.get(["m-1"])["m-1"].payload["data"] == "plain"
    take(world, carried("m-1", "ann", "plain"))
    assert texts(world, "ann")["m-1"] == "plain"


@pytest.mark.parametrize("gone", ["deleted", "all deleted", "forgotten"])
def test_what_is_gone_comes_back_only_when_told(world: MemoryService, gone: str) -> None:
    came = carried("m-1", "ann", "tea")
    take(world, came)
    if gone == "deleted":
        world.delete_memory("ann", "m-1")
    elif gone == "all deleted":
        world.delete_user("ann")
    else:
        world.forget_user("ann")
    report = take(world, came)
    assert said(report) == {gone.removeprefix("all "): 1}
    assert texts(world, "ann") == {}
    back = take(world, came, existing="keep-both")
    assert said(back) == {"added": 1, "brought back": 1, "embedded": 1}
    assert texts(world, "ann") == {"m-1": "tea"}
    assert world.audit().clean


def test_what_is_newer_than_the_forgetting_comes_in(world: MemoryService) -> None:
    take(world, carried("m-1", "ann", "tea"))
    world.forget_user("ann")
    later = carried("m-2", "ann", "rye", created_at="2099-01-01T00:00:00+00:00")
    unknown = carried("m-3", "ann", "oats", created_at=None)
    assert said(take(world, later, unknown)) == {"added": 1, "forgotten": 1, "embedded": 1}


def test_what_the_store_has_lost_is_put_back(world: MemoryService) -> None:
    came = [carried(f"m-{n}", "ann", f"text {n}") for n in range(3)]
    take(world, *came)
    world.parts.store.delete(["m-0", "m-2"])
    assert said(take(world, *came, dry_run=True))["healed"] == 2
    assert not world.audit().clean
    report = take(world, *came)
    assert said(report) == {"already_there": 3, "healed": 2, "embedded": 2}
    assert report.verified
    assert world.audit().clean


def test_a_vector_is_kept_only_if_our_embedder_could_have_made_it(world: MemoryService) -> None:
    fits = np.array([0, 1, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    short, long, broken = fits[:4], fits * 2, fits * np.float32("nan")
    take(
        world,
        carried("fits", "ann", "a", values=fits, embedder="hashes"),
        carried("m-model", "ann", "b", values=fits, embedder="letters"),
        carried("m-short", "ann", "c", values=short, embedder="hashes"),
        carried("m-long", "ann", "d", values=long, embedder="hashes"),
        carried("m-broken", "ann", "e", values=broken, embedder="hashes"),
    )
    assert embedded(world) == ["b", "c", "d", "e"]
    found = world.parts.store.get(["fits"], with_values=True)["fits"]
    assert found.values is not None
    assert (found.values == fits).all()


def test_many_users_are_put_five_hundred_at_a_time(world: MemoryService) -> None:
    came = [carried(f"m-{n}", f"user{n // 40}", f"text {n}") for n in range(2_000)]
    report = take(world, *came)
    assert report.verified
    assert puts(world) == [500] * 4
    folders = list(world.parts.ledger.users())
    assert len(folders) == 50
    assert {len({entry.key for entry in view.entries}) for view in folders} == {1}
    assert len(embedded(world)) == 2_000


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"text": ""}, "empty"),
    "half a character": ({"text": "\ud800"}, "broken character"),
    "too long": ({"text": "x" * 32_769}, "32,768"),
    "text of another type": ({"text": 7}, "not text"),
    "no user": ({"user": " "}, "no visible character"),
    "a redeploy test's user": ({"user": "a@redeploy.holdfast.invalid"}, "redeploy test"),
    "the sign for all": ({"memory_id": "*"}, "is not valid for a memory"),
    "an id with a space": ({"memory_id": "a b"}, "is not valid for a memory"),
    "an id too long": ({"memory_id": "x" * 181}, "is not valid for a memory"),
    "metadata of metadata": ({"deep": {"a": 1}}, "metadata"),
    "an agent of two words": ({"agent_id": "a b"}, "agent_id"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_stored_is_refused_by_itself(world: MemoryService, case: str) -> None:
    change, words = REFUSED[case]
    bad = carried(**{"memory_id": "m-1", "user": "ann", "text": "tea", **change})
    report = take(world, bad, carried("m-2", "ann", "rye"))
    assert said(report) == {"refused": 1, "added": 1, "embedded": 1}
    assert words in report.refused[0].reason
    assert report.verified
    assert texts(world, "ann") == {"m-2": "rye"}


@pytest.mark.parametrize("existing", ["skip", "overwrite", "keep-both"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_one_id_with_two_texts_in_one_call(
    world: MemoryService, existing: Existing, dry_run: bool
) -> None:
    twice = [carried("m-1", "ann", text) for text in ("tea", "rye", "tea")]
    report = take(world, *twice, existing=existing, dry_run=dry_run)
    both = existing == "keep-both"
    assert report.counts[Outcome.ADDED] == 1
    assert report.counts[Outcome.DUPLICATE] == 1
    assert report.counts[Outcome.KEPT_BOTH if both else Outcome.REFUSED] == 1
    assert report.verified is (None if dry_run else True)
    assert len(texts(world, "ann")) == (0 if dry_run else 2 if both else 1)
    if not dry_run:
        again = take(world, *twice, existing=existing)
        assert again.counts[Outcome.ADDED] == again.counts[Outcome.OVERWRITTEN] == 0
        assert world.audit().clean


def test_one_id_for_two_users_in_one_call(world: MemoryService) -> None:
    both = [carried("m-1", "ann", "tea"), carried("m-1", "bob", "tea")]
    report = take(world, *both)
    assert said(report) == {"added": 2, "renamed": 1, "embedded": 1}
    assert texts(world, "ann") == {"m-1": "tea"}
    assert "m-1" not in texts(world, "bob")
    assert said(take(world, *both)) == {"already_there": 2}
    assert world.audit().clean


def test_a_proof_fails_when_something_is_not_as_it_was_taken(world: MemoryService) -> None:
    parts = world.parts
    for spoil in ("update", "delete", "lose"):
        with Intake(parts.ledger, parts.store, parts.embedder, "a.jsonl") as intake:
            intake.take([carried(spoil, spoil, "tea"), carried("fine", "fine", "tea")])
            if spoil == "update":
                world.update_memory(spoil, spoil, "cocoa")
            elif spoil == "delete":
                world.delete_memory(spoil, spoil)
            else:
                parts.store.delete([spoil])
            report = intake.finish()
        assert report.verified is False
        assert {one.user_id: one.verified for one in report.users} == {"fine": True, spoil: False}


def test_a_digest_is_of_ids_and_texts_in_any_order() -> None:
    pairs = [("a", "x"), ("b", "y"), ("c", "y")]
    one, other = Digest(), Digest()
    for pair in pairs:
        one.add(*pair)
    for pair in reversed(pairs):
        other.add_mark(mark_of(*pair))
    assert (str(one), one.count) == (str(other), 3)
    assert len(str(one)) == 64
    other.add("a", "x")
    assert str(one) != str(other)
