"""The user's id, counts and similar ids; the timeline of events; the export."""

from __future__ import annotations

import datetime as dt
from typing import Final

import streamlit as st

from memory_core.memories.find_user import is_placeholder
from memory_core.model.census import UserSearch
from memory_core.model.counting import counted
from memory_core.model.user_id import UserId
from memory_core.render.text import visible
from memory_core.transfer.format import Kind

from ... import routes
from ...services import user_actions
from ...ui import charts, tables, text
from ...ui.text import one_line
from .. import widgets

LAST: Final = 200
_SIMILAR_SHOWN: Final = 5
_CHART_PX: Final = 200
_KINDS: Final[dict[str, Kind]] = {"JSON Lines, for another Holdfast": "jsonl", "CSV": "csv"}


def draw(user_id: UserId) -> UserSearch:
    """Draw the id, the counts and the warnings; return what is known of the id."""
    known = user_actions.known(user_id)
    with st.container(border=True, key="who"):
        with widgets.row():
            st.markdown(":material/person:", width="content")
            st.text(visible(user_id))
        if known.user is None:
            st.markdown("**Nothing was ever saved under this id.**")
        else:
            st.markdown(f"**{counted(known.user.memories, 'memory')}**, complete")
            st.caption(
                f"First event {text.both(known.user.first_write)}  \n"
                f"Last event {text.both(known.user.last_write)}"
            )
        if is_placeholder(user_id):
            st.warning(
                "Programs write this id for an unknown user: several people's memories may be "
                "under it.",
                icon=":material/no_accounts:",
            )
        _draw_similar(known)
    return known


def _draw_similar(known: UserSearch) -> None:
    similar = [(close, close.user) for close in known.close if close.user and close.user.memories]
    if not similar:
        return
    st.warning(
        f"{counted(len(similar), 'similar id')} with memories: the assistant does not look there.",
        icon=":material/join_inner:",
    )
    for number, (close, user) in enumerate(similar[:_SIMILAR_SHOWN]):
        with widgets.row():
            st.text(
                f"{one_line(visible(close.user_id), 80)}  ·  "
                f"{counted(user.memories, 'memory')}  ·  {'; '.join(close.reasons)}"
            )
            if st.button("Open", key=f"who.close.{number}", type="tertiary"):
                routes.open_view(close.user_id)


def draw_timeline(user_id: UserId) -> None:
    """Draw a bar for each day with events, and the newest events as a table."""
    days = user_actions.events_per_day(user_id)
    total = sum(sum(kinds.values()) for kinds in days.values())
    if not total:
        st.caption("No events under this id.")
        return
    chart = charts.events(days, _CHART_PX)
    st.plotly_chart(chart.figure, key="user.events", config=charts.CONFIG, theme="streamlit")
    st.caption(chart.alt)
    newest = user_actions.events(user_id, LAST)[::-1]
    widgets.table(
        tables.event_frame(newest),
        "The newest events of this user",
        column_config={"When": widgets.EXACT},
    )
    shown = "complete" if len(newest) == total else f"the newest {len(newest):,}"
    st.caption(f"{counted(total, 'event')} on record, {shown}; times are UTC")


def draw_export(user_id: UserId, known: UserSearch) -> None:
    """Draw the choice of the format, and the download."""
    count = known.user.memories if known.user else 0
    if not count:
        st.caption("This user has no memories to export.")
        return
    kind = _KINDS[st.radio("As", list(_KINDS), key="user.export.kind")]
    vectors = kind == "jsonl" and st.toggle("With the vectors", key="user.export.vectors")
    st.caption(
        "Vectors make the file larger; with the same model nothing is re-embedded on import."
        if kind == "jsonl"
        else "Cells that a spreadsheet would run as a formula are made harmless."
    )
    widgets.download(
        f"Export {counted(count, 'memory')}",
        lambda: user_actions.export(user_id, kind, vectors),
        f"memories-{dt.datetime.now(dt.UTC):%Y%m%d}.{kind}",
        "user.export",
    )
    st.caption(
        "The file ends with the number of its memories and a checksum. "
        "`python -m memory_core import FILE` imports it, and proves by counts that all arrived."
    )
