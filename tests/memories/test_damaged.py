"""Entries of the ledger that cannot be read stop no repair: listed, written anew where it is known.

Ann, Bob and Carol have memories each. Bob's record is damaged, and vectors of the others are gone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from memory_core import LedgerCorrupt, MemoryService, Settings, open_service, rebuild_index
from memory_core.embedders import Embedder
from memory_core.model.records import AuditReport, MemoryRecord
from memory_core.render.storage_status import status_text
from memory_core.render.user_tables import users_document, users_text
from tests.support.damage import ANN, BOB, found_in, stored
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore

CAROL = "carol@example.com"
Damage = Callable[[bytes, bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "emptied": lambda own, other: b"",
    "zeros": lambda own, other: bytes(len(own)),
    "torn": lambda own, other: own[: len(own) // 2],
    "another user's": lambda own, other: other,
    "of another memory": lambda own, other: own.replace(b'"id": "', b'"id": "0'),
    "no event": lambda own, other: b"[]",
}


@pytest.fixture
def service(tmp_path: Path, embedder: Embedder) -> MemoryService:
    return build_service(tmp_path, embedder, InMemoryStore(embedder.dimensions))


def fill(service: MemoryService, *, batch: bool = False) -> dict[str, list[MemoryRecord]]:
    """Save two memories of each user, with `batch` those of Bob in one entry."""
    saved = {}
    for user in (ANN, BOB, CAROL):
        said = [{"role": "user", "content": f"{user} likes {what}"} for what in ("tea", "figs")]
        given = [said] if batch and user == BOB else [[message] for message in said]
        saved[user] = [
            record
            for messages in given
            for record in service.add_messages(user, messages, infer=False)
        ]
    return saved


def entry_of(folder: Path, user: str) -> Path:
    """Return the first object that the ledger has of a user."""
    return min((folder / "ledger" / "v1" / user.replace("@", "%40")).iterdir())


def damage(folder: Path, how: str = "emptied") -> Path:
    own, other = entry_of(folder, BOB), entry_of(folder, ANN)
    own.write_bytes(DAMAGES[how](own.read_bytes(), other.read_bytes()))
    return own


def lose_vectors(service: MemoryService, *users: str) -> set[str]:
    ids = {memory_id for user in users for memory_id in service.parts.ledger.view(user).live}  # type: ignore[arg-type]
    service.parts.store.delete(ids)
    return ids


def details(report: AuditReport) -> list[str]:
    return [item.detail for item in report.damaged]


@pytest.mark.parametrize(
    ("how", "batch"), [*((how, False) for how in DAMAGES), ("emptied", True), ("torn", True)]
)
def test_a_damaged_record_is_written_anew_and_stops_nobody_s_repair(
    service: MemoryService, tmp_path: Path, how: str, batch: bool
) -> None:
    before = fill(service, batch=batch)
    lost = lose_vectors(service, ANN, CAROL)
    path = damage(tmp_path, how)
    damaged = path.read_bytes()
    fresh = build_service(tmp_path, service.parts.embedder, service.parts.store)
    name = path.name if batch else before[BOB][0].id
    assert found_in(fresh.audit()) == {"missing": lost, "damaged": {name}}
    assert path.read_bytes() == damaged, "looking changes nothing"

    report = fresh.audit(repair=True, unexpected="remove")
    assert found_in(report) == {"missing": lost, "damaged": {name}}
    assert (report.clean, report.repaired) == (True, len(lost) + 1)
    after = build_service(tmp_path, service.parts.embedder, service.parts.store)
    assert after.audit().clean
    for user, records in before.items():
        assert {one.memory for one in after.list_memories(user)} == {one.memory for one in records}
        assert all(one.indexed for one in after.list_memories(user))
        assert [event.memory for event in after.history(user)]


@pytest.mark.parametrize(
    ("batch", "unexpected"), [(False, "remove"), (True, "remove"), (True, "adopt")]
)
def test_what_the_store_does_not_have_stays_damaged_and_nothing_else_is_touched(
    service: MemoryService, tmp_path: Path, batch: bool, unexpected: str
) -> None:
    before = fill(service, batch=batch)
    lost = lose_vectors(service, ANN, CAROL)
    service.parts.store.delete([before[BOB][0].id])
    path = damage(tmp_path)
    fresh = build_service(tmp_path, service.parts.embedder, service.parts.store)
    report = fresh.audit(repair=True, unexpected=unexpected)  # type: ignore[arg-type]
    assert not report.clean
    assert {item.id for item in report.missing if item.repaired} == lost
    (detail,) = details(report)
    assert detail.startswith("its record is damaged; restore it from a backup: ledger/")
    assert detail.endswith(path.name)
    assert path.read_bytes() == b""
    kept = stored(fresh, before[BOB][1].id).payload
    assert kept["data"] == before[BOB][1].memory, "the only copy of what may be on record"


def test_an_update_in_a_damaged_batch_is_not_taken_back(
    service: MemoryService, tmp_path: Path
) -> None:
    before = fill(service)[BOB]
    said = [{"role": "user", "content": one.memory} for one in before]
    service.add_messages(BOB, said, metadata={"seen": "twice"}, infer=False)
    (path,) = (tmp_path / "ledger").rglob("*.BATCH.2.jsonl")
    path.write_bytes(b"")
    fresh = build_service(tmp_path, service.parts.embedder, service.parts.store)
    report = fresh.audit(repair=True)
    assert (found_in(report), report.clean) == ({"damaged": {path.name}}, True)
    seen = [one.metadata.get("seen") for one in fresh.list_memories(BOB)]
    assert seen == ["twice", "twice"]
    assert b'"kind": "UPDATE"' in path.read_bytes()


def test_a_file_that_is_no_entry_is_listed_and_left(service: MemoryService, tmp_path: Path) -> None:
    fill(service)
    lost = lose_vectors(service, ANN)
    stray = entry_of(tmp_path, BOB).with_name("notes.txt")
    stray.write_bytes(b"mine")
    report = service.audit(repair=True)
    assert {item.id for item in report.missing if item.repaired} == lost
    assert [(item.id, item.user_id, item.repaired) for item in report.damaged] == [
        ("notes.txt", BOB, False)
    ]
    assert stray.read_bytes() == b"mine"


def test_adoption_and_scan_say_what_cannot_be_read(service: MemoryService, tmp_path: Path) -> None:
    fill(service, batch=True)
    path = damage(tmp_path)
    fresh = build_service(tmp_path, service.parts.embedder, service.parts.store)
    for call in (lambda: fresh.take_up(BOB), fresh.scan_store):
        with pytest.raises(LedgerCorrupt, match=path.name):
            call()
    assert fresh.take_up(ANN).taken == 0


def test_a_damaged_batch_stops_no_count_and_is_told(service: MemoryService, tmp_path: Path) -> None:
    fill(service, batch=True)
    path = entry_of(tmp_path, BOB)
    whole = path.read_bytes()
    damage(tmp_path)
    path.with_name("notes.txt").write_bytes(b"mine")
    fresh = build_service(tmp_path, service.parts.embedder, service.parts.store)
    for _ in range(2):
        census = fresh.count_users()
        assert {user.user_id: user.memories for user in census.users} == {ANN: 2, CAROL: 2}
        assert (census.complete, census.damaged, census.left_out) == (False, (BOB,), ())
        assert f"damaged entries of {BOB} are not counted (`audit`" in users_text(census)
    assert users_document(census)["damaged"] == [BOB]
    assert "2 users, perhaps not all: damaged entries of" in status_text(fresh.status())
    placement = fresh.placement()
    assert (placement.both, placement.missing, placement.orphans) == (4, {}, 0)
    assert len(fresh.list_memories(ANN)) == 2
    with pytest.raises(LedgerCorrupt, match=path.name):
        fresh.list_memories(BOB)
    path.write_bytes(whole)
    path.with_name("notes.txt").unlink()
    census = fresh.count_users()
    assert (census.memories, census.complete) == (6, True)


def test_a_rebuild_goes_on_past_a_damaged_record(tmp_path: Path, embedder: Embedder) -> None:
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(tmp_path)})
    with open_service(settings) as opened:
        before = fill(opened)
        lost = lose_vectors(opened, ANN, CAROL)
    damage(tmp_path)
    report = rebuild_index(settings)
    assert (report.embedded, report.memories, report.audit.clean) == (len(lost), 6, True)
    with open_service(settings) as opened:
        assert {one.memory for one in opened.list_memories(BOB)} == {
            one.memory for one in before[BOB]
        }


def test_a_spoilt_snapshot_is_named_and_removed_alone(
    service: MemoryService, tmp_path: Path
) -> None:
    fill(service)
    name = f"{service.parts.ledger.view(ANN).last_ulid}.{'0' * 32}.json.z"  # type: ignore[arg-type]
    path = entry_of(tmp_path, ANN).parents[3] / "snapshots" / "v1" / "ann%40example.com" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut off")
    (item,) = service.audit().damaged
    assert (item.id, item.repaired, name in item.detail) == ("snapshot", False, True)
    assert path.exists()
    assert service.audit(repair=True).clean
    assert not path.exists()
    assert service.audit().found == ()
    assert len(service.list_memories(ANN)) == 2
