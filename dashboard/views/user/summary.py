"""The user's id, counts and similar ids; the export."""

import datetime as dt
import re
from functools import partial
from typing import Final

import streamlit as st

from memory_core import describe_changes
from memory_core.memories.find_user import is_placeholder
from memory_core.model.census import UserSearch
from memory_core.model.counting import counted
from memory_core.model.user_id import UserId
from memory_core.render.text import visible
from memory_core.render.user_tables import search_sentence

from ...services import user_actions
from ...ui import text
from ...ui.text import draw_changes, one_line
from .. import widgets

_SIMILAR_SHOWN: Final = 3
_KINDS: Final[dict[str, user_actions.FileKind]] = {
    "Text, for a person to read": "txt",
    "CSV": "csv",
    "JSON Lines, for another Holdfast": "jsonl",
}
_ABOUT: Final[dict[user_actions.FileKind, str]] = {
    "txt": "Every memory with its times and its expiry, as text.",
    "csv": "Cells that a spreadsheet would run as a formula are made harmless.",
    "jsonl": "Vectors make the file larger; with the same model nothing is re-embedded on import.",
}


def draw(user_id: UserId, raw: str) -> UserSearch:
    """Draw the id, the counts and the warnings; return what is known of the id."""
    known = user_actions.find(user_id)
    with st.container(border=True, key="canonical", gap="small"):
        with widgets.row():
            st.markdown(":material/person:", width="content")
            st.text(visible(user_id))
            if known.user and known.user.memories:
                written = text.ago(known.user.last_write)
                memories = counted(known.user.memories, "memory")
                st.caption(f"{memories}, last write {written}", width="content")
        draw_changes(describe_changes(raw))
        if not (known.user and known.user.memories):
            st.text(search_sentence(known), width="stretch")
        if is_placeholder(user_id):
            st.warning(
                "Programs write this id for unknown users: memories of several people may be "
                "mixed here.",
                icon=":material/no_accounts:",
            )
        _draw_similar(known)
    return known


def file_name(kind: str, user_id: UserId, suffix: str) -> str:
    """Return the name of a file about a user, made of characters that every system accepts."""
    name = re.sub(r"[^\w.@+-]+", "_", user_id)[:100]
    return f"{kind}-{name}-{dt.datetime.now(dt.UTC):%Y%m%d}.{suffix}"


def _draw_similar(known: UserSearch) -> None:
    similar = [(close, close.user) for close in known.close if close.user and close.user.memories]
    if not similar:
        return
    with widgets.row():
        st.markdown(
            f":orange[:material/join_inner:] **{counted(len(similar), 'similar id')} with "
            "memories**: the assistant does not look there.",
            width="content",
        )
        for close, user in similar[:_SIMILAR_SHOWN]:
            st.text(f"{one_line(visible(close.user_id), 60)} ({user.memories:,})")
        if st.query_params.get("view") != "Similar ids":
            show = partial(st.query_params.update, view="Similar ids")
            widgets.button("Compare them", "who.similar", show, kind="tertiary")


def draw_export(user_id: UserId, known: UserSearch) -> None:
    """Draw the choice of the format, and the download."""
    st.header("Export", anchor=False)
    count = known.user.memories if known.user else 0
    if not count:
        st.caption("This user has no memories to export.")
        return
    kind = _KINDS[st.radio("As", list(_KINDS), key="user.export.kind", horizontal=True)]
    vectors = kind == "jsonl" and st.toggle("With the vectors", key="user.export.vectors")
    st.caption(_ABOUT[kind])
    widgets.download(
        f"Export {counted(count, 'memory')}",
        lambda: user_actions.export(user_id, kind, vectors),
        file_name("memories", user_id, kind),
        "user.export",
    )
    if kind != "txt":
        st.caption(
            "The file ends with the number of its memories and a checksum. "
            "`python -m memory_core import FILE` imports it, and proves by counts that all arrived."
        )
