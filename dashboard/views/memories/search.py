"""The Search tab: a question, and the memories that answer it best."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.ui.text import show_memory
from memory_core.model.records import Hit

from ...services import memory_reads
from ...ui import text
from . import browse
from .choose_user import Person

LIMITS: Final = (5, 10, 20, 50)
_RANK_PX: Final = 24
_BAR_PX: Final = 64


def draw(person: Person) -> None:
    """Draw the question and the ranked list of its answers."""
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    question = left.text_input(
        "Question",
        key="q",
        bind="query-params",
        icon=":material/search:",
        placeholder="Which food should they avoid?",
    )
    limit = right.selectbox("Results", LIMITS, index=1, key="n", bind="query-params")
    if not question.strip():
        st.caption("Ask in your own words; the memories need not contain them.")
        return
    with st.skeleton(height=240):
        found = memory_reads.search(person.id, question, limit)
    _draw_found(found)


def _draw_found(found: memory_reads.Found) -> None:
    if not found.result.hits:
        st.markdown("**Nothing found.** This user has no memory that could answer the question.")
        st.caption(_how(found))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{text.counted(len(found.result.hits), 'memory')}**, best first; {_how(found)}",
            width="stretch",
        )
        parts = st.toggle("Show the parts of the score", key="search.parts")
    for hit in found.result.hits:
        _draw_hit(hit, parts=parts)


def _how(found: memory_reads.Found) -> str:
    over = text.counted(found.result.searched, "memory")
    if found.result.complete:
        return f"complete over {over} in {found.ms:,} ms"
    return f"from the index over {over} in {found.ms:,} ms; it may miss some"


def _draw_hit(hit: Hit, *, parts: bool) -> None:
    memory = hit.memory
    with st.container(horizontal=True, gap="small", key=f"hit-{hit.rank}"):
        st.markdown(f"**{hit.rank}**", width=_RANK_PX)
        with st.container(width="stretch", gap=None):
            show_memory(memory.memory, key=f"search.more.{memory.id}")
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.markdown(f"**{hit.score:.2f}**", width="content")
                st.progress(_share(hit.score), width=_BAR_PX)
                if parts:
                    st.caption(f"cosine {hit.cosine:.2f}, BM25 {hit.bm25:.2f}", width="content")
                st.caption(f"saved {text.ago(memory.created_at)}", width="content")
                st.button(
                    "Details",
                    key=f"search.open.{memory.id}",
                    type="tertiary",
                    on_click=browse.select,
                    args=(memory.id,),
                )


def _share(score: float) -> float:
    return min(1.0, max(0.0, score))
