"""Merge another id of the same person into this user, and undo it."""

import json
from functools import partial
from typing import Final

import streamlit as st

from memory_core.memories.merge_users import Merge, MergePlan, merge_document
from memory_core.model.census import UserSearch
from memory_core.model.counting import counted
from memory_core.model.user_id import UserId

from ...auth.roles import Role
from ...auth.visitor import may
from ...services import user_actions
from ...ui import actions, text
from ...ui.actions import draw_typed
from ...ui.messages import draw_unless
from ...ui.text import one_line, show
from .. import person_box, widgets

_REFUSED_SHOWN: Final = 10
_FORMER: Final = "former"
_MOVE: Final = "user.move"
_UNDO: Final = "user.undo"


def draw(user_id: UserId, known: UserSearch) -> None:
    """Draw similar ids or the plan of a merge, the search for another id, and earlier merges."""
    for name in (_MOVE, _UNDO):
        actions.action(name).run("Moving the memories and reading them back…")
        if merged := widgets.outcome(name):
            st.success(
                f"Moved {counted(len(merged.ids), 'memory')}; {merged.verified or 0:,} read back "
                "from the store.",
                icon=":material/check_circle:",
            )
            st.text(f"{one_line(merged.former, 100)}  →  {one_line(merged.user_id, 100)}")
    former = st.query_params.get(_FORMER)
    if former and draw_unless(Role.ADMIN):
        _draw_plan(user_actions.plan_merge(former, user_id))
    elif known.close:
        person_box.draw_similar("similar", known.close, user_id)
    else:
        st.caption("No other id is similar to this one.")
    if draw_unless(Role.ADMIN):
        st.header("Merge another id into this user", anchor=False)
        st.caption(
            "For one person with two ids. Ids, texts and times of the memories stay. Whether both "
            "ids belong to one person is for you to decide; ask the customer if in doubt."
        )
        person_box.draw("merge.who", into=user_id)
    if may(Role.OPERATOR):
        _draw_earlier(user_id)


def _draw_plan(plan: MergePlan) -> None:
    with st.container(border=True, key="merge-plan"):
        stay = f"; cannot be moved: {len(plan.refused):,}" if plan.refused else ""
        st.markdown(
            f"**{counted(plan.memories, 'memory')} will move** to this user, who has "
            f"{counted(plan.theirs, 'memory')}{stay}. They come from:"
        )
        show(plan.former)
        person_box.draw_samples(plan.former)
        st.caption("Newest memories of this user:")
        person_box.draw_samples(plan.user_id)
        if plan.doubles:
            st.caption(f"Same text as a memory here, both are kept: {plan.doubles:,}.")
        if plan.unfinished:
            st.caption(f"Moved already, in an interrupted merge: {plan.unfinished:,}.")
        for memory_id, reason in plan.refused[:_REFUSED_SHOWN]:
            show(f"{memory_id}: {reason}", 300)
        draw_typed(
            _MOVE,
            plan.user_id,
            f"Move {counted(plan.memories, 'memory')}",
            lambda: user_actions.merge_users(plan.former, plan.user_id),
            lambda: _reset(_UNDO),
        )


def _draw_earlier(user_id: UserId) -> None:
    earlier = user_actions.merges(user_id)
    if not earlier:
        return
    st.header("Merged before", anchor=False)
    busy = actions.action(_UNDO).busy
    for number, merged in enumerate(reversed(earlier)):
        with st.container(border=True, key=f"earlier-{number}", gap="small"):
            st.text(f"{counted(len(merged.ids), 'memory')} from {one_line(merged.former, 100)}")
            st.caption(text.both(merged.at))
            with widgets.row():
                widgets.button(
                    "Undo this merge",
                    f"user.undo.{number}",
                    _ask_undo,
                    merged,
                    icon="undo",
                    disabled=busy,
                )
                widgets.download(
                    "Undo file",
                    partial(json.dumps, merge_document(merged), indent=1),
                    f"merge-{merged.at:%Y%m%dT%H%M%SZ}.json",
                    f"user.undofile.{number}",
                )


def _ask_undo(merged: Merge) -> None:
    _reset(_MOVE)
    actions.action(_UNDO).ask(lambda: user_actions.undo_merge(merged), merged)


def _reset(other: str) -> None:
    """Drop the outcome of the other action, and the chosen id. For callbacks."""
    actions.action(other).outcome = None
    st.query_params.pop(_FORMER, None)
