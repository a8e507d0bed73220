"""The line that chooses the user, and the one id that their memories are kept under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from memory_core import describe_changes, normalize_user_id
from memory_core.model.records import UserId, UserSummary

from ...services import memory_reads
from ...ui import actions, frame, text
from ...ui.messages import friendly_errors
from ...ui.text import draw_changes, one_line

MAX_SUGGESTIONS = 1000
_NEXT = "memories.next-user"


@dataclass(frozen=True)
class Person:
    """The user as typed, and the canonical id."""

    raw: str
    id: UserId


def choose_person() -> Person | None:
    """Draw the field for the user and what became of the input; None until it is usable."""
    known = memory_reads.users()
    if _NEXT in st.session_state:
        st.session_state["user"] = st.session_state.pop(_NEXT)
    raw = st.selectbox(
        "User",
        [user.user_id for user in known[:MAX_SUGGESTIONS]],
        index=None,
        key="user",
        bind="query-params",
        accept_new_options=True,
        on_change=_forget,
        format_func=one_line,
        placeholder="Type an e-mail address or id, in any form",
        filter_mode="contains",
    )
    if raw is None:
        return None
    with friendly_errors():
        person = Person(raw, normalize_user_id(raw))
        _draw_canonical(person, describe_changes(raw), known)
        return person
    return None


def choose_next(user_id: UserId) -> None:
    """Draw the page anew for this user; the field itself can be set only before it is drawn."""
    st.session_state[_NEXT] = user_id
    st.rerun()


def _draw_canonical(person: Person, changes: tuple[str, ...], known: Sequence[UserSummary]) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="canonical"):
        st.markdown(":material/person:", width="content")
        st.text(one_line(person.id, 254))
        st.caption(_standing(person, known), width="content")
    draw_changes(changes)


def _standing(person: Person, known: Sequence[UserSummary]) -> str:
    for user in known:
        if user.user_id == person.id:
            written = text.ago(user.last_write)
            return f"{text.counted(user.memories, 'memory')}, last write {written}"
    return "no memories yet"


def _forget() -> None:
    actions.forget_outcomes()
    st.query_params.pop("job", None)


SAVE: Final = "Save"
SEARCH: Final = "Search"
BROWSE: Final = "Browse"
_NAMES: Final = (SAVE, SEARCH, BROWSE)
_KEY: Final = "memories.tab"
_LAST: Final = "memories.last-tab"


def draw_tabs() -> dict[str, st.delta_generator.DeltaGenerator]:
    """Draw the tabs and return them by name; the address, then the last visit decide."""
    searching = bool(st.query_params.get("q"))
    first = SEARCH if searching else st.session_state.get(_LAST, SAVE)
    drawn = frame.draw(_NAMES, key=_KEY, parameter="tab", first=first)
    st.session_state[_LAST] = frame.is_open(_NAMES, key=_KEY)
    return drawn


def go_to(name: str) -> None:
    """Open a tab. For callbacks."""
    frame.go_to(name, key=_KEY)
