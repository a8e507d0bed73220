"""State of the storage: card, steps of the choice, key figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.records import Status, Step
from memory_core.redeploy_test import Report

from ..connection import Trouble
from ..services import memory_reads
from . import text
from .frame import STATES
from .messages import headline
from .text import one_line, plain_word, sentence, show

_LABEL_PX: Final = 96
_STEP_ICONS: Final = {
    True: ":green[:material/check_circle:]",
    False: ":gray[:material/do_not_disturb_on:]",
}


def draw_status_card(status: Status) -> None:
    """Draw the kind of storage in words, then its technical names."""
    state = "persistent" if status.persistent else "temporary"
    with st.container(border=True, height="stretch", key="status-card"):
        st.subheader(STATES[state], anchor=False)
        since = f" since {text.day(status.since)}" if status.since else ""
        where = text.backend_name(status.backend)
        st.markdown(f"**on {'a stand-in for ' if status.stand_in else ''}{where}{since}**")
        show(sentence(status.reason))
        st.space("xsmall")
        for name, value in status.location.items():
            _row(plain_word(name.capitalize(), "Location"), value)
        _row("Embedder", f"{status.embedder}, {counted(status.dimensions, 'dimension')}")


def draw_broken_card(trouble: Trouble) -> None:
    """Draw the error of the storage and the remedy."""
    with st.container(border=True, key="status-card"):
        st.subheader(STATES["broken"], anchor=False)
        st.markdown(f"**{headline(trouble)}**")
        show(sentence(trouble.sentence))
        st.caption(
            "Acknowledged memories are not lost by this. Correct what the sentence names, then try "
            "again; a changed variable needs a restart of the dashboard."
        )
        _draw_try_again()


def draw_unavailable(sentence: str) -> None:
    """Draw that a page needs the storage, and where its error is explained."""
    st.markdown(f"{sentence} at the moment; the overview says why.")
    _draw_try_again()


def draw_steps(steps: tuple[Step, ...]) -> None:
    """Draw the steps by which the backend was chosen, the deciding one marked."""
    with st.container(border=True, height="stretch", key="decision"):
        st.subheader("Why this storage", anchor=False)
        for step in steps:
            _draw_step(step)


def draw_key_figures(status: Status, reports: Sequence[Report]) -> None:
    """Draw the numbers of memories and users, the last write and redeploy test."""
    with st.grid(4, min_column_width=190, key="key-figures"):
        _figure("Memories", f"{status.memories:,}", f"complete, {text.ago(status.as_of)}")
        _figure("Users", f"{status.users:,}", "with at least one memory")
        written = status.last_write
        _figure(
            "Last write",
            text.ago(written) if written else "none yet",
            text.utc(written) if written else "nothing was saved so far",
        )
        newest = reports[0] if reports else None
        ended = text.parsed(newest.ended_at) if newest else None
        _figure(
            "Last redeploy test",
            newest.verdict.value if newest else "none yet",
            text.ago(ended) if ended else "nothing is proven so far",
        )


def _draw_try_again() -> None:
    st.button("Try again", icon=":material/refresh:", on_click=memory_reads.try_again)


def _figure(label: str, value: str, note: str) -> None:
    st.metric(
        label,
        value,
        delta=note,
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
    )


def _draw_step(step: Step) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        st.markdown(_STEP_ICONS[step.ok], width="content")
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
