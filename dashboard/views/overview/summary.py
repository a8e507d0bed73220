"""The head of the Overview: figures with their time, the last proof, why this storage, the log."""

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.records import Status
from memory_core.redeploy_test import Report

from ... import routes
from ...auth.roles import Role
from ...auth.visitor import may
from ...services import memory_calls
from ...services.redeploy import past_reports, waiting_tests
from ...ui import status, tables, text
from ...ui.text import one_line
from .. import widgets
from ..doctor import checks, scenes
from ..redeploy import result, start

_LINES = 40


def draw_figures(state: Status, *, counting: bool) -> None:
    """Draw the figures, the last redeploy test and the doctor's result in one row."""
    reports, tests = past_reports(), waiting_tests()
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="key-figures"):
        draw = st.fragment(_draw_counts, run_every=1 if counting else 30)
        draw(state, counting=counting)
        if tests:
            label = f"A redeploy test is {start.waiting_words(tests[0])}"
            st.page_link(routes.REDEPLOY, label=label, icon=":material/hourglass_top:")
        else:
            _draw_verdict(reports[0] if reports else None)
        checks.draw_link()


def draw_empty() -> None:
    """Draw the next step while nothing is saved."""
    with st.container(border=True, key="empty"):
        st.header("No memories yet", anchor=False)
        with widgets.row():
            if may(Role.OPERATOR) and st.button(
                "Save a memory", type="primary", icon=":material/add:"
            ):
                st.switch_page(routes.MEMORIES)
            scenes.draw_load_button("overview.load")


def draw_details(state: Status) -> None:
    """Draw why this storage was chosen, folded."""
    if part := widgets.folded("Why this storage", "overview.why"):
        with part:
            status.draw_location(state)
            status.draw_steps(state)
            if state.card:
                status.draw_server_card(state.card)


def draw_log() -> None:
    """Draw the last log lines of this process, folded."""
    part = widgets.folded("Recent log lines", "overview.log")
    if not part:
        return
    with part:
        lines = memory_calls.recent_lines(_LINES)
        # Plain text: a code block would load a highlighter of 1.6 MB.
        st.text(tables.log_text(lines) or "Nothing was logged since the dashboard started.")
        st.caption(
            f"{tables.known_sentence(lines)} ✓ as one of the seven lines that are always "
            "written in exactly these words. Times are UTC."
        )


def _draw_counts(drawn: Status, *, counting: bool) -> None:
    """Draw the counts with their age; on the local disk, where counting is cheap, count again.

    Where the numbers differ from those `drawn` before, the whole page is rerun.
    """
    state = drawn
    if counting or drawn.backend == "chroma":
        health = memory_calls.health()
        state = health.status or drawn
        same = (state.memories, state.users) == (drawn.memories, drawn.users)
        if not same or health.counting != counting:
            st.rerun()
    written = f"last write {text.ago(state.last_write)}" if state.last_write else "no write yet"
    whole = ", perhaps not all" if state.left_out or state.damaged else ""
    age = f"counted {text.ago(state.as_of)}"
    if counting:
        age = f"as of {text.utc(state.as_of)}, counting again…"
    st.markdown(
        f"**{counted(state.memories, 'memory')} · {counted(state.users, 'user')}**{whole} · "
        f"{written} · {age}",
        width="content",
    )


def _draw_verdict(newest: Report | None) -> None:
    """Draw the last verdict, and the button that runs the test again in one click."""
    label = "Run the redeploy test"
    if newest:
        label = "Run again"
        colour, icon = result.MARKS[newest.verdict]
        ended = text.parsed(newest.ended_at)
        st.markdown(
            f"redeploy test :{colour}[{icon} **{newest.verdict.value}**]"
            f" {one_line(text.ago(ended)) if ended else ''}",
            width="content",
        )
    if may(Role.OPERATOR) and st.button(
        label, key="overview.test", icon=":material/play_arrow:", type="tertiary"
    ):
        st.switch_page(routes.REDEPLOY, query_params={start.JOB: start.simulate_now()})
