"""Bring a person's memories together under one id, and take it back."""

from __future__ import annotations

import json
from typing import Final

import streamlit as st

from dashboard.auth.visitor import bound
from dashboard.ui.text import one_line, show
from memory_core.memories.merge_users import Reunion, ReunionPlan, reunion_document
from memory_core.model.census import UserSearch
from memory_core.model.records import UserId

from ...services import user_actions
from ...ui import actions, text
from ...ui.actions import draw_typed
from ...ui.messages import show_trouble

_SHOWN: Final = 10
_MOVE: Final = "user.move"
_UNDO: Final = "user.undo"


def draw(user_id: UserId, found: UserSearch) -> None:
    """Draw what can be brought here, and what was brought before."""
    st.subheader("Bring memories from another id here", anchor=False)
    st.caption(
        "For one person with two ids. Ids, texts and times of the memories stay. Whether the two "
        "are one person is for you to decide; ask the customer if in doubt."
    )
    for name in (_MOVE, _UNDO):
        actions.action(name).run("Moving the memories and reading them back…")
    close = [one.user_id for one in found.close if one.user and one.user.memories]
    former = st.selectbox(
        "The other id",
        close,
        index=None,
        key="user.former",
        accept_new_options=True,
        format_func=one_line,
        placeholder="Choose a close id, or type one in any form",
    )
    _draw_outcome()
    if former:
        _draw_plan(user_actions.plan_reunion(former, user_id))
    _draw_earlier(user_id)


def _draw_plan(plan: ReunionPlan) -> None:
    with st.container(border=True, key="reunion"):
        stay = f"; {len(plan.refused):,} cannot and stay" if plan.refused else ""
        st.markdown(
            f"**{text.counted(plan.memories, 'memory')} would move** to this user, who has "
            f"{text.counted(plan.theirs, 'memory')}{stay}. They come from:"
        )
        show(plan.former)
        if plan.doubles:
            st.caption(f"{plan.doubles:,} are there already, word for word; both are kept.")
        if plan.unfinished:
            st.caption(f"{plan.unfinished:,} arrived before, by a move that was cut off.")
        for one, why in plan.refused[:_SHOWN]:
            show(f"{one}: {why}", 300)
        draw_typed(
            _MOVE,
            plan.user_id,
            f"Move {text.counted(plan.memories, 'memory')}",
            lambda: user_actions.reunite(plan.former, plan.user_id),
            _choose_none,
        )


def _draw_outcome() -> None:
    for name in (_MOVE, _UNDO):
        outcome = actions.action(name).outcome
        if outcome is None:
            continue
        if outcome.trouble:
            show_trouble(outcome.trouble)
            continue
        reunion: Reunion = outcome.value
        st.success(
            f"Moved {text.counted(len(reunion.ids), 'memory')}; {reunion.verified or 0:,} read "
            "back from the store.",
            icon=":material/check_circle:",
        )
        st.text(f"{one_line(reunion.former, 100)}  →  {one_line(reunion.user_id, 100)}")


def _draw_earlier(user_id: UserId) -> None:
    earlier = user_actions.reunions(user_id)
    if not earlier:
        return
    st.subheader("Brought here before", anchor=False)
    action = actions.action(_UNDO)
    for at, one in enumerate(reversed(earlier)):
        with st.container(border=True, key=f"earlier-{at}", gap="small"):
            st.text(f"{text.counted(len(one.ids), 'memory')} from {one_line(one.former, 100)}")
            st.caption(text.both(one.at))
            with st.container(horizontal=True, gap="small"):
                st.button(
                    "Give them back",
                    key=f"user.undo.{at}",
                    icon=":material/undo:",
                    disabled=action.busy,
                    on_click=_ask_undo,
                    args=(one,),
                )
                st.download_button(
                    "Undo file",
                    bound(lambda one=one: json.dumps(reunion_document(one), indent=1)),
                    file_name=f"reunion-{one.at:%Y%m%dT%H%M%SZ}.json",
                    mime="application/json",
                    key=f"user.undofile.{at}",
                    icon=":material/download:",
                    type="tertiary",
                )


def _choose_none() -> None:
    actions.action(_UNDO).outcome = None
    st.session_state["user.former"] = None


def _ask_undo(reunion: Reunion) -> None:
    actions.action(_MOVE).outcome = None
    st.session_state["user.former"] = None
    actions.action(_UNDO).ask(lambda: user_actions.undo_reunion(reunion), reunion)
