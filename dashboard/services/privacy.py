"""Texts of memories, which a viewer reads one at a time and only with a reason."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import streamlit as st

from memory_core.model.records import Event, MemoryRecord

from ..auth.roles import Role
from ..auth.visitor import may

HIDDEN: Final = "Hidden"
LEAST_REASON: Final = 5
MOST_REASON: Final = 200
_REVEALED: Final = "texts.revealed"


def reads_all() -> bool:
    """Return whether the visitor may read texts without giving a reason for each."""
    return may(Role.OPERATOR)


def records_for_visitor(records: list[MemoryRecord]) -> list[MemoryRecord]:
    """Return the records, for a viewer without the texts not revealed in this session."""
    if reads_all():
        return records
    return [record if _is_revealed(record) else _hidden(record) for record in records]


def events_for_visitor(events: Iterable[Event]) -> list[Event]:
    """Return the events, for a viewer without texts."""
    if reads_all():
        return list(events)
    return [replace(event, memory=HIDDEN if event.memory else None) for event in events]


def shown_detail(shown: Sequence[MemoryRecord | Event]) -> str | None:
    """Return the detail of the activity entry for texts that were shown, None without any."""
    if not any(item.memory for item in shown):
        return None
    return "" if reads_all() else "texts hidden"


def is_hidden(record: MemoryRecord) -> bool:
    """Return whether the text of this record was withheld from the visitor."""
    return record.memory == HIDDEN and not reads_all() and not _is_revealed(record)


def remember_revealed(record: MemoryRecord) -> None:
    """Show the text of this record to the viewer for the rest of the session."""
    st.session_state.setdefault(_REVEALED, {})[record.id] = record.updated_at


def _is_revealed(record: MemoryRecord) -> bool:
    return bool(st.session_state.get(_REVEALED, {}).get(record.id) == record.updated_at)


def _hidden(record: MemoryRecord) -> MemoryRecord:
    return replace(record, memory=HIDDEN, metadata={}, agent_id=None, run_id=None)
