"""Each probe, and before and after side by side."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import streamlit as st

from dashboard.ui import tables, words
from dashboard.ui.text import one_line
from memory_core.redeploy import Report
from memory_core.render_redeploy import compared


def draw(report: Report) -> None:
    """Draw both tables, side by side where there is room."""
    left, right = st.columns(2)
    with left:
        _draw_probes(report)
    with right:
        _draw_compared(report)


def _draw_probes(report: Report) -> None:
    st.subheader("Each probe", anchor=False)
    if not report.probes:
        st.caption("The probes could not be looked for.")
        return
    count = Counter(one.state.value for one in report.probes)
    said = ", ".join(f"{number:,} {state}" for state, number in count.most_common())
    frame = pd.DataFrame(
        {
            "Probe": [one.number or None for one in report.probes],
            "Kind": [one_line(one.kind, 40) for one in report.probes],
            "State": [one.state.value for one in report.probes],
            "Detail": [one_line(one.detail, tables.CELL) for one in report.probes],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key="redeploy.probes",
        height=tables.whole_height(len(frame), at_most=20),
        alt=f"What became of each probe: {said}",
        column_config={"Probe": st.column_config.NumberColumn(width=64)},
    )
    st.caption(f"{words.counted(len(frame), 'probe')}: {said}.")


def _draw_compared(report: Report) -> None:
    st.subheader("Before and after", anchor=False)
    rows = compared(report.before, report.after)
    if not rows:
        st.caption("Nothing is known of either side.")
        return
    known = report.before is not None and report.after is not None
    rows = sorted(rows, key=lambda row: row[1] == row[2]) if known else rows
    differ = [known and was != now for _, was, now in rows]
    frame = pd.DataFrame(
        {
            "": ["≠" if one else "" for one in differ],
            "What": [one_line(name, 40) for name, _, _ in rows],
            "Before": [one_line(was, tables.CELL) for _, was, _ in rows],
            "After": [one_line(now, tables.CELL) for _, _, now in rows],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key="redeploy.compared",
        height=tables.whole_height(len(frame), at_most=20),
        alt=f"Before and after: {sum(differ)} of {len(rows)} rows differ",
        column_config={
            "": st.column_config.TextColumn(width=36),
            # What it has too much the next would have too little.
            "Before": st.column_config.TextColumn(width=140),
        },
    )
    if known:
        st.caption(
            f"{sum(differ):,} of {words.counted(len(rows), 'row')} differ, marked with ≠, first."
        )
    else:
        st.caption("Only one side is known: a code, unlike the receipt file, does not hold it.")
