"""Users: who has how many memories, and where the lost ones may be."""

import streamlit as st

from dashboard import data, routes
from dashboard.auth.guard import require_access
from dashboard.ui import tables, words
from dashboard.ui.errors import friendly_errors, show_trouble
from dashboard.users import found

require_access()


def draw_all() -> None:
    """Draw every user; a row opens the user's memories."""
    users = data.users()
    if not users:
        with st.container(border=True, key="empty"):
            st.subheader("No users yet", anchor=False)
            st.markdown("Save a memory, or load the demo data with `make demo-data`.")
        return
    total = sum(user.memories for user in users)
    st.caption(
        f"{words.counted(total, 'memory')} of {words.counted(len(users), 'user')}, complete. "
        "Select a row to see the memories."
    )
    if chosen := tables.pick_user(users, "users.all", at_most=20):
        routes.open_user(chosen)


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
            answer = data.find(asked)
            found.draw(answer)
            found.draw_placeholders(answer.placeholders)
        else:
            draw_all()
