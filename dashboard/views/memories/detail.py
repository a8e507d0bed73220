"""One memory in full: text, metadata, times, id, history, and its change."""

import datetime as dt
from typing import Final

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.past import MemoryFilter
from memory_core.model.payload import NEVER
from memory_core.model.records import MemoryRecord

from ...auth.roles import Role
from ...auth.visitor import may
from ...services import memory_calls, privacy
from ...services.time_machine import BulkChange
from ...ui import actions, tables, text
from ...ui.messages import friendly_errors
from ...ui.text import one_line, shorten, show_memory
from .. import widgets
from . import bulk_change

MEMORY: Final = "memory"
_ACTION: Final = "detail"
_LABEL_PX: Final = 72
# The range that the field accepts; dates outside it, from other tools, are kept.
_FIRST_DAY, _LAST_DAY = dt.date(1970, 1, 1), dt.date(9999, 12, 31)
_HIDDEN: Final = (
    "Past its expiry date, so questions do not find it. Edit shows and changes the date."
)
_EDITED: Final = "detail.edited"


def draw(record: MemoryRecord) -> None:
    """Draw the memory and what can be done with it."""
    with st.container(border=True, key="detail"):
        if st.session_state.get(_EDITED) == record.id:
            _draw_editor(record)
            return
        if privacy.is_hidden(record):
            _draw_hidden(record)
        else:
            show_memory(record.memory, key="detail.more")
        _draw_facts(record)
        with st.container(horizontal=True, gap="small"):
            if may(Role.OPERATOR):
                st.button("Edit", icon=":material/edit:", on_click=_edit, args=(record,))
                st.button("Delete", icon=":material/delete:", on_click=_delete, args=(record,))
            st.button("Close", icon=":material/close:", type="tertiary", on_click=_close)
        _draw_history(record)


def draw_outcome() -> None:
    """Draw the result of the last change."""
    if done := widgets.outcome(_ACTION):
        st.success(done, icon=":material/check_circle:")


def _close() -> None:
    st.query_params.pop(MEMORY, None)


def _draw_hidden(record: MemoryRecord) -> None:
    """Draw the field for the reason, and the button that reveals this one memory."""
    key = f"hidden.why.{record.id}"
    with st.form(f"hidden.{record.id}", border=False):
        st.text_input(
            "Why do you need to read this memory?",
            key=key,
            max_chars=privacy.MOST_REASON,
            placeholder="The customer asks what is stored about their order",
        )
        st.form_submit_button(
            "Reveal", icon=":material/visibility:", on_click=_reveal, args=(record, key)
        )
    st.caption("Your name, the reason and the time are recorded.")
    widgets.outcome("hidden")


def _reveal(record: MemoryRecord, key: str) -> None:
    why = st.session_state[key]
    actions.action("hidden").do(lambda: memory_calls.reveal(record.user_id, record.id, why))


def _draw_facts(record: MemoryRecord) -> None:
    if not record.indexed:
        st.warning("Recorded, but not searchable yet.", icon=":material/schedule:")
    if record.expired:
        st.warning(_HIDDEN, icon=":material/event_busy:")
    _draw_fact("Saved", record.created_at)
    if record.updated_at > record.created_at:
        _draw_fact("Changed", record.updated_at)
    if record.expires:
        _draw_fact("Expires", text.expiry(record))
    for label, value in (("Role", record.role), ("Agent", record.agent_id), ("Run", record.run_id)):
        if value:
            _draw_fact(label, value)
    with widgets.row():
        st.caption("Id", width=_LABEL_PX)
        st.text(shorten(record.id))
        with st.popover("Copy id", icon=":material/content_copy:", type="tertiary"):
            st.code(one_line(record.id), language=None)
    if record.metadata:
        st.caption("Metadata")
        keys = [one_line(key, tables.CELL) for key in record.metadata]
        values = [one_line(value, tables.CELL) for value in record.metadata.values()]
        widgets.table({"Key": keys, "Value": values}, "Metadata of this memory")


def _draw_history(record: MemoryRecord) -> None:
    if part := widgets.folded("History", "detail.history"):
        with part, friendly_errors():
            events = memory_calls.history(record.user_id, record.id)
            widgets.table(
                tables.event_frame(events),
                "The history of this memory",
                column_config={"When": widgets.EXACT},
            )
            st.caption(f"{counted(len(events), 'event')}, complete, oldest first; times are UTC")


def _draw_editor(record: MemoryRecord) -> None:
    action = actions.action(_ACTION)
    # Not a form, which would lose what was typed when another tab is opened.
    st.text_area("Text", key="detail.text", height=220, persist_state="session")
    st.date_input(
        "Last day on which questions find it (UTC); empty for ever",
        value=None,
        min_value=_FIRST_DAY,
        max_value=_LAST_DAY,
        key="detail.expires",
        persist_state="session",
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Save change",
            type="primary",
            icon=":material/save:",
            disabled=action.busy,
            shortcut="Ctrl+Enter",
            on_click=_change,
            args=(record, action),
        )
        st.button("Cancel", type="tertiary", on_click=_stop_editing)
    action.run("Saving and reading back…")


def _edit(record: MemoryRecord) -> None:
    actions.action(_ACTION).outcome = None
    st.session_state[_EDITED] = record.id
    st.session_state["detail.text"] = record.memory
    st.session_state["detail.expires"] = _in_range(record.expires)


def _in_range(day: dt.date | None) -> dt.date | None:
    return day and min(max(day, _FIRST_DAY), _LAST_DAY)


def _stop_editing() -> None:
    st.session_state.pop(_EDITED, None)


def _change(record: MemoryRecord, action: actions.Action) -> None:
    changed_text = st.session_state["detail.text"]
    expires: dt.date | None = st.session_state["detail.expires"]

    def change() -> str:
        same = expires == _in_range(record.expires)
        new_expiry = None if same else expires or NEVER
        changed = memory_calls.change_memory(record.user_id, record.id, changed_text, new_expiry)
        _stop_editing()
        checked = f"Changed, {'verified' if changed.verified else 'not verified'}."
        return f"{checked} {_HIDDEN}" if changed.expired else checked

    action.ask(change, record.id, changed_text, expires)


def _delete(record: MemoryRecord) -> None:
    actions.action(_ACTION).outcome = None
    where = MemoryFilter(ids=frozenset([record.id]))
    bulk_change.ask(BulkChange(record.user_id, "change_memories", {"where": where, "delete": True}))


def _draw_fact(label: str, fact: str | dt.datetime) -> None:
    with st.container(horizontal=True, gap="small"):
        st.caption(label, width=_LABEL_PX)
        if isinstance(fact, str):
            st.text(one_line(fact, 200), width="stretch")
            return
        with st.container(width="stretch", gap=None):
            st.markdown(text.ago(fact))
            st.caption(text.utc(fact))
