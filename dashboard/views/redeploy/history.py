"""Earlier runs over time: a chart and the same as a table; either opens a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from memory_core.redeploy_test import Report, Verdict

from ...services import redeploy
from ...services.redeploy import test_reports
from ...ui import charts, tables, text
from . import url

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
    reports = test_reports()
    if not reports:
        return
    st.subheader("Timeline of runs", anchor=False)
    chart = survival(reports)
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
    table = st.expander("As a table", on_change="rerun", key="redeploy.numbers", type="compact")
    if table.open:
        with table:
            _draw_table(reports)


def survival(reports: Sequence[Report]) -> charts.Chart:
    """Draw survived and written probes per run, coloured by verdict; newest first is given."""
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
    frame = pd.DataFrame(
        {
            "Ended": [text.parsed(report.ended_at) for report in reports],
            "Verdict": [report.verdict.value for report in reports],
            "Survived": [report.survived for report in reports],
            "Stored before": [report.written for report in reports],
            "What was tested": [redeploy.level_name(report) for report in reports],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key=_TABLE,
        on_select=_open_selected,
        selection_mode="single-row",
        height=tables.whole_height(len(frame), at_most=10),
        alt="Runs of the redeploy test, newest first",
        column_config={
            "Ended": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm", timezone="UTC")
        },
    )


def _open_clicked() -> None:
    points = st.session_state[_CHART].selection.points
    chosen = points[0].get("customdata") if points else None
    if isinstance(chosen, list):
        chosen = chosen[0] if chosen else None
    if isinstance(chosen, str):
        url.open_test(chosen)


def _open_selected() -> None:
    rows, reports = st.session_state[_TABLE].selection.rows, test_reports()
    if rows and rows[0] < len(reports):
        url.open_test(reports[rows[0]].run)


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
    count = {verdict: sum(one.verdict is verdict for one in reports) for verdict in COLOURS}
    parts = ", ".join(f"{verdict.value} {number:,}" for verdict, number in count.items() if number)
    newest = reports[0]
    return (
        f"{text.counted(len(reports), 'redeploy test')}: {parts}. In the newest, "
        f"{newest.survived:,} of {newest.written:,} probes survived."
    )
