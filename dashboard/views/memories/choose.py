"""Filters of a user's memories, kept in the address, and actions on the memories that match."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.past import MemoryFilter
from memory_core.model.records import MemoryRecord
from memory_core.model.user_id import UserId

from ...services import memory_calls, time_machine, user_actions
from ...services.time_machine import BulkChange
from ...ui import tables
from .. import widgets
from ..user import summary
from . import bulk_change

_ROWS: Final = 2_000
"""Most memories in the table; further ones can only be chosen all together."""

_TEXTS: Final = {"agent": "Agent", "run": "Run", "document": "Part of the document's name"}
_CHOICES: Final = {"source": ("text", "document", "chat"), "expired": ("yes", "no")}
_DAYS: Final = {
    "created-since": "Saved from",
    "created-until": "Saved before",
    "changed-since": "Changed from",
    "changed-until": "Changed before",
}
_ASKED: Final = "asked"
_KEYS: Final = ("text", *_TEXTS, *_CHOICES, *_DAYS, _ASKED)


def draw_filters(user_id: UserId) -> MemoryFilter:
    """Draw the filters, whose values are in the address, and return them."""
    bound: dict[str, Any] = {"bind": "query-params"}
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.text_input(
        "Filter",
        key="text",
        type="search",
        live="300ms",
        icon=":material/filter_list:",
        placeholder="Words in the text",
        **bound,
    )
    with right.popover("More filters", icon=":material/tune:", width="stretch"):
        for key, label in _TEXTS.items():
            st.text_input(label, key=key, **bound)
        for key, options in _CHOICES.items():
            st.selectbox(key.capitalize(), options, index=None, key=key, **bound)
        for key, label in _DAYS.items():
            st.date_input(f"{label} (UTC)", value=None, key=key, **bound)
        if memory_calls.settings().recall_days:
            st.selectbox("Asked for", ("yes", "no"), index=None, key=_ASKED, **bound)
    given = [(key, str(value)) for key in _KEYS if (value := st.session_state.get(key))]
    if given:
        widgets.button("Clear the filters", "choose.clear", _clear, icon="filter_list_off",
                       kind="tertiary")  # fmt: skip
    return time_machine.resolve(user_id, MemoryFilter.read(given))


def draw_chosen(user_id: UserId, records: list[MemoryRecord]) -> None:
    """Draw the memories that match, to choose some or all of them, and the actions."""
    # A new key for other memories, so that none of them are selected.
    version = hash(tuple(record.id for record in records))
    everything = st.checkbox(f"All {len(records):,} that match", key=f"choose.all.{version}")
    shown = records[:_ROWS]
    picked = st.dataframe(
        tables.memory_frame(shown),
        key=f"choose.rows.{version}",
        hide_index=True,
        row_height=tables.ROW_PX,
        on_select="rerun",
        selection_mode="multi-row",
        height=tables.whole_height(len(shown), at_most=12),
        alt="Memories that match, to choose some of them",
        column_config={"Saved": widgets.AGO, "Changed": widgets.AGO},
    )
    if len(shown) < len(records):
        st.caption(f"The first {len(shown):,} of {len(records):,} are shown.")
    rows = [row for row in picked.selection.rows if row < len(shown)]
    chosen = records if everything else [shown[row] for row in rows]
    where = MemoryFilter(ids=frozenset(record.id for record in chosen))
    st.markdown(f"**{counted(len(chosen), 'memory')} chosen.** Each action has a preview.")
    with widgets.row("choose"):
        _draw_actions(user_id, where, nothing=not chosen)


def _draw_actions(user_id: UserId, where: MemoryFilter, *, nothing: bool) -> None:
    delete = BulkChange(user_id, "change_memories", {"where": where, "delete": True})
    widgets.button("Delete", "choose.delete", bulk_change.ask, delete, icon="delete",
                   disabled=nothing)  # fmt: skip
    with st.popover("Set expiry", icon=":material/event_busy:", disabled=nothing):
        day = st.date_input("Last day on which questions find them (UTC)", key="choose.day")
        expiry = BulkChange(user_id, "change_memories", {"where": where, "expires": day})
        widgets.button("Preview", "choose.expire", bulk_change.ask, expiry)
    with st.popover("Restore", icon=":material/history:", disabled=nothing):
        at = st.text_input("To what they were at", key="choose.at", placeholder="2h, yesterday")
        restore = BulkChange(user_id, "restore_user", {"where": where, "at": at})
        widgets.button("Preview", "choose.restore", bulk_change.ask, restore, disabled=not at)
    if not nothing:
        widgets.download(
            "Export",
            lambda: user_actions.export(user_id, "jsonl", False, where),
            summary.file_name("memories", user_id, "jsonl"),
            "choose.export",
        )


def _clear() -> None:
    for key in _KEYS:
        if key in st.session_state:
            st.session_state[key] = None if key in (*_CHOICES, *_DAYS, _ASKED) else ""
