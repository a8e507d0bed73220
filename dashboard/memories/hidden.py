"""A memory whose text a viewer does not see until they say why they need to."""

from __future__ import annotations

import streamlit as st

from dashboard import data, texts
from dashboard.ui import actions
from dashboard.ui.errors import show_trouble
from memory_core.records import MemoryRecord


def draw(record: MemoryRecord) -> None:
    """Draw the field for the reason, and the button that reveals this one memory."""
    key = f"hidden.why.{record.id}"
    action = actions.action("hidden")
    with st.form(f"hidden.{record.id}", border=False):
        st.text_input(
            "Why do you need to read this memory?",
            key=key,
            max_chars=texts.MOST_REASON,
            placeholder="The customer asks what is stored about their order",
        )
        st.form_submit_button(
            "Reveal", icon=":material/visibility:", on_click=_reveal, args=(record, key)
        )
    st.caption("Your name, the reason and the time are recorded.")
    if action.outcome and action.outcome.trouble:
        show_trouble(action.outcome.trouble)


def _reveal(record: MemoryRecord, key: str) -> None:
    why = st.session_state[key]
    actions.action("hidden").do(lambda: data.reveal(record.user_id, record.id, why))
