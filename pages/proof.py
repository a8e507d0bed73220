"""Proof: how long memories have been watched, through which deployments, and what was lost."""

import streamlit as st

from dashboard.auth.visitor import require_access
from dashboard.services import memory_calls
from dashboard.ui import status
from dashboard.ui.messages import friendly_errors
from dashboard.views.proof import standing

require_access()

st.title("Proof", anchor=False)
st.caption(
    "Probes stay in the store and are read back: they show that memories are kept, and since when."
)
if state := memory_calls.health().status:
    with friendly_errors():
        standing.draw(state)
else:
    status.draw_unavailable("Nothing can be proven")
