"""What comes along by itself: memories on the local disk, once S3 is in use."""

from __future__ import annotations

import streamlit as st

from dashboard import moving
from dashboard.ui import words
from dashboard.ui.text import one_line, sentence, show
from memory_core.records import MigrationStatus


def draw() -> None:
    """Draw how it stands with the memories of the local disk; nothing where there are none."""
    status = moving.migration_status()
    if status.state == "none":
        return
    with st.container(border=True, key="by-itself"):
        st.markdown(f"**{told(status)}**")
        if status.source:
            st.text(one_line(status.source, 200))
        if status.message:
            show(sentence(status.message))
        if status.state == "running" and status.total:
            st.progress(min(1.0, status.done / status.total))


def told(status: MigrationStatus) -> str:
    """Return in a sentence how it stands."""
    return {
        "none": "No memories lie on the local disk.",
        "off": "Memories of the local disk are not brought along by themselves: "
        "MEMORY_AUTO_MIGRATE is 0.",
        "waiting": "Memories of the local disk are about to be brought along.",
        "running": f"Memories of the local disk are being brought along: {status.done:,} of "
        f"{words.counted(status.total, 'memory')}.",
        "elsewhere": "Another process is bringing the memories of the local disk along.",
        "done": f"The memories of the local disk are here; {status.copied:,} were copied.",
        "incomplete": f"The memories of the local disk are here, but {status.failed:,} need a "
        "decision: plan it below.",
        "failed": "The memories of the local disk could not be brought along.",
        "stopped": "Bringing the memories of the local disk along was stopped; the next start "
        "goes on.",
    }[status.state]
