"""Memories: choose a user, then save, search or browse what is remembered about them."""

import streamlit as st

from dashboard import data
from dashboard.auth.guard import require_access
from dashboard.auth.roles import Role
from dashboard.memories import browse, save, search, tabs
from dashboard.memories.person import choose_next, choose_person
from dashboard.ui import tables, words
from dashboard.ui.allowed import draw_unless
from dashboard.ui.errors import friendly_errors

require_access()
DRAW = {tabs.SAVE: save.draw, tabs.SEARCH: search.draw, tabs.BROWSE: browse.draw}


def draw_broken() -> None:
    """Draw that nothing can be done here, and where to read why."""
    st.markdown("Memories cannot be shown or saved at the moment; the overview says why.")
    st.button("Try again", icon=":material/refresh:", on_click=data.try_again)


def suggest_users() -> None:
    """Draw what to do while no user is chosen."""
    users = data.users()
    if not users:
        st.markdown(
            "**No memories yet.** Type a user's e-mail address above and save the first one."
        )
        return
    st.caption(
        f"Type a user above, or select one of {words.counted(len(users), 'user')} with memories."
    )
    if chosen := tables.pick_user(users, "memories.users"):
        tabs.go_to(tabs.BROWSE)
        choose_next(chosen)


def draw_memories() -> None:
    """Draw the user line, then the tabs that keep the user."""
    person = choose_person()
    if person is None:
        suggest_users()
        return
    for name, tab in tabs.draw_tabs().items():
        if tab.open:
            with tab, friendly_errors():
                if name == tabs.BROWSE or draw_unless(Role.OPERATOR):
                    DRAW[name](person)


st.title("Memories", anchor=False)
if data.health().trouble:
    draw_broken()
else:
    with friendly_errors():
        draw_memories()
