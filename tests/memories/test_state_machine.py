"""A user's memories behave like a dictionary, whatever is done in whatever order and process."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from memory_core import MemoryService
from tests.support.state_machine import MemoriesMachine

MemoriesMachine.TestCase.settings = settings(
    max_examples=14,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMemories = MemoriesMachine.TestCase


def test_a_text_behind_one_that_was_deleted_is_still_kept_once(service: MemoryService) -> None:
    # The machine found it: the id that follows from the text is free again, and the next has it.
    (first,) = service.add_text_memory("ann", "tea")
    service.update_memory("ann", first.id, "cocoa")
    (second,) = service.add_text_memory("ann", "tea")
    service.delete_memory("ann", first.id)
    assert service.add_text_memory("ann", "tea")[0].id == second.id
    service.restore_memory("ann", first.id, at=service.history("ann")[0].event_id)
    assert service.add_text_memory("ann", "tea")[0].already_stored
    assert len(service.list_memories("ann")) == 2
