"""The view Ask: a question, the memories that the assistant gets, and why it gets no others."""

from typing import Final

import streamlit as st

from memory_core.memories.search import Recall
from memory_core.model.census import UserSearch
from memory_core.model.counting import counted
from memory_core.model.records import Hit, SearchResult
from memory_core.model.user_id import UserId
from memory_core.render.memory_records import STRENGTHS, reason_text, recall_sentence
from memory_core.render.text import visible

from ...connection import Timed
from ...services import memory_calls, user_actions
from ...ui import text
from ...ui.text import expiry, one_line, show_memory
from .. import widgets
from . import browse

_LIMITS: Final = (5, 10, 20, 50)
_RANK_PX: Final = 24
_PARTS: Final = (
    "Cosine measures similar meaning, BM25 the words that the memory shares with the question; the "
    "score is their weighted mean. Context is added by the memories before and after, if one "
    "continues the other."
)


def draw(user_id: UserId, known: UserSearch) -> None:
    """Draw the question and the ranked list of its answers, then what was left out."""
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    question = left.text_input(
        "Question",
        key="q",
        bind="query-params",
        icon=":material/search:",
        placeholder="What the customer asked the assistant",
    ).strip()
    limit = right.selectbox("Results", _LIMITS, index=1, key="n", bind="query-params")
    if not question:
        st.caption("Ask in your own words; the memories need not contain them.")
        return
    with st.skeleton(height=240):
        answer = memory_calls.search(user_id, question, limit)
    if answer.result.hits:
        _draw_hits(answer, question)
    else:
        st.markdown("**Nothing found.** This user has no memory that could answer the question.")
        st.caption(f"{_extent(answer).capitalize()}.")
    if any(close.user and close.user.memories for close in known.close):
        _draw_other_ids(user_actions.recall(user_id, question, limit))
    if part := widgets.folded("All memories, ranked exactly", "search.all"):
        with part:
            _draw_ranking(user_actions.recall(user_id, question, limit))


def _draw_hits(answer: Timed[SearchResult], question: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        count = counted(len(answer.result.hits), "memory")
        st.markdown(f"**{count}**, best first; {_extent(answer)}", width="stretch")
        parts = st.toggle("Show the parts of the score", key="search.parts")
    if parts:
        st.caption(_PARTS)
    for number, hit in enumerate(answer.result.hits):
        if number == answer.result.telling:
            st.divider()
            st.caption("From here on, no better than chance.")
        _draw_hit(hit, question, parts=parts)


def _extent(answer: Timed[SearchResult]) -> str:
    memories = counted(answer.result.searched, "memory")
    if answer.result.complete:
        every = "all " if answer.result.searched > 1 else ""
        return f"searched {every}{memories} in {answer.ms:,} ms"
    return f"searched {memories} by the index in {answer.ms:,} ms; it may miss some"


def _draw_hit(hit: Hit, question: str, *, parts: bool) -> None:
    memory = hit.memory
    with st.container(horizontal=True, gap="small", key=f"hit-{hit.rank}"):
        st.markdown(f"**{hit.rank}**", width=_RANK_PX)
        with st.container(width="stretch", gap=None):
            words = show_memory(memory.memory, key=f"search.more.{memory.id}", question=question)
            with widgets.row():
                st.markdown(f"**{STRENGTHS[hit.strength]}**", width="content")
                if words:
                    st.text(text.one_line(f"Words: {', '.join(words)}"), width="content")
                if parts:
                    st.caption(
                        f"score {hit.score:.2f}: cosine {hit.cosine:.2f}, BM25 {hit.bm25:.2f}, "
                        f"context {hit.context:.2f}",
                        width="content",
                    )
                st.caption(f"saved {text.ago(memory.created_at)}", width="content")
                if memory.expires:
                    st.caption(f"found until {text.day(memory.expires)}", width="content")
                widgets.button(
                    "Details", f"search.open.{memory.id}", browse.select, memory.id, kind="tertiary"
                )


def _draw_ranking(recall: Recall) -> None:
    st.markdown(f"**{recall_sentence(recall)}**")
    if not recall.ranking:
        return
    columns: dict[str, list[object]] = {
        "Rank": [ranked.hit.rank for ranked in recall.ranking],
        "Answered": [
            f"as {ranked.place}" if ranked.place else reason_text(recall, ranked.reason or "limit")
            for ranked in recall.ranking
        ],
        "Score": [ranked.hit.score for ranked in recall.ranking],
        "Memory": [one_line(ranked.hit.memory.memory, 200) for ranked in recall.ranking],
        "Expires": [expiry(ranked.hit.memory) for ranked in recall.ranking],
        "Agent": [one_line(ranked.hit.memory.agent_id or "") for ranked in recall.ranking],
        "Run": [one_line(ranked.hit.memory.run_id or "") for ranked in recall.ranking],
    }
    widgets.table(
        {name: values for name, values in columns.items() if any(values)},
        "All memories at their exact rank, and why some are not in the answer",
        column_config={"Score": st.column_config.NumberColumn(format="%.2f")},
    )
    shown = len(recall.ranking)
    if shown < recall.memories:
        st.caption(f"{shown:,} of {counted(recall.memories, 'memory')} shown")


def _draw_other_ids(recall: Recall) -> None:
    if recall.elsewhere:
        st.header("Under similar ids, where the assistant does not look", anchor=False)
    for other in recall.elsewhere:
        with st.container(border=True, gap=None):
            st.text(f"{visible(other.user.user_id)}  ·  {'; '.join(other.user.reasons)}")
            st.text(one_line(other.best.memory.memory, 300))
            st.caption(STRENGTHS[other.best.strength])
