"""Who it is, how much is there, and what is unusual about the id."""

from __future__ import annotations

import streamlit as st

from dashboard import people, routes
from dashboard.ui import times, words
from dashboard.ui.text import one_line
from memory_core.finding import is_placeholder
from memory_core.people import Found
from memory_core.records import UserId
from memory_core.render_scan import visible


def draw(user_id: UserId) -> Found:
    """Draw the id, the counts and the findings; return what is known of the id."""
    found = people.known(user_id)
    with st.container(border=True, key="who"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(":material/person:", width="content")
            st.text(visible(user_id))
        if found.user is None:
            st.markdown("**Nothing was ever saved under this id.**")
        else:
            st.markdown(f"**{words.counted(found.user.memories, 'memory')}**, complete")
            st.caption(
                f"First event {times.both(found.user.first_write)}  \n"
                f"Last event {times.both(found.user.last_write)}"
            )
        _draw_findings(user_id, found)
    return found


def _draw_findings(user_id: UserId, found: Found) -> None:
    if is_placeholder(user_id):
        st.warning(
            "Programs write this id when they know nobody: several people's memories may be "
            "under it.",
            icon=":material/no_accounts:",
        )
    close = [(one, one.user) for one in found.close if one.user and one.user.memories]
    if not close:
        return
    st.warning(
        f"{words.counted(len(close), 'id')} close to this one "
        f"{'has' if len(close) == 1 else 'have'} memories too; the assistant asks for none "
        "of them.",
        icon=":material/join_inner:",
    )
    for at, (one, user) in enumerate(close[:5]):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.text(
                f"{one_line(visible(one.user_id), 80)}  ·  "
                f"{words.counted(user.memories, 'memory')}  ·  {'; '.join(one.reasons)}"
            )
            if st.button("Open", key=f"who.close.{at}", type="tertiary"):
                routes.open_view(one.user_id)
