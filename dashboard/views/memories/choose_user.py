"""The choice of the user with the canonical id, and the tabs below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st
from streamlit.elements.lib.mutable_tab_container import TabContainer

from memory_core import describe_changes, normalize_user_id
from memory_core.model.counting import counted
from memory_core.model.records import UserSummary
from memory_core.model.user_id import UserId

from ...services import memory_reads
from ...ui import actions, frame, text
from ...ui.messages import friendly_errors
from ...ui.text import draw_changes, one_line
from .. import widgets

MAX_SUGGESTIONS: Final = 1000
SAVE: Final = "Save"
SEARCH: Final = "Search"
BROWSE: Final = "Browse"
_NAMES: Final = (SAVE, SEARCH, BROWSE)
_TAB: Final = "memories.tab"
_LAST_TAB: Final = "memories.last-tab"
_NEXT_USER: Final = "memories.next-user"


@dataclass(frozen=True)
class Person:
    """The user as typed, and the canonical id."""

    raw: str
    id: UserId


def choose_person() -> Person | None:
    """Draw the field for the user with the canonical id; None until it is usable."""
    users = memory_reads.users()
    if _NEXT_USER in st.session_state:
        st.session_state["user"] = st.session_state.pop(_NEXT_USER)
    raw = st.selectbox(
        "User",
        [user.user_id for user in users[:MAX_SUGGESTIONS]],
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
        with widgets.row("canonical"):
            st.markdown(":material/person:", width="content")
            st.text(one_line(person.id, 254))
            st.caption(_standing(person, users), width="content")
        draw_changes(describe_changes(raw))
        return person
    return None


def choose_next(user_id: UserId) -> None:
    """Draw the page anew for this user; the field itself can be set only before it is drawn."""
    st.session_state[_NEXT_USER] = user_id
    st.rerun()


def draw_tabs() -> dict[str, TabContainer]:
    """Draw the tabs and return them by name; the address decides, then the last visit."""
    searching = bool(st.query_params.get("q"))
    first = SEARCH if searching else st.session_state.get(_LAST_TAB, SAVE)
    drawn = frame.draw_tabs(_NAMES, key=_TAB, parameter="tab", first=first)
    st.session_state[_LAST_TAB] = frame.open_tab(_NAMES, key=_TAB)
    return drawn


def go_to(name: str) -> None:
    """Open a tab. For callbacks."""
    frame.select_tab(name, key=_TAB)


def _standing(person: Person, users: Sequence[UserSummary]) -> str:
    for user in users:
        if user.user_id == person.id:
            written = text.ago(user.last_write)
            return f"{counted(user.memories, 'memory')}, last write {written}"
    return "no memories yet"


def _forget() -> None:
    actions.forget_outcomes()
    st.query_params.pop("job", None)
