"""Activity: who did what with whose memories, and whether that log is as it was written."""

import streamlit as st

from dashboard import activity, data
from dashboard.activity_page import chain, choose, entries
from dashboard.auth.guard import require_access
from dashboard.auth.roles import Role
from dashboard.ui import allowed, words
from dashboard.ui.errors import friendly_errors, show_trouble

require_access()


def draw_log() -> None:
    """Draw how long entries are kept, the filters, the entries, the check."""
    kept = activity.days()
    until = (
        f"are removed after {words.counted(kept, 'day', 'days')}" if kept else "are kept for ever"
    )
    st.caption(
        f"Who did what with whose memories, without what they say. Entries {until}; users who were "
        "forgotten are not named any more."
    )
    wanted = choose.draw()
    entries.draw(wanted)
    chain.draw()


st.title("Activity", anchor=False)
health = data.health()
if health.trouble:
    show_trouble(health.trouble)
elif allowed.draw_unless(Role.OPERATOR):
    with friendly_errors():
        draw_log()
