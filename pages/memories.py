"""Memories: choose a user, then save, search or browse what is remembered about them."""

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import require_access
from dashboard.services import memory_reads
from dashboard.ui import tables, text
from dashboard.ui.messages import draw_unless, friendly_errors
from dashboard.views.memories import browse, choose_user, save, search
from dashboard.views.memories.choose_user import choose_next, choose_person

require_access()
DRAW = {
    choose_user.SAVE: save.draw,
    choose_user.SEARCH: search.draw,
    choose_user.BROWSE: browse.draw,
}


def draw_broken() -> None:
    """Draw that nothing can be done here, and where to read why."""
    st.markdown("Memories cannot be shown or saved at the moment; the overview says why.")
    st.button("Try again", icon=":material/refresh:", on_click=memory_reads.try_again)


def suggest_users() -> None:
    """Draw what to do while no user is chosen."""
    users = memory_reads.users()
    if not users:
        st.markdown(
            "**No memories yet.** Type a user's e-mail address above and save the first one."
        )
        return
    st.caption(
        f"Type a user above, or select one of {text.counted(len(users), 'user')} with memories."
    )
    if chosen := tables.pick_user(users, "memories.users"):
        choose_user.go_to(choose_user.BROWSE)
        choose_next(chosen)


def draw_memories() -> None:
    """Draw the user line, then the tabs that keep the user."""
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
    draw_broken()
else:
    with friendly_errors():
        draw_memories()
