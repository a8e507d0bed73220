"""User ids as people meet them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from .text import one_line


def draw_changes(changes: Sequence[str]) -> None:
    """Draw what was changed to get to the canonical id, if anything was."""
    if changes:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.badge("id brought to one form", color="blue", icon=":material/spellcheck:")
            st.text("; ".join(one_line(change) for change in changes))
