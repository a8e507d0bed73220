"""The assistant's answer to a question, beside the exact ranking of all memories."""

from __future__ import annotations

from typing import Final

import streamlit as st

from memory_core.memories.search import Recall
from memory_core.model.counting import counted
from memory_core.model.user_id import UserId
from memory_core.render.memory_records import REASONS, recall_sentence

from ... import routes
from ...services import user_actions
from ...ui.text import expiry, one_line, show_memory
from .. import widgets

_RANK_PX: Final = 24


def draw(user_id: UserId) -> None:
    """Draw the question, its answer, and why the rest is left out."""
    question, limit = widgets.question(
        "user.q",
        "user.n",
        icon=":material/psychology:",
        placeholder="What the customer asked the assistant",
    )
    if not question:
        st.caption(
            "Ask what the customer asked. You see the memories that the assistant gets, and beside "
            "them all of the user's memories, ranked exactly."
        )
        return
    with st.skeleton(height=240):
        recall = user_actions.recall(user_id, question, limit)
    st.markdown(f"**{recall_sentence(recall)}**")
    st.caption("No score threshold, all agents and all runs: neither leaves anything out.")
    answer, ranking = st.columns(2)
    with answer:
        _draw_answer(recall)
    with ranking:
        _draw_ranking(recall)
    if recall.elsewhere:
        _draw_other_ids(recall)


def _draw_answer(recall: Recall) -> None:
    st.subheader("The assistant gets", anchor=False)
    if not recall.answer.hits:
        st.markdown("Nothing.")
    for hit in recall.answer.hits:
        with st.container(horizontal=True, gap="small"):
            st.markdown(f"**{hit.rank}**", width=_RANK_PX)
            with st.container(width="stretch", gap=None):
                show_memory(hit.memory.memory, key=f"user.recall.{hit.memory.id}")
                until = f", expires {expiry(hit.memory)}" if hit.memory.expires else ""
                st.caption(f"score {hit.score:.2f}{until}")


def _draw_ranking(recall: Recall) -> None:
    st.subheader("All memories, ranked", anchor=False)
    if not recall.ranking:
        st.caption("This user has no memories.")
        return
    columns: dict[str, list[object]] = {
        "Rank": [ranked.hit.rank for ranked in recall.ranking],
        "Answered": [
            f"as {ranked.place}" if ranked.place else REASONS[ranked.reason or "limit"]
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
    st.subheader("Under similar ids, so never asked", anchor=False)
    for number, other in enumerate(recall.elsewhere):
        user_id = other.user.user_id
        with st.container(border=True, key=f"elsewhere-{number}", gap="small"):
            st.text(f"{one_line(user_id, 100)}  ·  {'; '.join(other.user.reasons)}")
            show_memory(other.best.memory.memory, key=f"user.elsewhere.{number}")
            with widgets.row():
                st.caption(f"score {other.best.score:.2f}", width="content")
                if st.button("Open", key=f"user.elsewhere.open.{number}", type="tertiary"):
                    routes.open_view(user_id)
