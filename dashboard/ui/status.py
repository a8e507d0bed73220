"""State of the storage: card, steps of the choice, key figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.records import Status, Step
from memory_core.model.server_card import ServerCard
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
        st.header(STATES[state], anchor=False)
        since = f" since {text.day(status.since)}" if status.since else ""
        where = text.backend_name(status.backend)
        # The address is below.
        server = (status.server or "").rpartition(" at ")[0]
        st.markdown(f"**on {one_line(server) or where}{since}**")
        show(sentence(status.reason))
        st.space("xsmall")
        for name, value in status.location.items():
            _row(plain_word(name.capitalize(), "Location"), value)
        _row("Embedder", f"{status.embedder}, {counted(status.dimensions, 'dimension')}")


def draw_broken_card(trouble: Trouble) -> None:
    """Draw the error of the storage and the remedy."""
    with st.container(border=True, key="status-card"):
        st.header(STATES["broken"], anchor=False)
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
        st.header("Why this storage", anchor=False)
        for step in steps:
            _draw_step(step)


def draw_server_card(card: ServerCard) -> None:
    """Draw what a server in Amazon's place can do, and what is done instead of the rest."""
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


def draw_key_figures(status: Status, reports: Sequence[Report]) -> None:
    """Draw the numbers of memories and users, the last write and redeploy test."""
    with st.grid(4, min_column_width=190, key="key-figures"):
        whole = "perhaps not all" if status.left_out else "complete"
        _figure("Memories", f"{status.memories:,}", f"{whole}, {text.ago(status.as_of)}")
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
