"""Redeploy test: does what is remembered survive a deployment, and what proves it."""

import streamlit as st

from dashboard import data
from dashboard.auth.guard import require_access
from dashboard.redeploy import choose, happened, proof, timeline, waiting
from dashboard.ui.errors import friendly_errors

require_access()


def draw_broken() -> None:
    """Draw that nothing can be tested here, and where to read why."""
    st.markdown("Nothing can be tested at the moment; the overview says why.")
    st.button("Try again", icon=":material/refresh:", on_click=data.try_again)


def draw_tests() -> None:
    """Draw what waits, what to do beside what happened, then the proof and earlier runs."""
    waiting.draw()
    left, right = st.columns([2, 3], gap="medium")
    with left:
        choose.draw()
    with right:
        report = happened.draw()
    if report:
        proof.draw(report)
    timeline.draw()


st.title("Redeploy test", anchor=False)
st.caption("Shows in seconds, or around a real deployment, whether memories survive it.")
if data.health().trouble:
    draw_broken()
else:
    with friendly_errors():
        draw_tests()
