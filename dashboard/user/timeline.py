"""What happened to a user's memories, by day and event by event."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import people
from dashboard.ui import charts, tables, words
from memory_core.records import UserId

LAST: Final = 200
_HEIGHT: Final = 200


def draw(user_id: UserId) -> None:
    """Draw a bar for each day with events, and the newest events as a table."""
    days = people.events_per_day(user_id)
    total = sum(sum(kinds.values()) for kinds in days.values())
    if not total:
        st.caption("Nothing ever happened under this id.")
        return
    chart = charts.events(days, _HEIGHT)
    st.plotly_chart(chart.figure, key="user.events", config=charts.CONFIG, theme="streamlit")
    st.caption(chart.alt)
    newest = people.events(user_id, LAST)[::-1]
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
    st.caption(f"{words.counted(total, 'event')} on record, {shown}; times are UTC")
