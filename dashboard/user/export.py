"""One user's memories as a file."""

from __future__ import annotations

import datetime as dt
from typing import Final

import streamlit as st

from dashboard import people
from dashboard.auth.visitor import bound
from dashboard.ui import words
from memory_core.people import Found
from memory_core.records import UserId
from memory_core.transfer import Kind

_KINDS: Final[dict[str, Kind]] = {"JSON Lines, for another Holdfast": "jsonl", "CSV": "csv"}


def draw(user_id: UserId, found: Found) -> None:
    """Draw what kind of file it is to be, and the button that makes it."""
    count = found.user.memories if found.user else 0
    if not count:
        st.caption("This user has no memories to export.")
        return
    kind = _KINDS[st.radio("As", list(_KINDS), key="user.export.kind")]
    vectors = kind == "jsonl" and st.toggle("With the vectors", key="user.export.vectors")
    st.caption(
        "With its vectors a file is larger, and is not embedded anew where the same model is used."
        if kind == "jsonl"
        else "Cells that a spreadsheet would take for a formula are made harmless."
    )
    st.download_button(
        f"Export {words.counted(count, 'memory')}",
        bound(lambda: people.export(user_id, kind, vectors)),
        file_name=f"memories-{dt.datetime.now(dt.UTC):%Y%m%d}.{kind}",
        mime="text/csv" if kind == "csv" else "application/jsonl",
        icon=":material/download:",
        key="user.export",
    )
    st.caption(
        "The file says at its end how many memories it holds, and a checksum. "
        "`python -m memory_core import FILE` takes it in, and proves by counts that all is there."
    )
