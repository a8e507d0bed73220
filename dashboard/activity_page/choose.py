"""Which entries are wanted: by whom, for which user, what, from when to when."""

from __future__ import annotations

import datetime as dt
from typing import Final

import streamlit as st

from memory_core.activity import VERBS, Wanted

_ANYTHING: Final = "Anything"
_WORDS: Final = {_ANYTHING: "", **{
    verb.infinitive.format(user="a user", other="another").capitalize(): action
    for action, verb in VERBS.items()
}}  # fmt: skip


def draw() -> Wanted:
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
