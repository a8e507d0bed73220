"""Step 1: where the memories are now."""

from __future__ import annotations

from typing import Final

import streamlit as st

from memory_core.model.records import MigrationStatus

from ...services import memory_reads, migration
from ...ui import actions, text
from ...ui.messages import show_trouble
from ...ui.text import one_line, sentence, show

# What is asked for, the beginning of its address, and an example.
KINDS: Final = {
    "A ChromaDB folder, Holdfast's or mem0's": ("chroma:", "/var/data/chroma"),
    "A ChromaDB server": ("chroma-http://", "127.0.0.1:8000"),
    "An index of S3 Vectors": ("s3vectors:", "my-vector-bucket/my-index"),
    "An export, as JSON Lines": ("jsonl:", "/var/data/memories.jsonl"),
    "mem0's history.db, where the store is gone": ("history:", "/var/data/history.db"),
}
_ACTION: Final = "migrate.source"


def draw() -> None:
    """Draw the kinds of sources, the address, and the button that plans."""
    kind = st.selectbox("Where the memories are", list(KINDS), key="migrate.kind")
    beginning, example = KINDS[kind]
    st.text_input(
        "Address, as the server sees it",
        key="migrate.place",
        placeholder=_own_folder() or example if beginning == "chroma:" else example,
        max_chars=1000,
    )
    st.text_input(
        "User for memories that name nobody",
        key="migrate.user",
        placeholder="Leave empty to leave them out",
        max_chars=300,
    )
    action = actions.action(_ACTION)
    if action.outcome and action.outcome.trouble:
        show_trouble(action.outcome.trouble)
    st.button(
        "Plan",
        type="primary",
        icon=":material/fact_check:",
        on_click=_plan,
        args=(beginning, example),
    )
    st.caption(
        "A plan only reads. The source is never changed, also not by the run; what was deleted or "
        "forgotten here does not come back."
    )


def _own_folder() -> str:
    found = memory_reads.settings().chroma_path
    return one_line(str(found), 200) if found else ""


def _plan(beginning: str, example: str) -> None:
    action = actions.action(_ACTION)
    own = _own_folder() if beginning == "chroma:" else ""
    place = str(st.session_state.get("migrate.place", "")).strip() or own or example
    user = str(st.session_state.get("migrate.user", "")).strip()
    source = f"{beginning}{place}"

    def plan() -> str:
        migration.check_source(source)
        migration.start_plan(source, user)
        return source

    action.do(plan)
    if action.outcome and action.outcome.value:
        action.outcome = None
        st.query_params.from_dict({"from": source, **({"user": user} if user else {})})


def draw_automatic() -> None:
    """Draw how it stands with the memories of the local disk; nothing where there are none."""
    status = migration.migration_status()
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
        f"{text.counted(status.total, 'memory')}.",
        "elsewhere": "Another process is bringing the memories of the local disk along.",
        "done": f"The memories of the local disk are here; {status.copied:,} were copied.",
        "incomplete": f"The memories of the local disk are here, but {status.failed:,} need a "
        "decision: plan it below.",
        "failed": "The memories of the local disk could not be brought along.",
        "stopped": "Bringing the memories of the local disk along was stopped; the next start "
        "goes on.",
    }[status.state]
