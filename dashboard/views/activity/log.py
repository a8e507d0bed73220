"""The entries as a table, each a sentence; more of them, and all of them as a file."""

from __future__ import annotations

import datetime as dt
from typing import Final

import pandas as pd
import streamlit as st

from memory_core.activity import VERBS, ActivityEntry, Page, Wanted
from memory_core.render.activity_log import entry_sentence

from ...auth.roles import Role
from ...auth.visitor import bound, may
from ...services import activity_log
from ...ui import tables, text
from ...ui.text import one_line

AT_ONCE = 100
_MOST = 2_000
_SHOWN = 16
_LIMIT = "activity.limit"


def draw(wanted: Wanted) -> None:
    """Draw the newest entries that are wanted."""
    if st.session_state.get("activity.wanted") != wanted:
        st.session_state["activity.wanted"], st.session_state[_LIMIT] = wanted, AT_ONCE
    page = activity_log.page(wanted, st.session_state[_LIMIT])
    if page.entries:
        _draw_table(page.entries)
    else:
        _draw_nothing(wanted, page)
    _draw_below(page)
    if page.entries:
        _draw_export(wanted)


def _draw_table(entries: tuple[ActivityEntry, ...]) -> None:
    st.dataframe(
        pd.DataFrame(
            {
                "When": [one.at for one in entries],
                "What": [one_line(entry_sentence(one), 400) for one in entries],
                "From": [one_line(one.actor.address) for one in entries],
                "As": [_role(one) for one in entries],
            }
        ),
        key="activity.table",
        hide_index=True,
        height=tables.whole_height(len(entries), _SHOWN),
        alt="Who did what, newest first",
        column_config={
            "When": st.column_config.DatetimeColumn(
                format="D MMM YYYY, HH:mm:ss", timezone="UTC", width=175
            ),
            "What": st.column_config.TextColumn(width="large"),
            "From": st.column_config.TextColumn(width=115),
            "As": st.column_config.TextColumn(width=100),
        },
    )


def _role(entry: ActivityEntry) -> str:
    actor = entry.actor
    return one_line(actor.role if actor.via == "dashboard" else actor.via)


def _draw_nothing(wanted: Wanted, page: Page) -> None:
    with st.container(border=True, key="empty"):
        if wanted == Wanted() and page.before is None:
            st.subheader("No activity yet", anchor=False)
            st.markdown("What people do here is listed from now on; open a user to see it begin.")
        else:
            st.subheader("Nothing that fits", anchor=False)
            st.markdown("Take a filter away, or look further back.")


def _draw_below(page: Page) -> None:
    count = text.counted(len(page.entries), "entry")
    since = f" back to {text.utc(page.back_to)}" if page.back_to else ""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="older"):
        if page.before is None:
            st.caption(f"{count}, complete, newest first; times are UTC.", width="content")
        else:
            st.caption(f"{count}, looked{since}; there are older ones.", width="content")
            if st.session_state[_LIMIT] < _MOST:
                st.button(
                    "Older entries",
                    key="activity.older",
                    type="tertiary",
                    icon=":material/expand_more:",
                    on_click=_show_more,
                )
            else:
                st.caption("Narrow the dates to see more.", width="content")


def _show_more() -> None:
    st.session_state[_LIMIT] = min(_MOST, st.session_state[_LIMIT] * 2)


def _draw_export(wanted: Wanted) -> None:
    if not may(Role.ADMIN):
        return
    day = f"{dt.datetime.now(dt.UTC):%Y%m%d}"
    with st.container(horizontal=True, gap="small", key="export"):
        for label, kind, mime in (
            ("Export as CSV", "csv", "text/csv"),
            ("Export as JSON Lines", "jsonl", "application/jsonl"),
        ):
            st.download_button(
                label,
                bound(lambda kind=kind: activity_log.export(wanted, kind)),
                file_name=f"activity-{day}.{kind}",
                mime=mime,
                icon=":material/download:",
                key=f"activity.export.{kind}",
                on_click="ignore",
            )


_ANYTHING: Final = "Anything"
_WORDS: Final = {_ANYTHING: "", **{
    verb.infinitive.format(user="a user", other="another").capitalize(): action
    for action, verb in VERBS.items()
}}  # fmt: skip


def draw_filters() -> Wanted:
    """Draw the filters and return what they say; dates are UTC days, both included."""
    with st.container(horizontal=True, gap="small", key="filters"):
        user = st.text_input(
            "User",
            key="activity.user",
            bind="query-params",
            placeholder="An id in any form",
            max_chars=300,
        )
        who = st.text_input(
            "Who", key="activity.who", placeholder="A part of the name", max_chars=100
        )
        what = st.selectbox("What", list(_WORDS), key="activity.what")
        first = st.date_input("From", value=None, key="activity.from", format="YYYY-MM-DD")
        last = st.date_input("To", value=None, key="activity.to", format="YYYY-MM-DD")
    until = last + dt.timedelta(days=1) if last else None
    return Wanted(who.strip(), _WORDS[what], user.strip(), _midnight(first), _midnight(until))


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return dt.datetime.combine(day, dt.time(), dt.UTC) if day else None
