"""Step 1: the source of the memories, and the automatic migration from the local disk."""

from typing import Final

import streamlit as st

from memory_core.render.storage_status import migration_sentence

from ...services import memory_calls, migration
from ...ui import actions
from ...ui.text import one_line, sentence, show
from .. import widgets

# By kind: the beginning of its address, and an example of the rest.
KINDS: Final = {
    "A ChromaDB folder, Holdfast's or mem0's": ("chroma:", "/var/data/chroma"),
    "A ChromaDB server": ("chroma-http://", "127.0.0.1:8000"),
    "An index of S3 Vectors": ("s3vectors:", "my-vector-bucket/my-index"),
    "An export, as JSON Lines": ("jsonl:", "/var/data/memories.jsonl"),
    "mem0's history.db, where the store is lost": ("history:", "/var/data/history.db"),
}
_ACTION: Final = "migrate.source"


def draw() -> None:
    """Draw the kinds of sources, the address, and the button that plans."""
    kind = st.selectbox("Where the memories are", list(KINDS), key="migrate.kind")
    beginning, example = KINDS[kind]
    st.text_input(
        "Address, as the server sees it",
        key="migrate.place",
        placeholder=_own_folder(beginning) or example,
        max_chars=1000,
    )
    st.text_input(
        "User for memories without one",
        key="migrate.user",
        placeholder="Leave empty to leave them out",
        max_chars=300,
    )
    widgets.outcome(_ACTION)
    widgets.button(
        "Plan", "migrate.plan", _plan, beginning, example, icon="fact_check", kind="primary"
    )
    st.caption(
        "The dashboard reads from its own data folder and from the places that "
        "DASHBOARD_MIGRATE_FROM names; the command line reads from everywhere."
    )
    st.caption(
        "A plan only reads, and even a run never changes the source. Memories that were deleted or "
        "forgotten here are not copied again."
    )


def draw_automatic() -> None:
    """Draw the state of the automatic migration; nothing where the local disk has no memories."""
    status = migration.migration_status()
    if status.state == "none":
        return
    with st.container(border=True, key="by-itself"):
        st.markdown(f"**{migration_sentence(status)}**")
        if status.source:
            st.text(one_line(status.source, 200))
        if status.message:
            show(sentence(status.message))
        if status.state == "running" and status.total:
            st.progress(min(1.0, status.done / status.total))


def _own_folder(beginning: str) -> str:
    """Return the ChromaDB folder of the settings, empty for other kinds of sources."""
    folder = memory_calls.settings().chroma_path if beginning == "chroma:" else None
    return one_line(str(folder), 200) if folder else ""


def _plan(beginning: str, example: str) -> None:
    action = actions.action(_ACTION)
    typed = str(st.session_state.get("migrate.place", "")).strip()
    user = str(st.session_state.get("migrate.user", "")).strip()
    source = f"{beginning}{typed or _own_folder(beginning) or example}"

    action.do(lambda: migration.start_plan(source, user))
    if action.outcome and not action.outcome.trouble:
        action.outcome = None
        st.query_params.from_dict({"from": source, **({"user": user} if user else {})})
