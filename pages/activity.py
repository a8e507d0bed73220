"""Activity: who did what to whose memories, and whether the log is intact."""

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import require_access
from dashboard.services import activity_log, memory_calls
from dashboard.ui.messages import draw_unless, friendly_errors, show_trouble
from dashboard.views.activity import log
from memory_core.model.counting import counted

require_access()

st.title("Activity", anchor=False)
health = memory_calls.health()
if health.trouble:
    show_trouble(health.trouble)
elif draw_unless(Role.OPERATOR):
    with friendly_errors():
        kept = activity_log.days()
        until = f"are removed after {counted(kept, 'day')}" if kept else "are kept for ever"
        st.caption(
            "Who did what to whose memories, without their texts. "
            f"Entries {until}; forgotten users are no longer named."
        )
        log.draw()
