"""Activity: who did what with whose memories, and whether that log is as it was written."""

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import require_access
from dashboard.services import activity_log, memory_reads
from dashboard.ui import messages, text
from dashboard.ui.messages import friendly_errors, show_trouble
from dashboard.views.activity import log

require_access()


def draw_log() -> None:
    """Draw how long entries are kept, the filters, the entries, the check."""
    kept = activity_log.days()
    until = (
        f"are removed after {text.counted(kept, 'day', 'days')}" if kept else "are kept for ever"
    )
    st.caption(
        f"Who did what with whose memories, without what they say. Entries {until}; users who were "
        "forgotten are not named any more."
    )
    log.draw()


st.title("Activity", anchor=False)
health = memory_reads.health()
if health.trouble:
    show_trouble(health.trouble)
elif messages.draw_unless(Role.OPERATOR):
    with friendly_errors():
        draw_log()
