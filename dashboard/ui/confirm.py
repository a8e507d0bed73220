"""A destructive action: what will happen, the name typed, one press, a result that stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from memory_core import normalize_user_id
from memory_core.errors import InvalidUserId
from memory_core.records import UserId

from . import actions
from .text import one_line


def draw_typed(
    name: str,
    expected: UserId,
    label: str,
    work: Callable[[], Any],
    on_press: Callable[[], None] = lambda: None,
) -> actions.Action:
    """Draw the field for the id and the button that does the work; return the action.

    The button does nothing until the id was typed, in any form; `on_press` is called when it is.
    """
    return _draw(name, "id", expected, label, work, on_press)


def draw_word(name: str, word: str, label: str, work: Callable[[], Any]) -> actions.Action:
    """As `draw_typed`, with a word of small letters that has to be typed."""
    return _draw(name, "word", word, label, work, lambda: None)


def _draw(
    name: str,
    what: str,
    expected: str,
    label: str,
    work: Callable[[], Any],
    on_press: Callable[[], None],
) -> actions.Action:
    action = actions.action(name)
    with st.form(f"{name}.form", border=False):
        st.caption(f"To confirm, type the {what}:")
        st.text(one_line(expected, 300))
        st.text_input(f"The {what}", key=f"{name}.typed", autocomplete="off", max_chars=300)
        st.form_submit_button(
            f":red[{label}]",
            disabled=action.busy,
            on_click=_press,
            args=(name, expected, action, work, on_press),
        )
    if st.session_state.pop(f"{name}.mistyped", False):
        st.warning(
            f"That is not the {what} above; nothing was changed.", icon=":material/keyboard:"
        )
    action.run("Working and counting again…")
    return action


def _press(
    name: str,
    expected: str,
    action: actions.Action,
    work: Callable[[], Any],
    on_press: Callable[[], None],
) -> None:
    typed = st.session_state.get(f"{name}.typed", "")
    if not _is_same(typed, expected):
        st.session_state[f"{name}.mistyped"] = True
        return
    st.session_state[f"{name}.typed"] = ""
    action.ask(work, name, expected)
    on_press()


def _is_same(typed: str, expected: str) -> bool:
    try:
        return normalize_user_id(typed) == expected
    except InvalidUserId:
        return False
