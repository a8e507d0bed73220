"""What is known of something typed: the id behind it, who is close to it, a memory's owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from dashboard import routes
from dashboard.auth.roles import Role
from dashboard.ui.text import one_line, sentence, show
from memory_core.model.census import ComparedUser, UserSearch
from memory_core.model.records import UserId, UserSummary
from memory_core.render.text import visible, visible_id

from ...services import user_actions
from ...ui import tables, text
from ...ui.messages import draw_unless, show_trouble
from ...ui.progress import watch
from ...ui.text import draw_changes

_CLOSE_SHOWN: Final = 12


def draw(found: UserSearch) -> None:
    """Draw the answer first, then who is close, then ids that name nobody."""
    if found.user_id is None:
        st.markdown("**This can be no user id.**")
        show(sentence(found.problem))
    else:
        _draw_asked(found, found.user_id)
    for memory in found.memories:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(":material/sticky_note_2:", width="content")
            state = "is a memory of" if memory.live else "was a memory, deleted since, of"
            st.text(f"{memory.id} {state} {one_line(memory.user_id)}")
            if memory.live:
                _open(memory.user_id, "memory")
    _draw_close(found)
    _draw_elsewhere(found)
    st.caption(f"Looked through {text.counted(found.users, 'user')}, complete. {_depth(found)}")


def draw_placeholders(users: Sequence[UserSummary]) -> None:
    """Draw users whose id names nobody: memories of people that a program did not know."""
    if not users:
        return
    with st.container(key="placeholders"):
        st.subheader("Under an id that names nobody", anchor=False)
        st.markdown(
            "Programs write such ids when they know nobody; several people's memories may be "
            "under one of them."
        )
        if chosen := tables.pick_user(users, "users.placeholders"):
            routes.open_view(chosen)


def _draw_asked(found: UserSearch, user_id: UserId) -> None:
    with st.container(border=True, key="asked"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(":material/person:", width="content")
            st.text(visible(user_id))
            if found.user and found.user.memories:
                _open(user_id, "asked")
        st.markdown(f"**{_standing(found.user)}** The application asks for this id only.")
        draw_changes(found.changes)
        if found.stored:
            _draw_stored(found.stored)
        _draw_take_up(found, user_id)


def _standing(user: UserSummary | None) -> str:
    if user is None:
        return "Nothing was ever saved under this id."
    written = text.ago(user.last_write)
    if not user.memories:
        return f"No memories now; the last event was {written}."
    return f"{text.counted(user.memories, 'memory')}, last write {written}."


def _draw_stored(user: ComparedUser) -> None:
    """Draw what the store was seen to hold for the user, form by form."""
    st.caption(
        f"In the store: {user.stored:,}, of which {user.unexpected:,} not on record; "
        f"{user.missing:,} on record and missing."
    )
    for form in user.forms:
        if not form.canonical:
            stand = "stands" if form.vectors == 1 else "stand"
            st.text(f"{form.vectors:,} {stand} under {visible_id(form.raw)}")


def _draw_take_up(found: UserSearch, user_id: UserId) -> None:
    """Draw the way to record what never was, and what came of it."""
    job = user_actions.taking_up(user_id)
    if job and not job.finished:
        watch(job.id, "memory")
    elif job and job.trouble:
        show_trouble(job.trouble)
    elif job and job.result and found.scan and job.result.at > found.scan.as_of:
        taken = job.result
        st.markdown(
            f":green[:material/check_circle:] **Taken up {text.counted(taken.taken, 'memory')}**, "
            f"{text.counted(len(taken.left), 'memory')} left as they are."
        )
        for item in taken.left[:_CLOSE_SHOWN]:
            show(f"{item.id}: {item.detail}")
    elif found.stored and found.stored.unexpected and draw_unless(Role.OPERATOR):
        with st.popover("Take up", icon=":material/move_to_inbox:"):
            st.markdown(
                f"{text.counted(found.stored.unexpected, 'memory')} in the store "
                "differ from this id in case, whitespace or invisible characters at most and "
                "are not on record. Those that never were recorded become this user's; what was "
                "deleted stays deleted."
            )
            st.button(
                "Take them up",
                key="users.take-up",
                type="primary",
                on_click=user_actions.start_take_up,
                args=(user_id,),
            )


def _draw_elsewhere(found: UserSearch) -> None:
    if found.elsewhere:
        with st.container(border=True, key="elsewhere"):
            st.markdown(":orange[:material/call_split:] **In another place only**")
            for place, one in found.elsewhere:
                name = visible(one.user_id or "")
                count = text.counted(one.missing, "memory")
                show(one_line(f"{name}: {count} in {place.where}", 400))


def _depth(found: UserSearch) -> str:
    if found.scan is None:
        return "The store itself was not looked at: compare with it on this page first."
    return f"The store as of {text.utc(found.scan.as_of)}."


def _draw_close(found: UserSearch) -> None:
    with st.container(key="close"):
        st.subheader("Close to it", anchor=False)
        if not found.close:
            st.caption("No other id is close to this one.")
            return
        picked = st.dataframe(
            pd.DataFrame(
                {
                    "User": [visible(one.user_id) for one in found.close],
                    "Memories": [one.user.memories if one.user else 0 for one in found.close],
                    **_stored_column(found),
                    "Last write": [one.user and one.user.last_write for one in found.close],
                    "How it is close": ["; ".join(one.reasons) for one in found.close],
                }
            ),
            hide_index=True,
            key="users.close",
            on_select="rerun",
            selection_mode="single-row",
            height=tables.whole_height(len(found.close), _CLOSE_SHOWN),
            alt="Users whose id is close to the one asked for",
            column_config={"Last write": st.column_config.DatetimeColumn(format="distance")},
        )
        st.caption("Whether two ids are one person is for you to decide. Select a row to open it.")
        if picked.selection.rows:
            routes.open_view(found.close[picked.selection.rows[0]].user_id)


def _stored_column(found: UserSearch) -> dict[str, list[int]]:
    if found.scan is None:
        return {}
    return {"In the store": [one.stored.stored if one.stored else 0 for one in found.close]}


def _open(user_id: UserId, key: str) -> None:
    if st.button("Open", key=f"users.open.{key}", type="tertiary", icon=":material/open_in_new:"):
        routes.open_view(user_id)
