"""Redeploy test: prove that memories survive a deployment."""

import streamlit as st

from dashboard import routes
from dashboard.auth.visitor import require_access
from dashboard.services import memory_calls
from dashboard.ui import status
from dashboard.ui.messages import friendly_errors
from dashboard.views.redeploy import result, start

require_access()

st.title("Redeploy test", anchor=False)
st.caption("Shows whether memories survive a deployment: one simulated in seconds, or a real one.")
if memory_calls.health().trouble:
    status.draw_unavailable("Nothing can be tested")
else:
    with friendly_errors():
        start.draw_waiting()
        left, right = st.columns([2, 3], gap="medium")
        with left:
            start.draw()
        with right:
            report = result.draw()
        if report:
            result.draw_probes(report)
        st.page_link(routes.PROOF, label="Earlier tests, and the standing proof")
