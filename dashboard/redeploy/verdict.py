"""The verdict as a card that can be passed on, and as files."""

from __future__ import annotations

import json
from typing import Final

import streamlit as st

from dashboard.auth.visitor import bound
from dashboard.ui import times, words
from dashboard.ui.text import one_line, show
from memory_core import render_redeploy
from memory_core.redeploy import Report, Verdict

from . import work

# Per verdict: colour and icon, as constant Markdown. DEGRADED and INCONCLUSIVE prove nothing.
MARKS: Final = {
    Verdict.PASS: ("green", ":material/verified:"),
    Verdict.FAIL: ("red", ":material/dangerous:"),
    Verdict.DEGRADED: ("orange", ":material/warning:"),
    Verdict.INCONCLUSIVE: ("gray", ":material/help:"),
}


def draw(report: Report) -> None:
    """Draw word, sentence, and what the sentence rests on."""
    colour, icon = MARKS[report.verdict]
    with st.container(border=True, key="verdict"):
        with st.container(gap="small"):
            st.subheader(f":{colour}[{icon} {report.verdict.value}]", anchor=False)
            st.markdown(f"**{render_redeploy.WORDS[report.verdict]}**")
        show(render_redeploy.sentence(report))
        for headline in report.headlines:
            _line(":orange[:material/priority_high:]", one_line(headline, 400))
        _line(":material/tag:", f"Survived: {report.survived:,} of {report.written:,} probes.")
        _draw_control(report)
        _draw_census(report)
        if report.left_behind is not None:
            _line(
                ":material/cleaning_services:",
                f"Cleaned up: a recount finds {report.left_behind:,} of the probes.",
            )
        st.caption(f"{work.level_name(report)} · {_when(report)}")
        _draw_downloads(report)


def _draw_control(report: Report) -> None:
    if report.control is None:
        return
    survived, written = report.control.survived, report.control.written
    if survived:
        _line(
            ":red[:material/error:]",
            f"Control: {survived:,} of {written:,} survived, which must not be.",
        )
    else:
        _line(":material/science:", f"Control: {written:,} of {written:,} lost, as it must be.")


def _draw_census(report: Report) -> None:
    before, after = report.census_before, report.census_after
    # A simulation on a disk of its own knows nobody; that is no news of real memories.
    if before and after and (before.users or after.users):
        _line(
            ":material/groups:",
            f"Real memories: {before.memories:,} of {words.counted(before.users, 'user')} before, "
            f"{after.memories:,} of {words.counted(after.users, 'user')} after.",
        )


def _when(report: Report) -> str:
    ended = times.parsed(report.ended_at)
    return times.both(ended) if ended else "at an unknown time"


def _draw_downloads(report: Report) -> None:
    # Made when somebody asks: a file of an earlier run of the script may be gone by then.
    name = f"redeploy-test-{one_line(report.run, 40)}"
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Report as Markdown",
            bound(lambda: render_redeploy.report_markdown(report)),
            file_name=f"{name}.md",
            mime="text/markdown",
            icon=":material/download:",
            on_click="ignore",
            key="redeploy.markdown",
        )
        st.download_button(
            "Report as JSON",
            bound(lambda: _as_json(report)),
            file_name=f"{name}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
            key="redeploy.json",
        )


def _as_json(report: Report) -> str:
    return json.dumps(render_redeploy.report_document(report), indent=1, ensure_ascii=False)


def _line(icon: str, text: str) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        st.markdown(icon, width="content")
        show(text)
