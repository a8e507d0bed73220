"""All users: how many memories each has, and how that is distributed."""

from __future__ import annotations

import streamlit as st

from dashboard import data, routes
from dashboard.ui import charts, tables, times, words

_ROWS_SHOWN = 15


def draw() -> None:
    """Draw every user; a row opens the user."""
    census = data.census()
    if not census.users:
        with st.container(border=True, key="empty"):
            st.subheader("No users yet", anchor=False)
            st.markdown("Save a memory, or load the demo data with `make demo-data`.")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="counted"):
        st.caption(
            f"{words.counted(census.memories, 'memory')} of "
            f"{words.counted(len(census.users), 'user')}, complete. "
            f"As of {times.utc(census.as_of)}.",
            width="content",
        )
        st.button(
            "Count again",
            key="users.again",
            type="tertiary",
            icon=":material/refresh:",
            on_click=data.count_again,
        )
    if chosen := tables.pick_user(census.users, "users.all", at_most=_ROWS_SHOWN):
        routes.open_view(chosen)
    st.caption(
        "Select a row to open the user; a click on a heading sorts, the magnifying glass searches."
    )
    with st.container(key="distribution"):
        st.subheader("How many users have how many memories", anchor=False)
        chart = charts.distribution(census.users)
        st.plotly_chart(chart.figure, key="users.distribution", config=charts.CONFIG, alt=chart.alt)
