"""The lines at the top of the router and of every page."""

from __future__ import annotations

import streamlit as st

from dashboard.auth import visitor
from dashboard.auth.visitor import SignedOut, Visitor

_ROUTED = "dashboard.routed"


def enter() -> Visitor:
    """Return who is here, or end the script and lead to the login; only the router calls this."""
    st.session_state[_ROUTED] = True
    return _still_signed_in()


def require_access() -> Visitor:
    """Return who is here; stop unless the router let them in."""
    if not st.session_state.get(_ROUTED):
        st.error("This page opens from the dashboard only.", icon=":material/lock:")
        st.stop()
    return _still_signed_in()


def _still_signed_in() -> Visitor:
    try:
        return visitor.current()
    except SignedOut:
        st.error("You are signed out. Load the page again to sign in.", icon=":material/lock:")
        # Leads to our own route, which takes the cookie away.
        st.logout()
        st.stop()
