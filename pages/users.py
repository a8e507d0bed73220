"""Users: search for one, list all, and compare the store with the ledger."""

import streamlit as st

from dashboard.auth.visitor import require_access
from dashboard.services import memory_calls
from dashboard.ui.messages import friendly_errors, show_trouble
from dashboard.views import person_box
from dashboard.views.users import list

require_access()

st.title("Users", anchor=False)
health = memory_calls.health()
if health.trouble:
    show_trouble(health.trouble)
else:
    with friendly_errors():
        if not person_box.draw("who", bind="query-params"):
            list.draw()
