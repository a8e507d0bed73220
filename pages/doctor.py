"""Doctor: why memories are missing or not persistent, what to do, and what the logs say."""

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import may, require_access
from dashboard.ui import frame
from dashboard.ui.text import show
from dashboard.views.doctor import checks, logs, scenes

who = require_access()
DRAW = {checks.NAME: checks.draw}
if may(Role.OPERATOR):
    # A log holds what users said under which id.
    DRAW |= {logs.NAME: logs.draw, scenes.NAME: scenes.draw}

# Does not use the storage: this page has to work when the storage does not.
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.title("Doctor", anchor=False, width="content")
    if may(Role.OPERATOR):
        checks.draw_bundle()
st.caption("Finds out why memories are missing or not persistent, and says what to do.")
for name, tab in frame.draw_tabs(DRAW, key=checks.TAB, parameter="tab", first=checks.NAME).items():
    if tab.open:
        with tab:
            DRAW[name]()
if who.address:
    show(
        f"Your address as the dashboard sees it: {who.address}. Sign-in attempts are counted per "
        "address; if it is not yours, DASHBOARD_PROXIES is wrong."
    )
