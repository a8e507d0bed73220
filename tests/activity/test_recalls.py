"""Recall receipts: which memories a program's question was given, and what nobody asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memory_core import MemoryService, Settings, open_service
from memory_core.activity import Actor, acting
from memory_core.activity.recalls import ROOT
from memory_core.errors import InvalidSelection
from memory_core.ledger.snapshots import SNAPSHOTS
from memory_core.model.past import MemoryFilter
from memory_core.render.user_tables import erasure_proof_text

NEVER_ASKED = MemoryFilter(asked=False)


@pytest.fixture
def open_kept(data_dir: Path) -> Callable[[], MemoryService]:
    settings = {"MEMORY_DATA_DIR": str(data_dir), "MEMORY_RECALL_LOG": "30"}
    return lambda: open_service(Settings.from_env(settings))


def contents(service: MemoryService) -> Iterator[str]:
    objects = service.parts.backend.objects
    return (content.decode() for content in objects.get_many(objects.list(ROOT)).values())


def test_nothing_is_kept_unless_it_is_asked_for(service: MemoryService) -> None:
    service.add_text_memory("ann", "likes rye")
    service.query_memories("ann", "rye?")
    assert service.recalls("ann") == []
    with pytest.raises(InvalidSelection, match="MEMORY_RECALL_LOG"):
        service.list_memories("ann", NEVER_ASKED)


def test_questions_of_programs_leave_receipts_that_forget_erases(
    open_kept: Callable[[], MemoryService],
) -> None:
    with open_kept() as service:
        (rye,) = service.add_text_memory("ann", "likes rye")
        (oats,) = service.add_text_memory("bob", "likes oats")
        service.search("ann", "which bread?", limit=1, agent_id="baker")
        service.query_memories("bob", "breakfast?")
        with acting(Actor("eve", "operator")):
            service.query_memories("ann", "a look of the staff")
        (waiting,) = service.recalls("ann")
    with open_kept() as service:
        (text,) = contents(service)
        for private in ("ann", "bob", "rye", "oats", "bread", "breakfast"):
            assert private not in text
        (receipt,) = service.recalls("ann", since="1h")
        assert receipt == waiting
        assert (receipt.ids, receipt.agent, receipt.mode) == ((rye.id,), "baker", "exact")
        assert service.traces("ann").receipts == 1
        service.forget_user("ann")
        assert service.recalls("ann") == []
        # As an earlier release would leave it, which knows no snapshots.
        service.parts.backend.objects.put_if_absent(f"{SNAPSHOTS}ann/x.json.z", b"")
        left = service.traces("ann")
        assert (left.state, left.clean, left.receipts, left.snapshots) == ("traces", False, 0, 1)
        assert "0 recall receipts, 1 snapshot of the record" in erasure_proof_text(left)
        service.forget_user("ann")
        assert service.traces("ann").clean
        (text,) = contents(service)
        assert rye.id not in text
        assert oats.id in text
        assert service.recalls("bob")[0].ids == (oats.id,)
        service.forget_user("bob")
        assert [*contents(service)] == []


def test_memories_that_nobody_asked_for_are_a_choice(
    open_kept: Callable[[], MemoryService],
) -> None:
    with open_kept() as service:
        service.add_text_memory("ann", "The dentist is on Tuesday")
        service.add_text_memory("ann", "Her bicycle is red")
        service.search("ann", "dentist", limit=1)
        where = MemoryFilter.read([("asked", "no")])
        assert [record.memory for record in service.list_memories("ann", where)] == [
            "Her bicycle is red"
        ]
        preview = service.change_memories("ann", where, delete=True, preview=True)
        assert len(preview.changes) == 1
