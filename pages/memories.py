"""Memories: choose a user, then save, search or browse their memories."""

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import require_access
from dashboard.services import memory_reads
from dashboard.ui import status, tables
from dashboard.ui.messages import draw_unless, friendly_errors
from dashboard.views.memories import browse, choose_user, save, search
from dashboard.views.memories.choose_user import choose_next, choose_person
from memory_core.model.counting import counted

require_access()
DRAW = {
    choose_user.SAVE: save.draw,
    choose_user.SEARCH: search.draw,
    choose_user.BROWSE: browse.draw,
}


def suggest_users() -> None:
    """Draw the users to choose from."""
    users = memory_reads.users()
    if not users:
        st.markdown(
            "**No memories yet.** Type a user's e-mail address above and save the first one."
        )
        return
    st.caption(f"Type a user above, or select one of {counted(len(users), 'user')} with memories.")
    if chosen := tables.pick_user(users, "memories.users"):
        choose_user.go_to(choose_user.BROWSE)
        choose_next(chosen)


def draw_memories() -> None:
    """Draw the choice of a user, then the tabs."""
    person = choose_person()
    if person is None:
        suggest_users()
        return
    for name, tab in choose_user.draw_tabs().items():
        if tab.open:
            with tab, friendly_errors():
                if name == choose_user.BROWSE or draw_unless(Role.OPERATOR):
                    DRAW[name](person)


st.title("Memories", anchor=False)
if memory_reads.health().trouble:
    status.draw_unavailable("Memories cannot be shown or saved")
else:
    with friendly_errors():
        draw_memories()
