"""A button press that changes something: once, visibly under way, with a result that stays.

The press only notes what is to be done. The run that follows draws its button disabled, does the
work, and keeps the outcome in a plain object: a further click interrupts a script at its next
Streamlit call, so nothing may lie between the work and the place of its outcome. One session runs
one script at a time, because `.streamlit/config.toml` switches fast reruns off.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from memory_core import normalize_user_id
from memory_core.errors import InvalidUserId, MemoryCoreError
from memory_core.model.records import UserId

from ..connection import Trouble
from .text import one_line

DOUBLE_CLICK_S: Final = 1.5
_KEY: Final = "dashboard.actions"


@dataclass(frozen=True)
class Outcome:
    """What an action gave: a value, or a trouble."""

    value: Any = None
    trouble: Trouble | None = None


@dataclass
class Action:
    """One place on a page where something can be done."""

    pending: Callable[[], Any] | None = None
    outcome: Outcome | None = None
    _asked: tuple[object, ...] = ()
    _ended_at: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether the work was asked for and is not done."""
        return self.pending is not None

    def ask(self, work: Callable[[], Any], *what: object) -> None:
        """Note the work; the second half of a double click is let fall. For callbacks.

        What failed may be asked for again at once.
        """
        failed = self.outcome is not None and self.outcome.trouble is not None
        soon = time.monotonic() - self._ended_at < DOUBLE_CLICK_S
        twice = what == self._asked and soon and not failed
        if not self.busy and not twice:
            self.pending, self._asked, self.outcome = work, what, None

    def do(self, work: Callable[[], Any]) -> None:
        """Do the work at once and keep its outcome. For callbacks."""
        try:
            self.outcome = Outcome(value=work())
        except MemoryCoreError as error:
            self.outcome = Outcome(trouble=Trouble.of(error))
        finally:
            self._ended_at = time.monotonic()

    def run(self, saying: str) -> None:
        """Do what was asked for, if anything, and draw the page anew.

        A click elsewhere may interrupt the work where it touches Streamlit; it is then still
        pending and the next run does it again, which finds what was stored already.
        """
        if self.pending is None:
            return
        with st.spinner(saying):
            try:
                self.do(self.pending)
            except Exception:
                self.pending = None
                raise
            self.pending = None
        st.rerun()


def action(name: str) -> Action:
    """Return the action of that name in this visitor's session."""
    return st.session_state.setdefault(_KEY, {}).setdefault(name, Action())


def forget_outcomes() -> None:
    """Drop all outcomes, when they would speak of another user or another form."""
    st.session_state.pop(_KEY, None)


def draw_typed(
    name: str,
    expected: UserId,
    label: str,
    work: Callable[[], Any],
    on_press: Callable[[], None] = lambda: None,
) -> Action:
    """Draw the field for the id and the button that does the work; return the action.

    The button does nothing until the id was typed, in any form; `on_press` is called when it is.
    """
    return _draw(name, "id", expected, label, work, on_press)


def draw_word(name: str, word: str, label: str, work: Callable[[], Any]) -> Action:
    """As `draw_typed`, with a word of small letters that has to be typed."""
    return _draw(name, "word", word, label, work, lambda: None)


def _draw(
    name: str,
    what: str,
    expected: str,
    label: str,
    work: Callable[[], Any],
    on_press: Callable[[], None],
) -> Action:
    drawn = action(name)
    with st.form(f"{name}.form", border=False):
        st.caption(f"To confirm, type the {what}:")
        st.text(one_line(expected, 300))
        st.text_input(f"The {what}", key=f"{name}.typed", autocomplete="off", max_chars=300)
        st.form_submit_button(
            f":red[{label}]",
            disabled=drawn.busy,
            on_click=_press,
            args=(name, expected, drawn, work, on_press),
        )
    if st.session_state.pop(f"{name}.mistyped", False):
        st.warning(
            f"That is not the {what} above; nothing was changed.", icon=":material/keyboard:"
        )
    drawn.run("Working and counting again…")
    return drawn


def _press(
    name: str,
    expected: str,
    action: Action,
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
