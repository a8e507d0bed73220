"""Which tab of the Memories page is open, also in the address of the page."""

from __future__ import annotations

from typing import Final

import streamlit as st

SAVE: Final = "Save"
SEARCH: Final = "Search"
BROWSE: Final = "Browse"

# Coloured, because Streamlit writes the open tab in the accent, too dark to read on dark ground.
_LABELS: Final = {name: f":blue[{name}]" for name in (SAVE, SEARCH, BROWSE)}
_NAMES: Final = {label: name for name, label in _LABELS.items()}
_KEY: Final = "memories.tab"
_LAST: Final = "memories.last-tab"


def draw_tabs() -> dict[str, st.delta_generator.DeltaGenerator]:
    """Draw the tabs and return them by name; the address, then the last visit decide."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = _LABELS[_first()]
    tabs = st.tabs(list(_LABELS.values()), key=_KEY, on_change="rerun")
    name = _NAMES.get(st.session_state[_KEY], SAVE)
    st.session_state[_LAST] = name
    if st.query_params.get("tab") != name:
        st.query_params["tab"] = name
    return dict(zip(_LABELS, tabs, strict=True))


def go_to(name: str) -> None:
    """Open a tab. For callbacks."""
    st.session_state[_KEY] = _LABELS[name]


def _first() -> str:
    asked = st.query_params.get("tab")
    if asked in _LABELS:
        return asked
    if st.query_params.get("q"):
        return SEARCH
    return st.session_state.get(_LAST, SAVE)
