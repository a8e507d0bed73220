"""Users: search for one, list all, and compare the store with the ledger."""

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
            compared = user_actions.last_comparison()
            places = (compared.scan, compared.elsewhere) if compared else (None, None)
            answer = memory_reads.find(asked, *places)
            find.draw(answer)
        else:
            list.draw()
