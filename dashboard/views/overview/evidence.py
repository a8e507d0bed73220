"""The charts of the Overview; each has its numbers in a table, and a click opens a page."""

import datetime as dt
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memory_core.model.census import Census
from memory_core.model.counting import counted
from memory_core.model.records import Status

from ... import routes
from ...services import memory_calls, user_actions
from ...services.redeploy import past_reports
from ...ui import charts, text
from ...ui.actions import wanted
from .. import widgets
from ..doctor import logs

_PERIODS: Final = {"30 days": 30, "90": 90, "365": 365, "All": 0}
_HEIGHT: Final = 222
_MARKS: Final = (
    ":blue[■] S3 Vectors · :orange[■] ChromaDB · ○ start · △ deployment · ✓✗ test · ▬ memories"
)


def draw(state: Status) -> None:
    """Draw the five charts, the most telling ones first."""
    census = memory_calls.census()
    left, right = st.columns(2)
    with left:
        _draw_users(census)
    with right:
        _draw_growth(census)
    _draw_should_be(state)
    draw_strip(census, state)
    _draw_answers()


def _draw_users(census: Census) -> None:
    compared = user_actions.last_comparison()
    differing = {user.user_id for user in compared.scan.differing} if compared else set()
    if census.memories <= memory_calls.COUNTED_UP_TO:
        differing |= memory_calls.placement().missing.keys()
    with st.container(key="per-user", gap="xsmall"):
        count = len(census.users)
        most = f", the {charts.TOP_USERS} with most of {count:,}"
        head = _head(f"Memories per user{most if count > charts.TOP_USERS else ''}")
        chart = charts.per_user(census.users, census.recent, differing)
        _draw_chart("users", chart, head)


def _draw_growth(census: Census) -> None:
    age = (census.as_of.date() - max(census.growth)).days
    fitting = next((name for name, days in _PERIODS.items() if age < days), "All")
    with st.container(key="per-day", gap="xsmall"):
        head = _head("Growth", "By the UTC day on which the memories were created.")
        with head:
            period = st.selectbox(
                "Created in the last",
                list(_PERIODS),
                index=list(_PERIODS).index(fitting),
                key="overview.period",
                label_visibility="collapsed",
                width=110,
            )
            total = st.toggle("Total", key="overview.total")
        days = _PERIODS[str(period)]
        chart = charts.growth(census, days, total=total, height=_HEIGHT)
        _draw_chart("growth", chart, head, routes.address(routes.USERS))


def _draw_should_be(state: Status) -> None:
    """Draw how record and store compare, and the time of the comparison."""
    with st.container(key="should-be", gap="xsmall"):
        head = _head("Is everything where it should be?")
        if state.memories > memory_calls.COUNTED_UP_TO:
            with head:
                counting = wanted(
                    "Count the index",
                    "overview.count",
                    state.memories,
                    icon=":material/123:",
                    type="tertiary",
                )
            if not counting:
                requests = counted(state.memories // 500, "request")
                costs = f"about {requests} on S3, else some seconds"
                st.caption(
                    f"Counting {counted(state.memories, 'memory')} reads the ids of the whole "
                    f"index: {costs}."
                )
                return
        placement, compared = memory_calls.placement(), user_actions.last_comparison()
        chart = charts.should_be(placement, compared.elsewhere.missing if compared else None)
        with head:
            st.caption(f"as of {placement.as_of:%H:%M} UTC", width="content")
            widgets.button(
                "Check",
                "overview.check",
                memory_calls.check_again,
                icon="refresh",
                kind="tertiary",
            )
        # Not the chart's legend, which would be cut off on a phone.
        colours = ("blue" if state.backend == "s3_vectors" else "orange", "red", "violet", "gray")
        parts = zip(colours, chart.figure.data, strict=True)
        st.markdown(" · ".join(f":{colour}[■] {part.name}" for colour, part in parts))
        _draw_chart("should-be", chart, head, routes.address(routes.USERS))


def draw_strip(census: Census, state: Status) -> None:
    """Draw the storage over time; a click on a verdict opens its test."""
    with st.container(key="strip", gap="xsmall"):
        head = _head("Storage over time")
        since, now = state.since or state.as_of, dt.datetime.now(dt.UTC)
        chart = charts.storage_strip(memory_calls.starts(), past_reports(), census.days, since, now)
        head.caption(_MARKS, width="content")
        _draw_chart("strip", chart, head, routes.address(routes.REDEPLOY))


def _draw_answers() -> None:
    with st.container(key="answers", gap="xsmall"):
        head = _head("Answers and errors")
        counts = memory_calls.call_counts()
        if not (hours := counts.hours()):
            since = text.utc(counts.since).replace(":", r"\:")  # `:34:` would load emoji.
            st.caption(f"No saves and no questions in this process since {since}.")
            return
        totals = counts.totals()
        with head:
            for noun, count in (("save", totals["save"]), ("question", totals["search"])):
                median, slow = (count.quantile(share) or 0 for share in (0.5, 0.95))
                if count.calls:
                    speed = f"p50 {median * 1000:,.0f} ms, p95 {slow * 1000:,.0f} ms"
                    st.caption(f"{counted(count.calls, noun)}, {speed}", width="content")
        link = routes.address(routes.DOCTOR, tab=logs.NAME)
        _draw_chart("answers", charts.answers(hours, 170), head, link)


def _head(title: str, about: str | None = None) -> DeltaGenerator:
    """Draw the title of a chart; return its row, for options."""
    row = widgets.row()
    with row:
        st.header(title, anchor=False, width="stretch", help=about)
    return row


def _draw_chart(key: str, chart: charts.Chart, head: DeltaGenerator, link: str = "") -> None:
    """Draw a chart, and its table into the row of its title; a click opens the address."""
    with head:
        table = st.popover("Table", key=f"overview.table.{key}", type="tertiary", on_change="rerun")
    if table.open:
        with table:
            widgets.table(chart.table, chart.alt)
    widgets.draw_chart(chart, link)
