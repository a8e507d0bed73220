"""Actions: button presses that change something, done once, with an outcome that stays.

The press only stores the work. The run that follows draws the button disabled, does the work, and
keeps the outcome in a plain object: a further click interrupts a script at its next Streamlit
call, so none may stand between the work and storing its outcome. One session runs one script at a
time, because `.streamlit/config.toml` disables fast reruns.
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from memory_core import normalize_user_id
from memory_core.errors import InvalidUserId, MemoryCoreError

from ..connection import Trouble
from .text import one_line

DOUBLE_CLICK_S: Final = 1.5
_KEY: Final = "dashboard.actions"
_WISHES: Final = "dashboard.wishes"


@dataclass(frozen=True)
class Outcome:
    """Result of an action: a value, or the trouble."""

    value: Any = None
    trouble: Trouble | None = None


@dataclass
class Action:
    """Action of one button or form in one session."""

    pending: Callable[[], Any] | None = None
    outcome: Outcome | None = None
    _asked: tuple[object, ...] = ()
    _ended_at: float = 0.0

    @property
    def busy(self) -> bool:
        """True while the work is requested and not done."""
        return self.pending is not None

    def ask(self, work: Callable[[], Any], *key: object) -> None:
        """Request the work, ignoring the second half of a double click. For callbacks.

        Failed work with the same key can be requested again at once.
        """
        failed = self.outcome is not None and self.outcome.trouble is not None
        soon = time.monotonic() - self._ended_at < DOUBLE_CLICK_S
        twice = key == self._asked and soon and not failed
        if not self.busy and not twice:
            self.pending, self._asked, self.outcome = work, key, None

    def do(self, work: Callable[[], Any]) -> Any:
        """Do the work now, keep its outcome, return its value if any. For callbacks."""
        try:
            self.outcome = Outcome(value=work())
        except MemoryCoreError as error:
            self.outcome = Outcome(trouble=Trouble.of(error))
        finally:
            self._ended_at = time.monotonic()
        return self.outcome.value

    def run(self, saying: str) -> None:
        """Do the requested work, if any, and rerun the page.

        A click elsewhere may interrupt the work where it touches Streamlit; it then stays pending,
        and the next run repeats it, which recognizes what was stored already.
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
    actions: dict[str, Action] = st.session_state.setdefault(_KEY, {})
    return actions.setdefault(name, Action())


def forget_outcomes() -> None:
    """Drop all outcomes, when the user or the form changes."""
    st.session_state.pop(_KEY, None)


def wanted(label: str, key: str, about: Hashable, **style: Any) -> bool:
    """Draw a button for costly reading until it is pressed; return whether it was, for `about`.

    It holds for later runs too, until another page is opened: what is read has buttons of its
    own, and the end of any job draws the page again. `style` is further options of the button.
    """
    wishes = st.session_state.setdefault(_WISHES, {})
    if key in wishes and wishes[key] == about:
        return True
    st.button(label, key=key, on_click=wishes.__setitem__, args=(key, about), **style)
    return False


def forget_wishes() -> None:
    """Drop what was wanted, when another page is opened."""
    st.session_state.pop(_WISHES, None)


def draw_typed(
    name: str,
    expected: str,
    label: str,
    work: Callable[[], Any],
    on_press: Callable[[], None] = lambda: None,
    *,
    noun: str = "id",
) -> Action:
    """Draw a field for the expected id, and the button that does the work if it was typed.

    Any form that normalizes to the id is accepted; `on_press` is called then.
    """
    drawn = action(name)

    def press() -> None:
        if not _is_same(st.session_state.get(f"{name}.typed", ""), expected):
            st.session_state[f"{name}.mistyped"] = True
            return
        st.session_state[f"{name}.typed"] = ""
        drawn.ask(work, name, expected)
        on_press()

    with st.form(f"{name}.form", border=False):
        st.text(one_line(expected, 300))
        question = f"To {label[0].lower()}{label[1:]}, type the {noun}"
        st.text_input(question, key=f"{name}.typed", autocomplete="off", max_chars=300)
        st.form_submit_button(
            f":red[{label}]",
            disabled=drawn.busy,
            on_click=press,
        )
    if st.session_state.pop(f"{name}.mistyped", False):
        st.warning(
            f"That is not the {noun} above; nothing was changed.", icon=":material/keyboard:"
        )
    drawn.run("Working and counting again…")
    return drawn


def _is_same(typed: str, expected: str) -> bool:
    try:
        return normalize_user_id(typed) == expected
    except InvalidUserId:
        return False
