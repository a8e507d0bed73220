"""Which tab of the Memories page is open."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.ui import tabs

SAVE: Final = "Save"
SEARCH: Final = "Search"
BROWSE: Final = "Browse"
_NAMES: Final = (SAVE, SEARCH, BROWSE)
_KEY: Final = "memories.tab"
_LAST: Final = "memories.last-tab"


def draw_tabs() -> dict[str, st.delta_generator.DeltaGenerator]:
    """Draw the tabs and return them by name; the address, then the last visit decide."""
    searching = bool(st.query_params.get("q"))
    first = SEARCH if searching else st.session_state.get(_LAST, SAVE)
    drawn = tabs.draw(_NAMES, key=_KEY, parameter="tab", first=first)
    st.session_state[_LAST] = tabs.is_open(_NAMES, key=_KEY)
    return drawn


def go_to(name: str) -> None:
    """Open a tab. For callbacks."""
    tabs.go_to(name, key=_KEY)
