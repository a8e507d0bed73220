"""What memories say, which a viewer reads one by one and with a reason only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import current, requires
from memory_core import MemoryService
from memory_core.errors import InvalidMemory
from memory_core.model.records import Event, MemoryRecord, UserId

from . import activity_log

HIDDEN: Final = "Hidden"
LEAST_REASON: Final = 5
MOST_REASON: Final = 200
_REVEALED: Final = "texts.revealed"


def reads_all() -> bool:
    """Say whether the visitor reads memories without asking for each."""
    return current().may(Role.OPERATOR)


def records_for_visitor(records: list[MemoryRecord]) -> list[MemoryRecord]:
    """Return the records, for a viewer without what they say unless it was revealed here."""
    if reads_all():
        return records
    revealed = st.session_state.get(_REVEALED, {})
    return [one if revealed.get(one.id) == one.updated_at else _hidden(one) for one in records]


def events_for_visitor(events: Iterable[Event]) -> list[Event]:
    """Return the events, for a viewer without what the memories said."""
    if reads_all():
        return list(events)
    return [replace(one, memory=HIDDEN if one.memory else None) for one in events]


def told(shown: Sequence[MemoryRecord | Event]) -> str | None:
    """Return what the activity log says of texts that were shown, None where there were none."""
    if not any(one.memory for one in shown):
        return None
    return "" if reads_all() else "texts hidden"


def is_hidden(record: MemoryRecord) -> bool:
    """Say whether the text of this record was left out for the visitor."""
    return record.memory == HIDDEN and not reads_all() and not _is_revealed(record)


@requires(Role.VIEWER)
def reveal(service: MemoryService, user_id: UserId, memory_id: str, reason: str) -> MemoryRecord:
    """Return one memory in full, noting who read it and why.

    Raises:
        InvalidMemory: the reason has less than `LEAST_REASON` characters.
        MemoryNotFound: the memory is gone.
    """
    why = " ".join(reason.split())[:MOST_REASON]
    if len(why) < LEAST_REASON:
        raise InvalidMemory("a reason is missing; write why you need to read this memory")
    record = service.get_memory(user_id, memory_id)
    activity_log.note("reveal", user_id=user_id, detail=f"memory {memory_id}, reason: {why}")
    st.session_state.setdefault(_REVEALED, {})[record.id] = record.updated_at
    return record


def _is_revealed(record: MemoryRecord) -> bool:
    return st.session_state.get(_REVEALED, {}).get(record.id) == record.updated_at


def _hidden(record: MemoryRecord) -> MemoryRecord:
    return replace(record, memory=HIDDEN, metadata={}, agent_id=None, run_id=None)
