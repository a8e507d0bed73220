"""The time machine: a user's events step by step, memories then and now, and restoring them."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from memory_core.activity import RecallReceipt
from memory_core.ledger.entries import time_in
from memory_core.memories.time_machine import PastMemories
from memory_core.model.counting import counted
from memory_core.model.moments import EVENT_ID
from memory_core.model.past import Change, ChangeReceipt, MemoryFilter
from memory_core.model.records import MemoryRecord
from memory_core.model.user_id import UserId

from ... import routes
from ...auth.roles import Role
from ...auth.visitor import may
from ...services import memory_calls, redeploy, time_machine, user_actions
from ...services.time_machine import BulkChange
from ...ui import charts, text
from ...ui.tables import CELL
from ...ui.text import one_line
from .. import widgets
from ..memories import bulk_change

_AT: Final = "at"
_SAME_SHOWN: Final = 100
_STEP_SHOWN: Final = 5
_CHART_PX: Final = 200
_STATES: Final = {"added": "− only then", "changed": "≠ changed", "deleted": "+ only now"}


def draw(user_id: UserId) -> None:
    """Draw the timeline with its marks, the chosen event, the memories then and now."""
    now = time_machine.past(user_id, time_machine.LATEST)
    if not now.events:
        st.caption("No events under this id.")
        return
    bulk_change.draw(user_id)
    st.text_input(
        "Go to",
        key="time.go",
        on_change=_go,
        placeholder="2h, yesterday, 2025-11-22T14:30, or a commit that was deployed",
        icon=":material/history:",
    )
    place = _place(user_id, now.events)
    event_id = now.events[place]
    _draw_line(user_id, now, time_in(event_id))
    _draw_stepper(now.events, place)
    _draw_step(
        time_machine.step(user_id, now.events[place - 1] if place else None, event_id), event_id
    )
    _draw_state(user_id, time_machine.past(user_id, event_id), now)


def _place(user_id: UserId, events: tuple[str, ...]) -> int:
    """Return the position of the event that the address names by id or moment, else of the last."""
    asked = st.query_params.get(_AT, "")
    if asked and not EVENT_ID.fullmatch(asked):
        asked = time_machine.past(user_id, asked).event_id
        if not asked:
            older = min(user_actions.events_per_day(user_id)) < time_in(events[0]).date()
            since = " Memories created earlier were brought here later." if older else ""
            st.info(f"Nothing was written here by then; this is the first event.{since}")
    elif not asked:
        return len(events) - 1
    return max(0, bisect_right(events, asked) - 1)


def _go() -> None:
    if asked := st.session_state["time.go"].strip():
        st.query_params[_AT] = asked


def _draw_line(user_id: UserId, now: PastMemories, chosen: dt.datetime) -> None:
    marks = charts.marks(memory_calls.starts(), redeploy.past_reports(), now.moves())
    here = st.query_params.to_dict()
    chart = charts.timeline(
        user_actions.events_per_day(user_id),
        marks,
        chosen,
        _CHART_PX,
        lambda moment: routes.address(routes.MEMORIES, **{**here, _AT: moment}),
    )
    widgets.draw_chart(chart)
    st.caption(chart.alt)


def _draw_stepper(events: tuple[str, ...], place: int) -> None:
    def show(number: int) -> None:
        st.query_params[_AT] = events[number - 1]

    with widgets.row("stepper"):
        widgets.button("Previous", "time.previous", show, place, icon="chevron_left",
                       disabled=place == 0)  # fmt: skip
        if len(events) > 1:
            st.session_state["time.event"] = place + 1
            st.slider(
                "Event",
                1,
                len(events),
                key="time.event",
                label_visibility="collapsed",
                on_change=lambda: show(st.session_state["time.event"]),
            )
        widgets.button("Next", "time.next", show, place + 2, icon="chevron_right",
                       disabled=place == len(events) - 1)  # fmt: skip
    at = text.both(time_in(events[place]))
    st.markdown(f"**Event {place + 1:,} of {len(events):,}** · {at}")


def _draw_step(changes: list[Change], event_id: str) -> None:
    if not changes:
        st.caption("This event changed no memory.")
        return
    first = changes[0]
    words = ", ".join(dict.fromkeys((first.who, first.via, first.call)))
    author = f" by {words}" if first.who else ""
    st.text(one_line(f"{counted(len(changes), 'change')}{author}; id {event_id}", 300))
    kinds = [one_line(f"{change.kind} {change.other or ''}", 80) for change in changes]
    columns = {"What": kinds, **bulk_change.frame(changes)}
    widgets.table(columns, "What this event changed", at_most=_STEP_SHOWN)


def _draw_state(user_id: UserId, then: PastMemories, now: PastMemories) -> None:
    receipt = time_machine.difference(user_id, then.event_id)
    st.header("Then and now", anchor=False)
    differing = {*receipt.ids, *dict(receipt.failed)}
    alike = [memory_id for memory_id in then.ids if memory_id not in differing]
    st.markdown(
        f"**{counted(len(then), 'memory')} then, {len(now):,} now.** "
        f"{counted(len(receipt.changes), 'difference')}, {len(alike):,} the same."
    )
    rows = _beside(then, receipt, alike[:_SAME_SHOWN])
    picked = st.dataframe(
        pd.DataFrame(rows.values()),
        key=f"time.table.{then.event_id}.{hash(tuple(rows))}",
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        alt="Each memory as it was at that moment, and as it is now",
    )
    if len(alike) > _SAME_SHOWN:
        st.caption(f"The same then and now: {len(alike) - _SAME_SHOWN:,} more.")
    if not receipt.changes or not may(Role.OPERATOR):
        return
    chosen = frozenset([*rows][row] for row in picked.selection.rows if row < len(rows))
    keep = st.toggle("Keep what was saved since", key="time.keep")
    options = {"at": then.event_id, "keep_newer": keep}
    some = BulkChange(user_id, "restore_user", {**options, "where": MemoryFilter(ids=chosen)})
    with widgets.row():
        label = f"Bring back {counted(len(chosen), 'chosen memory', 'chosen memories')}"
        widgets.button(label, "time.chosen", bulk_change.ask, some, icon="restore",
                       disabled=not chosen)  # fmt: skip
        widgets.button("Bring back all of this moment", "time.all", bulk_change.ask,
                       BulkChange(user_id, "restore_user", options), icon="history")  # fmt: skip


def draw_given(user_id: UserId) -> None:
    """Draw the memories returned to a program's question, and what they are now."""
    receipts = time_machine.recalls(user_id)
    if receipts is None:
        return
    st.header("What the assistant was given", anchor=False)
    if not receipts:
        st.caption("No question of a program is on record.")
        return
    asked = st.selectbox("Asked", receipts, format_func=_asked, key="given.asked")
    then = time_machine.past(user_id, asked.at)
    rows = _beside(
        then, time_machine.difference(user_id, asked.at, frozenset(asked.ids)), asked.ids
    )
    given = [
        {"Rank": rank, "Score": score, **rows.get(memory_id, {"Difference": "gone"})}
        for rank, (memory_id, score) in enumerate(asked.given, 1)
    ]
    widgets.table(given, "Memories that were given, and what they are now")


def _asked(receipt: RecallReceipt) -> str:
    agent = f", agent {one_line(receipt.agent, 40)}" if receipt.agent else ""
    given = counted(len(receipt.given), "memory")
    return f"{receipt.at:%A}, {text.utc(receipt.at)}{agent}: {given} given ({receipt.mode})"


def _beside(
    then: PastMemories, receipt: ChangeReceipt, alike: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return by id what memories were and what they are now; those that differ come first."""
    rows = {
        change.id: _row(_STATES[change.kind], change.after, change.before)
        for change in receipt.changes
    }
    for memory_id, reason in receipt.failed:
        rows[memory_id] = {"Difference": "→ moved", "Then": "", "Now": one_line(reason, CELL)}
    unchanged = time_machine.records(then, [key for key in alike if key not in rows])
    return rows | {key: _row("same", record, record) for key, record in unchanged.items()}


def _row(mark: str, then: MemoryRecord | None, now: MemoryRecord | None) -> dict[str, str]:
    texts = (one_line(record.memory, CELL) if record else "" for record in (then, now))
    return dict(zip(("Difference", "Then", "Now"), (mark, *texts), strict=True))
