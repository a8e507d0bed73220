"""Who it is, how much is there, and what is unusual about the id."""

from __future__ import annotations

import datetime as dt
from typing import Final

import streamlit as st

from memory_core.memories.find_user import is_placeholder
from memory_core.model.census import UserSearch
from memory_core.model.records import UserId
from memory_core.render.text import visible
from memory_core.transfer import Kind

from ... import routes
from ...auth.visitor import bound
from ...services import user_actions
from ...ui import charts, tables, text
from ...ui.text import one_line


def draw(user_id: UserId) -> UserSearch:
    """Draw the id, the counts and the findings; return what is known of the id."""
    found = user_actions.known(user_id)
    with st.container(border=True, key="who"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(":material/person:", width="content")
            st.text(visible(user_id))
        if found.user is None:
            st.markdown("**Nothing was ever saved under this id.**")
        else:
            st.markdown(f"**{text.counted(found.user.memories, 'memory')}**, complete")
            st.caption(
                f"First event {text.both(found.user.first_write)}  \n"
                f"Last event {text.both(found.user.last_write)}"
            )
        _draw_findings(user_id, found)
    return found


def _draw_findings(user_id: UserId, found: UserSearch) -> None:
    if is_placeholder(user_id):
        st.warning(
            "Programs write this id when they know nobody: several people's memories may be "
            "under it.",
            icon=":material/no_accounts:",
        )
    close = [(one, one.user) for one in found.close if one.user and one.user.memories]
    if not close:
        return
    st.warning(
        f"{text.counted(len(close), 'id')} close to this one "
        f"{'has' if len(close) == 1 else 'have'} memories too; the assistant asks for none "
        "of them.",
        icon=":material/join_inner:",
    )
    for at, (one, user) in enumerate(close[:5]):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.text(
                f"{one_line(visible(one.user_id), 80)}  ·  "
                f"{text.counted(user.memories, 'memory')}  ·  {'; '.join(one.reasons)}"
            )
            if st.button("Open", key=f"who.close.{at}", type="tertiary"):
                routes.open_view(one.user_id)


LAST: Final = 200
_HEIGHT: Final = 200


def draw_timeline(user_id: UserId) -> None:
    """Draw a bar for each day with events, and the newest events as a table."""
    days = user_actions.events_per_day(user_id)
    total = sum(sum(kinds.values()) for kinds in days.values())
    if not total:
        st.caption("Nothing ever happened under this id.")
        return
    chart = charts.events(days, _HEIGHT)
    st.plotly_chart(chart.figure, key="user.events", config=charts.CONFIG, theme="streamlit")
    st.caption(chart.alt)
    newest = user_actions.events(user_id, LAST)[::-1]
    st.dataframe(
        tables.event_frame(newest),
        hide_index=True,
        height=tables.whole_height(len(newest), 12),
        alt="The newest events of this user",
        column_config={
            "When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss", timezone="UTC")
        },
    )
    shown = "complete" if len(newest) == total else f"the newest {len(newest):,}"
    st.caption(f"{text.counted(total, 'event')} on record, {shown}; times are UTC")


_KINDS: Final[dict[str, Kind]] = {"JSON Lines, for another Holdfast": "jsonl", "CSV": "csv"}


def draw_export(user_id: UserId, found: UserSearch) -> None:
    """Draw what kind of file it is to be, and the button that makes it."""
    count = found.user.memories if found.user else 0
    if not count:
        st.caption("This user has no memories to export.")
        return
    kind = _KINDS[st.radio("As", list(_KINDS), key="user.export.kind")]
    vectors = kind == "jsonl" and st.toggle("With the vectors", key="user.export.vectors")
    st.caption(
        "With its vectors a file is larger, and is not embedded anew where the same model is used."
        if kind == "jsonl"
        else "Cells that a spreadsheet would take for a formula are made harmless."
    )
    st.download_button(
        f"Export {text.counted(count, 'memory')}",
        bound(lambda: user_actions.export(user_id, kind, vectors)),
        file_name=f"memories-{dt.datetime.now(dt.UTC):%Y%m%d}.{kind}",
        mime="text/csv" if kind == "csv" else "application/jsonl",
        icon=":material/download:",
        key="user.export",
    )
    st.caption(
        "The file says at its end how many memories it holds, and a checksum. "
        "`python -m memory_core import FILE` takes it in, and proves by counts that all is there."
    )
