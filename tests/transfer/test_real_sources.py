"""What published releases left is there afterwards, all of it, and the folder is as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core import transfer as m
from memory_core.model.records import Kind
from memory_core.transfer import export_memories
from tests.support.intakes import puts
from tests.support.migration_worlds import RELEASES, Old, contents, expected, state, unpack

Worlds = Callable[..., MemoryService]


@pytest.mark.parametrize("release", RELEASES)
def test_every_memory_comes_along_as_it_was_and_the_folder_stays_as_it_is(
    release: str, tmp_path: Path, world: Worlds
) -> None:
    old, service = unpack(release, tmp_path), world()
    before = state(old.folder)
    plan = m.plan(service, old.chroma, history=old.history)
    assert contents(service) == {}
    report = m.apply(service, old.chroma, history=old.history)
    proof = m.verify(service, old.chroma)
    assert state(old.folder) == before

    assert contents(service) == expected(old)
    assert (plan.planned, plan.failed, plan.to_embed) == (76, 0, 0)
    assert {user.user_id: dict(user.forms) for user in plan.users}["bob"] == {"bob": 16, "BOB": 14}
    assert plan.normalised == 30
    assert (report.copied, report.ok, report.intake.embedded) == (76, True, 0)
    assert (proof.verified, proof.expected, proof.found) == (True, 76, 76)
    assert all(one.expected_digest == one.found_digest for one in proof.users)
    again = m.apply(service, old.chroma)
    assert (again.copied, again.skipped) == (0, 76)
    assert sum(puts(service)) == 76


def test_what_happened_before_comes_along_with_its_times(old: Old, world: Worlds) -> None:
    service = world()
    m.apply(service, old.chroma, history=old.history)
    twice = next(one for one, said in old.live.items() if said["memory"] == "updated twice")
    user = old.live[twice]["user_id"]
    events = service.history(user, twice)
    assert [one.kind for one in events] == [Kind.ADD, Kind.UPDATE, Kind.UPDATE, Kind.ADD]
    assert events[0].at.isoformat() == old.live[twice]["created_at"]
    assert [one.memory for one in events][2:] == ["updated twice", "updated twice"]
    assert {one.came_from for one in events} == {old.chroma}
    assert {one.raw_user_id for one in events} == {user}


@pytest.mark.parametrize("vectors", [True, False])
def test_there_and_back_nothing_differs(
    vectors: bool, old: Old, world: Worlds, tmp_path: Path
) -> None:
    service, other = world(), world()
    m.apply(service, old.chroma, history=old.history)
    digests = {one.user_id: one.found_digest for one in m.verify(service, old.chroma).users}
    path = tmp_path / "backup.jsonl"
    assert export_memories(service, path, vectors=vectors).memories == 76
    report = m.apply(other, f"jsonl:{path}")
    assert (report.ok, report.copied) == (True, 76)
    assert report.intake.embedded == (0 if vectors else len({*_texts(old)}))
    assert contents(other) == contents(service)
    proof = m.verify(other, old.chroma)
    assert proof.verified
    assert {one.user_id: one.found_digest for one in proof.users} == digests


@pytest.mark.parametrize("more", [{"dimensions": 16}, {"name": "another"}])
def test_vectors_of_another_embedder_are_made_anew(
    old: Old, world: Worlds, more: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = world(**more)
    if "name" in more:
        # Of the same length, and of another model.
        embedder = service.parts.embedder
        embed = embedder.embed
        monkeypatch.setattr(embedder, "embed", lambda texts: embed([f"{one}!" for one in texts]))
    plan = m.plan(service, old.chroma)
    assert plan.to_embed == 76
    assert plan.survey.vectors == ("made anew" if "name" in more else "none there")
    report = m.apply(service, old.chroma)
    assert (report.ok, report.intake.embedded) == (True, len({*_texts(old)}))


def test_one_collection_alone_and_a_history_alone(old: Old, world: Worlds) -> None:
    service = world()
    assert m.apply(service, f"{old.chroma}#cosine").copied == 38
    assert set(contents(service)) == {
        one for one, said in old.live.items() if said["collection"] == "cosine"
    }
    rescued = world()
    report = m.apply(rescued, f"history:{old.history}", user="Zoe@X.com ")
    assert (report.copied, report.ok) == (76, True)
    found = contents(rescued)
    assert {one: row[1] for one, row in found.items()} == {
        one: said["memory"] for one, said in old.live.items()
    }
    assert {row[0] for row in found.values()} == {"zoe@x.com"}
    times = {one: (row[2], row[3]) for one, row in expected(old).items()}
    assert {one: (row[2], row[3]) for one, row in found.items()} == times


def test_the_receipt_says_of_every_user_and_shows_that_it_was_altered(
    old: Old, world: Worlds
) -> None:
    service = world()
    m.apply(service, old.chroma)
    receipt = json.loads(
        json.dumps(m.make_receipt(m.verify(service, old.chroma), service.settings))
    )
    assert m.check_receipt(receipt, service.settings)
    assert receipt["verified"]
    assert [one["user_id"] for one in receipt["users"]] == [
        "ann@example.com", "bob", "zoë@example.org",
    ]  # fmt: skip
    for altered in (
        {**receipt, "found": 75},
        {**receipt, "users": receipt["users"][1:]},
        {**receipt, "users": [{**receipt["users"][0], "found": 7}, *receipt["users"][1:]]},
    ):
        assert not m.check_receipt(altered, service.settings)


def test_verify_names_what_is_missing_or_differs(old: Old, world: Worlds) -> None:
    service = world()
    m.apply(service, old.chroma)
    gone, wrong, *_ = sorted(old.live)
    store = service.parts.store
    found = store.get([wrong], with_values=True)[wrong]
    store.put([type(found)(wrong, {**found.payload, "topic": "changed"}, found.values)])
    store.delete([gone])
    proof = m.verify(service, old.chroma)
    assert not proof.verified
    assert {one.id: one.detail for one in proof.differences} == {
        gone: "it is on record, but not searchable",
        wrong: "topic differ",
    }
    assert service.audit(repair=True).clean
    assert m.verify(service, old.chroma).verified


def _texts(old: Old) -> list[str]:
    return [said["memory"] for said in old.live.values()]
