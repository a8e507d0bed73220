"""What a role may do, as pages say it. The calls themselves check it again."""

from __future__ import annotations

import streamlit as st

from dashboard.auth import visitor
from dashboard.auth.roles import Role


def may(role: Role) -> bool:
    """Say whether the visitor has this role or one above it."""
    return visitor.current().may(role)


def draw_unless(role: Role) -> bool:
    """Return whether the visitor may; if not, draw why there is nothing to press."""
    who = visitor.current()
    if who.may(role):
        return True
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(":gray[:material/lock:]", width="content")
        st.caption(f"This needs the role {role.word}; you are {who.role.word}.")
    return False
