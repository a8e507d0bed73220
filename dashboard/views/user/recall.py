"""What would the assistant remember? The answer as it is given, and the exact ranking beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from dashboard.ui.text import one_line, show_memory
from memory_core.memories.search import RankedMemory, Recall
from memory_core.model.records import UserId
from memory_core.render.memory_records import REASONS, told

from ... import routes
from ...services import user_actions
from ...ui import tables, text

LIMITS: Final = (5, 10, 20, 50)
_RANK_PX: Final = 24


def draw(user_id: UserId) -> None:
    """Draw the question, its answer, and why the rest is left out."""
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    question = left.text_input(
        "Question",
        key="user.q",
        icon=":material/psychology:",
        placeholder="What the customer asked the assistant",
    )
    limit = right.selectbox("Limit", LIMITS, index=1, key="user.n")
    if not question.strip():
        st.caption(
            "Ask what the customer asked. Shown is what the application is given, and beside it "
            "all of the user's memories ranked exactly."
        )
        return
    with st.skeleton(height=240):
        recall = user_actions.recall(user_id, question, limit)
    st.markdown(f"**{told(recall)}**")
    st.caption("No threshold for the score, and all agents and runs: neither leaves anything out.")
    answer, ranking = st.columns(2)
    with answer:
        _draw_answer(recall)
    with ranking:
        _draw_ranking(recall)
    _draw_elsewhere(recall)


def _draw_answer(recall: Recall) -> None:
    st.subheader("The assistant gets", anchor=False)
    if not recall.answer.hits:
        st.markdown("Nothing.")
    for hit in recall.answer.hits:
        with st.container(horizontal=True, gap="small"):
            st.markdown(f"**{hit.rank}**", width=_RANK_PX)
            with st.container(width="stretch", gap=None):
                show_memory(hit.memory.memory, key=f"user.recall.{hit.memory.id}")
                st.caption(f"score {hit.score:.2f}")


def _draw_ranking(recall: Recall) -> None:
    st.subheader("All memories, ranked", anchor=False)
    if not recall.ranking:
        st.caption("This user has no memories.")
        return
    st.dataframe(
        _frame(recall.ranking),
        hide_index=True,
        height=tables.whole_height(len(recall.ranking), 12),
        alt="All memories at their exact rank, and why some are not answered",
        column_config={"Score": st.column_config.NumberColumn(format="%.2f")},
    )
    shown = len(recall.ranking)
    if shown < recall.memories:
        st.caption(f"{shown:,} of {text.counted(recall.memories, 'memory')} shown")


def _frame(ranking: Sequence[RankedMemory]) -> pd.DataFrame:
    columns = {
        "Rank": [one.hit.rank for one in ranking],
        "Answered": [
            f"as {one.place}" if one.place else REASONS[one.reason or "limit"] for one in ranking
        ],
        "Score": [one.hit.score for one in ranking],
        "Memory": [one_line(one.hit.memory.memory, 200) for one in ranking],
        "Agent": [one_line(one.hit.memory.agent_id or "") for one in ranking],
        "Run": [one_line(one.hit.memory.run_id or "") for one in ranking],
    }
    return pd.DataFrame({name: found for name, found in columns.items() if any(found)})


def _draw_elsewhere(recall: Recall) -> None:
    if not recall.elsewhere:
        return
    st.subheader("Under other ids, so never asked", anchor=False)
    for at, one in enumerate(recall.elsewhere):
        with st.container(border=True, key=f"elsewhere-{at}", gap="small"):
            st.text(f"{one_line(one.user.user_id, 100)}  ·  {'; '.join(one.user.reasons)}")
            show_memory(one.best.memory.memory, key=f"user.elsewhere.{at}")
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.caption(f"score {one.best.score:.2f}", width="content")
                if st.button("Open", key=f"user.elsewhere.open.{at}", type="tertiary"):
                    routes.open_view(one.user.user_id)
