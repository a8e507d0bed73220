"""Users: who has how many memories, and where the lost ones may be."""

import streamlit as st

from dashboard import data
from dashboard.auth.guard import require_access
from dashboard.ui.errors import friendly_errors, show_trouble
from dashboard.users import compare, everyone, found, work

require_access()

st.title("Users", anchor=False)
health = data.health()
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
            seen = work.last_comparison()
            answer = data.find(asked, seen and seen.scan, seen and seen.elsewhere)
            found.draw(answer)
            found.draw_placeholders(answer.placeholders)
        else:
            everyone.draw()
            compare.draw()
