"""The one line at the top of every page."""

from __future__ import annotations

import streamlit as st

_ROUTED = "dashboard.routed"


def mark_routed() -> None:
    """Note that the router has run for this session; only the router calls this."""
    st.session_state[_ROUTED] = True


def require_access() -> None:
    """Stop unless the router let this visitor in; the login will be asked here as well."""
    if not st.session_state.get(_ROUTED):
        st.error("This page opens from the dashboard only.", icon=":material/lock:")
        st.stop()
