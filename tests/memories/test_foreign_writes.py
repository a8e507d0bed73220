"""What other tools write into our store: shown as recorded, and never within a stranger's reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memory_core import MemoryService, Settings, normalize_user_id, open_service
from memory_core.errors import MemoryNotFound, SettingsError
from memory_core.ledger import EventDraft
from memory_core.model.records import Kind
from tests.support.damage import ANN, BOB, fill, found_in, overwrite, put_stray, stored


@pytest.mark.parametrize(
    "changes",
    [
        {"data": None},
        {"data": 7},
        {"created_at": None},
        {"created_at": "yesterday"},
        {"updated_at": "later"},
        {"user_id": None},
        {"user_id": BOB},
        {"revision": None},
    ],
)
def test_a_payload_changed_by_hand_is_read_from_the_ledger(
    service: MemoryService, changes: dict[str, Any]
) -> None:
    ids = fill(service)
    before = service.get_memory(ANN, ids["tea"])
    overwrite(service, ids["tea"], **changes)
    memory = service.get_memory(ANN, ids["tea"])
    assert (memory.memory, memory.user_id) == ("tea", ANN)
    assert (memory.created_at, memory.updated_at) == (before.created_at, before.updated_at)
    assert not memory.indexed
    assert {one.memory for one in service.list_memories(ANN)} == {"tea", "oak and ash"}
    assert service.query_memories(ANN, "tea")[0].memory.memory == "tea"
    assert service.query_memories(ANN, "tea", mode="index")
    assert service.audit(repair=True).clean
    assert service.get_memory(ANN, ids["tea"]).indexed


def test_the_id_of_a_deleted_memory_in_anothers_hand_is_out_of_reach(
    service: MemoryService,
) -> None:
    ids = fill(service)
    service.delete_memory(ANN, ids["tea"])
    put_stray(service, ids["tea"], user_id=BOB, data="rye")
    for call in (service.get_memory, service.delete_memory):
        with pytest.raises(MemoryNotFound):
            call(ANN, ids["tea"])
    assert service.delete_user(ANN, verify=True).left == 0
    assert service.forget_user(ANN).left == 0
    assert stored(service, ids["tea"]).payload["data"] == "rye"


def test_a_deletion_that_was_cut_off_is_finished_by_whoever_asks(service: MemoryService) -> None:
    ids = fill(service)
    kept = stored(service, ids["tea"])
    service.delete_memory(ANN, ids["tea"])
    service.parts.store.put([kept])
    with pytest.raises(MemoryNotFound):
        service.get_memory(ANN, ids["tea"])
    assert service.parts.store.get([ids["tea"]]) == {}


def test_a_text_that_was_adopted_is_known_when_it_is_saved_again(service: MemoryService) -> None:
    put_stray(service, "0f6b9f0e-8a71-4cf4-9c0e-3a6d0f2f5b11", user_id=ANN, data="rye")
    put_stray(service, "by hand", user_id=ANN, data="barley", agent_id="baker")
    assert service.audit(repair=True, unexpected="adopt").clean
    for _ in range(2):
        (rye,) = service.add_text_memory(ANN, "rye")
        (barley,) = service.add_text_memory(ANN, "barley", agent_id="baker")
        (other,) = service.add_text_memory(ANN, "barley")
    assert (rye.id, rye.already_stored) == ("0f6b9f0e-8a71-4cf4-9c0e-3a6d0f2f5b11", True)
    assert (barley.id, barley.already_stored) == ("by hand", True)
    assert other.id not in (rye.id, barley.id)
    assert len(service.list_memories(ANN)) == 3


def test_a_memory_of_two_writers_is_removed_whole_when_its_user_is_deleted_twice(
    service: MemoryService,
) -> None:
    ann = normalize_user_id(ANN)
    (first,) = service.add_text_memory(ANN, "tea")
    before = service.parts.ledger.view(ann)
    payload = dict(stored(service, first.id).payload)
    service.update_memory(ANN, first.id, "coffee")
    # A writer that had not seen the update.
    service._saver.write(before, Kind.ADD, ANN, [stored(service, first.id)], verify=False)
    (twin,) = {one.id for one in service.list_memories(ANN)} - {first.id}
    kept = stored(service, twin)
    assert payload["data"] == "tea"
    service.parts.ledger.append(service.parts.ledger.view(ann), [EventDraft(Kind.DELETE, "*", ANN)])
    assert service.parts.store.get([twin])[twin].payload == kept.payload
    assert service.delete_user(ANN, verify=True).left == 0
    assert service.parts.store.get([first.id, twin]) == {}
    assert found_in(service.audit()) == {}


@pytest.mark.parametrize("name", ["x", "-x-", "a b", "ü" * 4, "x" * 513])
def test_a_name_that_chromadb_refuses_is_refused_before_anything_is_made(
    tmp_path: Path, name: str
) -> None:
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(tmp_path / "data"), "MEMORY_INDEX": name})
    with pytest.raises(SettingsError, match="MEMORY_INDEX"):
        open_service(settings)
    assert not (tmp_path / "data" / "chroma").exists()
