"""The answer to a search for a person: the id meant, similar ids, a memory's owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from memory_core.model.census import ComparedUser, UserSearch
from memory_core.model.counting import counted
from memory_core.model.records import UserSummary
from memory_core.model.user_id import UserId
from memory_core.render.text import visible, visible_id

from ... import routes
from ...auth.roles import Role
from ...services import user_actions
from ...ui import tables, text
from ...ui.messages import draw_unless, show_trouble
from ...ui.progress import watch
from ...ui.text import draw_changes, one_line, sentence, show
from .. import widgets

_LEFT_SHOWN: Final = 12
_SIMILAR: Final = "users.close"


def draw(answer: UserSearch) -> None:
    """Draw the user meant, memories of that id, similar ids, and placeholder ids."""
    if answer.user_id is None:
        st.markdown("**Not a valid id.**")
        show(sentence(answer.problem))
    else:
        _draw_user(answer, answer.user_id)
    for memory in answer.memories:
        with widgets.row():
            st.markdown(":material/sticky_note_2:", width="content")
            state = "is a memory of" if memory.live else "was a memory, deleted since, of"
            st.text(f"{memory.id} {state} {one_line(memory.user_id)}")
            if memory.live:
                _draw_open(memory.user_id, "memory")
    _draw_similar(answer)
    if answer.elsewhere:
        with st.container(border=True, key="elsewhere"):
            st.markdown(":orange[:material/call_split:] **Only in another place**")
            for place, user in answer.elsewhere:
                missing = counted(user.missing, "memory")
                show(one_line(f"{visible(user.user_id or '')}: {missing} in {place.where}", 400))
    depth = "The store itself was not checked: compare with it on this page first."
    if answer.scan:
        depth = f"The store as of {text.utc(answer.scan.as_of)}."
    st.caption(f"Searched {counted(answer.users, 'user')}, complete. {depth}")
    if answer.placeholders:
        _draw_placeholders(answer.placeholders)


def _draw_user(answer: UserSearch, user_id: UserId) -> None:
    with st.container(border=True, key="asked"):
        with widgets.row():
            st.markdown(":material/person:", width="content")
            st.text(visible(user_id))
            if answer.user and answer.user.memories:
                _draw_open(user_id, "asked")
        st.markdown(f"**{_standing(answer.user)}** The assistant looks here and nowhere else.")
        draw_changes(answer.changes)
        if answer.stored:
            _draw_stored(answer.stored)
        _draw_recovery(answer, user_id)


def _standing(user: UserSummary | None) -> str:
    if user is None:
        return "Nothing was ever saved under this id."
    written = text.ago(user.last_write)
    if not user.memories:
        return f"No memories now; the last event was {written}."
    return f"{counted(user.memories, 'memory')}, last write {written}."


def _draw_stored(user: ComparedUser) -> None:
    """Draw what the store holds for the user, form by form."""
    st.caption(
        f"In storage: {user.stored:,}, of which {user.unexpected:,} not registered (orphans); "
        f"{user.missing:,} on record and missing."
    )
    for form in user.forms:
        if not form.canonical:
            verb = "is" if form.vectors == 1 else "are"
            st.text(f"{form.vectors:,} {verb} stored under {visible_id(form.raw)}")


def _draw_recovery(answer: UserSearch, user_id: UserId) -> None:
    """Draw the recovery of orphans: its button, how far it is, its result."""
    job = user_actions.adoption(user_id)
    if job and not job.finished:
        watch(job.id, "memory")
    elif job and job.trouble:
        show_trouble(job.trouble)
    elif job and job.result and answer.scan and job.result.at > answer.scan.as_of:
        recovered = job.result
        st.markdown(
            f":green[:material/check_circle:] **Recovered {counted(recovered.taken, 'memory')}**, "
            f"not recovered: {counted(len(recovered.left), 'memory')}."
        )
        for item in recovered.left[:_LEFT_SHOWN]:
            show(f"{item.id}: {item.detail}")
    elif answer.stored and answer.stored.unexpected and draw_unless(Role.OPERATOR):
        with st.popover("Recover", icon=":material/move_to_inbox:"):
            st.markdown(
                f"{counted(answer.stored.unexpected, 'orphan')} in storage, under this id or one "
                "that differs in case, whitespace or invisible characters only. Those that were "
                "never registered become this user's memories; deleted ones stay deleted."
            )
            widgets.button(
                "Recover orphans",
                "users.take-up",
                user_actions.start_adoption,
                user_id,
                kind="primary",
            )


def _draw_similar(answer: UserSearch) -> None:
    with st.container(key="close"):
        st.subheader("Similar ids", anchor=False)
        if not (similar := answer.close):
            st.caption("No other id is similar to this one.")
            return
        stored = [close.stored.stored if close.stored else 0 for close in similar]
        widgets.table(
            {
                "User": [visible(close.user_id) for close in similar],
                "Memories": [close.user.memories if close.user else 0 for close in similar],
                **({"In storage": stored} if answer.scan else {}),
                "Last write": [close.user and close.user.last_write for close in similar],
                "Why similar": ["; ".join(close.reasons) for close in similar],
            },
            "Users whose id is similar to the one asked for",
            key=_SIMILAR,
            on_select="rerun",
            column_config={"Last write": widgets.AGO},
        )
        st.caption("Whether two ids are one person is for you to decide. Select a row to open it.")
        if (selected := widgets.selected_row(_SIMILAR, len(similar))) is not None:
            routes.open_view(similar[selected].user_id)


def _draw_placeholders(users: Sequence[UserSummary]) -> None:
    """Draw the users whose id stands for nobody: memories of people that a program did not know."""
    with st.container(key="placeholders"):
        st.subheader("Under a placeholder id", anchor=False)
        st.markdown(
            "Programs write such ids for unknown users; several people's memories may be under "
            "one of them."
        )
        if chosen := tables.pick_user(users, "users.placeholders"):
            routes.open_view(chosen)


def _draw_open(user_id: UserId, key: str) -> None:
    if st.button("Open", key=f"users.open.{key}", type="tertiary", icon=":material/open_in_new:"):
        routes.open_view(user_id)
