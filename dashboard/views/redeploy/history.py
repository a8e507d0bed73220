"""Earlier runs over time: a chart and the same as a table; either opens a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go
import streamlit as st

from memory_core.model.counting import counted
from memory_core.redeploy_test import Report, Verdict

from ...services import redeploy
from ...services.redeploy import past_reports
from ...ui import charts, text
from .. import widgets
from . import start

# Fixed, at least 3:1 on both grounds; FAIL is hatched as well, for those who see no red.
COLOURS: Final = {
    Verdict.PASS: "#15803D",
    Verdict.DEGRADED: "#D97706",
    Verdict.FAIL: "#DC2626",
    Verdict.INCONCLUSIVE: "#64807B",
}
_CHART: Final = "redeploy.timeline"
_TABLE: Final = "redeploy.runs"
_LABELLED: Final = 8
_FEW: Final = 10
_ROOMY: Final = 60
"""Up to so many bars have room for an outline and a hatch."""


def draw() -> None:
    """Draw all kept runs."""
    reports = past_reports()
    if not reports:
        return
    st.header("Timeline of runs", anchor=False)
    chart = _survival(reports)
    st.plotly_chart(
        chart.figure,
        key=_CHART,
        on_select=_open_clicked,
        selection_mode="points",
        config=charts.CONFIG,
        alt=chart.alt,
    )
    st.caption(
        "Filled: probes that survived. Pale: probes that were stored before. Oldest first; "
        "click a bar to open its report. Times are UTC."
    )
    if part := widgets.folded("As a table", "redeploy.numbers"):
        with part:
            _draw_table(reports)


def _survival(reports: Sequence[Report]) -> charts.Chart:
    """Return the chart of survived and written probes per run, for reports newest first."""
    runs = list(reversed(reports))
    figure, roomy = go.Figure(), len(runs) <= _ROOMY
    for verdict, colour in COLOURS.items():
        places = [place for place, run in enumerate(runs) if run.verdict is verdict]
        if places:
            _add(figure, verdict, colour, [(place, runs[place]) for place in places], roomy)
    charts.fix(figure, height=240)
    every = max(1, -(-len(runs) // _LABELLED))
    shown = range(0, len(runs), every)
    figure.update_layout(
        barmode="overlay",
        showlegend=True,
        margin_t=36,
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
    )
    figure.update_xaxes(
        tickvals=list(shown),
        ticktext=[_tick(runs[place]) for place in shown],
        range=[-0.6, max(len(runs), _FEW) - 0.4],
        showgrid=False,
    )
    figure.update_yaxes(rangemode="tozero", tickformat=",d", nticks=5)
    return charts.Chart(figure, _sentence(reports))


def _add(
    figure: go.Figure, verdict: Verdict, colour: str, runs: list[tuple[int, Report]], roomy: bool
) -> None:
    failed = verdict is Verdict.FAIL
    common = {
        "x": [place for place, _ in runs],
        "customdata": [report.run for _, report in runs],
        "hovertext": [_hover(report) for _, report in runs],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "width": 0.66 if roomy else 0.9,
    }
    figure.add_bar(
        y=[report.written for _, report in runs],
        marker={"color": _pale(colour), "line": {"color": colour, "width": 1.5 * roomy}},
        showlegend=False,
        **common,
    )
    figure.add_bar(
        y=[report.survived for _, report in runs],
        marker={"color": colour, "pattern": {"shape": "/" if failed and roomy else ""}},
        name=f"{verdict.value} {len(runs):,}",
        **common,
    )


def _pale(colour: str) -> str:
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red}, {green}, {blue}, 0.22)"


def _draw_table(reports: Sequence[Report]) -> None:
    widgets.table(
        {
            "Ended": [text.parsed(report.ended_at) for report in reports],
            "Verdict": [report.verdict.value for report in reports],
            "Survived": [report.survived for report in reports],
            "Stored before": [report.written for report in reports],
            "What was tested": [redeploy.level_name(report) for report in reports],
        },
        "Runs of the redeploy test, newest first",
        at_most=10,
        key=_TABLE,
        on_select=_open_selected,
        column_config={"Ended": widgets.EXACT},
    )


def _open_clicked() -> None:
    # The id of a run stands where other charts have the id of a user.
    if run := charts.clicked(st.session_state[_CHART]):
        start.open_test(run)


def _open_selected() -> None:
    reports = past_reports()
    if (selected := widgets.selected_row(_TABLE, len(reports))) is not None:
        start.open_test(reports[selected].run)


def _tick(report: Report) -> str:
    ended = text.parsed(report.ended_at)
    return f"{ended.day} {ended:%b}<br>{ended:%H:%M}" if ended else ""


def _hover(report: Report) -> str:
    ended = text.parsed(report.ended_at)
    when = text.utc(ended) if ended else ""
    return (
        f"{report.verdict.value}, {report.survived:,} of {report.written:,}"
        f"<br>{redeploy.level_name(report)}<br>{when}"
    )


def _sentence(reports: Sequence[Report]) -> str:
    count = {verdict: sum(report.verdict is verdict for report in reports) for verdict in COLOURS}
    parts = ", ".join(f"{verdict.value} {number:,}" for verdict, number in count.items() if number)
    newest = reports[0]
    return (
        f"{counted(len(reports), 'redeploy test')}: {parts}. In the newest, "
        f"{newest.survived:,} of {counted(newest.written, 'probe')} survived."
    )
