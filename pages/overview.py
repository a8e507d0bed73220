"""Overview: where memories are, whether all are where they should be, and what is proven."""

import streamlit as st

from dashboard.auth.visitor import require_access
from dashboard.services import demonstration, memory_calls
from dashboard.ui import status
from dashboard.ui.messages import friendly_errors
from dashboard.views import person_box
from dashboard.views.overview import evidence, summary

require_access()

health = memory_calls.health()
if health.trouble:
    st.title("Overview", anchor=False)
    status.draw_broken_card(health.trouble)
elif state := health.status:
    status.draw_line(health, state)
    person_box.draw("overview.who")
    with friendly_errors():
        summary.draw_figures(state, counting=health.counting)
        if health.counting:
            st.caption("The charts follow as soon as all users are counted.")
        elif state.memories and not demonstration.is_loading():
            evidence.draw(state)
        else:
            summary.draw_empty()
    summary.draw_details(state)
summary.draw_log()
