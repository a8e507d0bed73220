"""The tab Search: a question, and the memories that answer it best."""

from __future__ import annotations

from typing import Final

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.records import Hit

from ...connection import Answered
from ...services import memory_reads
from ...ui import text
from ...ui.text import show_memory
from .. import widgets
from . import browse
from .choose_user import Person

_RANK_PX: Final = 24
_BAR_PX: Final = 64


def draw(person: Person) -> None:
    """Draw the question and the ranked list of its answers."""
    question, limit = widgets.question(
        "q",
        "n",
        bind="query-params",
        icon=":material/search:",
        placeholder="Which food should they avoid?",
    )
    if not question:
        st.caption("Ask in your own words; the memories need not contain them.")
        return
    with st.skeleton(height=240):
        answer = memory_reads.search(person.id, question, limit)
    if not answer.result.hits:
        st.markdown("**Nothing found.** This user has no memory that could answer the question.")
        st.caption(f"{_extent(answer).capitalize()}.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        count = counted(len(answer.result.hits), "memory")
        st.markdown(f"**{count}**, best first; {_extent(answer)}", width="stretch")
        parts = st.toggle("Show the parts of the score", key="search.parts")
    for hit in answer.result.hits:
        _draw_hit(hit, parts=parts)


def _extent(answer: Answered) -> str:
    memories = counted(answer.result.searched, "memory")
    if answer.result.complete:
        every = "all " if answer.result.searched > 1 else ""
        return f"searched {every}{memories} in {answer.ms:,} ms"
    return f"searched {memories} by the index in {answer.ms:,} ms; it may miss some"


def _draw_hit(hit: Hit, *, parts: bool) -> None:
    memory = hit.memory
    with st.container(horizontal=True, gap="small", key=f"hit-{hit.rank}"):
        st.markdown(f"**{hit.rank}**", width=_RANK_PX)
        with st.container(width="stretch", gap=None):
            show_memory(memory.memory, key=f"search.more.{memory.id}")
            with widgets.row():
                st.markdown(f"**{hit.score:.2f}**", width="content")
                st.progress(min(1.0, max(0.0, hit.score)), width=_BAR_PX)
                if parts:
                    st.caption(f"cosine {hit.cosine:.2f}, BM25 {hit.bm25:.2f}", width="content")
                st.caption(f"saved {text.ago(memory.created_at)}", width="content")
                if memory.expires:
                    st.caption(f"found until {text.day(memory.expires)}", width="content")
                widgets.button(
                    "Details", f"search.open.{memory.id}", browse.select, memory.id, kind="tertiary"
                )
