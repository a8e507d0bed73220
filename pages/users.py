"""Users: who has how many memories, and where the lost ones may be."""

import streamlit as st

from dashboard.auth.visitor import require_access
from dashboard.services import memory_reads, user_actions
from dashboard.ui.messages import friendly_errors, show_trouble
from dashboard.views.users import find, list

require_access()

st.title("Users", anchor=False)
health = memory_reads.health()
if health.trouble:
    show_trouble(health.trouble)
else:
    asked = st.text_input(
        "Who",
        key="who",
        bind="query-params",
        placeholder="An e-mail address in any form, a name, or a memory's id",
        icon=":material/person_search:",
        max_chars=300,
    )
    with friendly_errors():
        if asked:
            seen = user_actions.last_comparison()
            answer = memory_reads.find(asked, seen and seen.scan, seen and seen.elsewhere)
            find.draw(answer)
        else:
            list.draw()
