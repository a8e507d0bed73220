"""The way to the doctor from other pages, with what it said last."""

from __future__ import annotations

import streamlit as st

from dashboard import routes
from dashboard.ui import times, words
from memory_core.doctor import Level

from . import work


def draw() -> None:
    """Draw the link; what the doctor said is known without asking anybody."""
    with st.container(key="doctor-link"):
        st.page_link(routes.DOCTOR, label=_label(work.last()), icon=":material/stethoscope:")


def _label(last: work.Last | None) -> str:
    if last is None or not last.whole:
        return "Ask the doctor whether everything is well"
    summary, when = last.diagnosis.summary, times.ago(last.diagnosis.taken_at)
    found = [
        words.counted(summary[level.value], noun)
        for level, noun in ((Level.ERROR, "problem"), (Level.WARNING, "warning"))
        if summary[level.value]
    ]
    return f"The doctor found {' and '.join(found) or 'nothing wrong'}, {when}"
