"""State of the storage: in one line, why it was chosen, and its error."""

from typing import Final

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.records import Status, Step
from memory_core.model.server_card import ServerCard

from .. import routes
from ..connection import Health, Trouble
from ..services import memory_calls
from . import setting_lines, text
from .frame import STATES, word_of
from .messages import headline
from .text import one_line, plain_word, sentence, show

_LABEL_PX: Final = 96
_STEP_ICONS: Final = {
    True: ":green[:material/check_circle:]",
    False: ":gray[:material/do_not_disturb_on:]",
}


def draw_line(health: Health, state: Status) -> None:
    """Draw the state of the storage in one line: word, place, and what a deployment does."""
    if state.persistent:
        effect = "survive deployments"
        if state.server:
            effect = "last as long as this server keeps them; nothing is in an AWS account"
    else:
        effect = "will be deleted by the next deployment"
    where = text.backend_name(state.backend)
    if state.server:
        where = sentence(one_line(state.server)).rstrip(".")
    elif state.backend == "chroma":
        where += ", this machine's disk" if not state.persistent else ", a disk that is kept"
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="status-line"):
        st.title("Overview", anchor=False, width="content")
        st.markdown(word_of(health), width="content")
        held = counted(state.memories, "memory") if state.memories else "memories"
        st.text(f"{where} · {held} {effect}", width="stretch")
        if not state.persistent:
            setting_lines.draw_to_keep(state)


def draw_location(status: Status) -> None:
    """Draw the reason for the choice of the storage, and its technical names."""
    show(sentence(status.reason))
    for name, value in status.location.items():
        _row(plain_word(name.capitalize(), "Location"), value)
    _row("Embedder", f"{status.embedder}, {counted(status.dimensions, 'dimension')}")


def draw_broken_card(trouble: Trouble) -> None:
    """Draw the error of the storage and the remedy."""
    with st.container(border=True, key="status-card"):
        st.header(STATES["broken"], anchor=False)
        st.markdown(f"**{headline(trouble)}**")
        show(sentence(trouble.sentence))
        setting_lines.draw(trouble.sentence, "broken")
        st.caption(
            "Acknowledged memories are not lost by this. Correct what the message names, then try "
            "again; after changing a variable, restart the dashboard."
        )
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            _draw_try_again()
            st.page_link(
                routes.DOCTOR, label="Ask the doctor what to do", icon=":material/stethoscope:"
            )


def draw_unavailable(sentence: str) -> None:
    """Draw what a page cannot do without the storage, and where the error is explained."""
    st.markdown(f"{sentence} at the moment; the overview says why.")
    _draw_try_again()


def draw_steps(status: Status) -> None:
    """Draw the steps by which the backend was chosen, the deciding one marked.

    A failed step counts as optional if memories are persistent anyway.
    """
    with st.container(key="decision", gap="xsmall"):
        for step in status.steps:
            _draw_step(step, optional=status.persistent)


def draw_server_card(card: ServerCard) -> None:
    """Draw what a server used in place of AWS cannot do, and what is done instead."""
    with st.container(border=True, key="server-card"):
        st.header("What this server can do", anchor=False)
        show(f"{sentence(card.sentence)} Tried {text.utc(card.taken_at)}.")
        for lacking in card.lacking:
            with st.container(horizontal=True, gap="small", vertical_alignment="top"):
                st.markdown(_STEP_ICONS[False], width="content")
                with st.container(gap=None, width="stretch"):
                    st.text(lacking.title)
                    lost = f" Lost: {lacking.lost}." if lacking.lost else ""
                    st.caption(f"{sentence(lacking.instead)}{lost}" if lacking.instead else lost)


def _draw_try_again() -> None:
    st.button("Try again", icon=":material/refresh:", on_click=memory_calls.try_again)


def _draw_step(step: Step, *, optional: bool) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        icon = _STEP_ICONS[step.ok] if step.ok or optional else ":orange[:material/cancel:]"
        st.markdown(icon, width="content")
        with st.container(gap=None, width="stretch"):
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.text(one_line(step.name))
                if step.deciding:
                    st.badge("decided", color="blue", icon=":material/flag:")
            show(step.detail)


def _row(label: str, value: str) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        st.caption(label, width=_LABEL_PX)
        st.text(one_line(value, 200), width="stretch")
