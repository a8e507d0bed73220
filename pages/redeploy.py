"""Redeploy test: does what is remembered survive a deployment, and what proves it."""

import streamlit as st

from dashboard.auth.visitor import require_access
from dashboard.services import memory_reads
from dashboard.ui.messages import friendly_errors
from dashboard.views.redeploy import history, result, start

require_access()


def draw_broken() -> None:
    """Draw that nothing can be tested here, and where to read why."""
    st.markdown("Nothing can be tested at the moment; the overview says why.")
    st.button("Try again", icon=":material/refresh:", on_click=memory_reads.try_again)


def draw_tests() -> None:
    """Draw what waits, what to do beside what happened, then the proof and earlier runs."""
    start.draw_waiting()
    left, right = st.columns([2, 3], gap="medium")
    with left:
        start.draw()
    with right:
        report = result.draw()
    if report:
        result.draw_probes(report)
    history.draw()


st.title("Redeploy test", anchor=False)
st.caption("Shows in seconds, or around a real deployment, whether memories survive it.")
if memory_reads.health().trouble:
    draw_broken()
else:
    with friendly_errors():
        draw_tests()
