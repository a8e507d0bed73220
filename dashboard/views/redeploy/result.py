"""The right side: the steps as they occur, then the verdict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from memory_core.errors import InvalidReceipt, MemoryCoreError
from memory_core.model.progress import StepDone
from memory_core.redeploy_test import Report, TestReceipt, Verdict
from memory_core.render import redeploy_test
from memory_core.render.redeploy_test import compared

from ...auth.roles import Role
from ...auth.visitor import bound
from ...services import jobs, memory_reads, redeploy
from ...services.redeploy import test_reports, waiting_tests
from ...ui import tables, text
from ...ui import text as times
from ...ui import text as words
from ...ui.messages import draw_unless, show_trouble
from ...ui.progress import watch
from ...ui.text import one_line, sentence, show
from . import url, waiting
from .start import read_receipt

# Per verdict: colour and icon, as constant Markdown. DEGRADED and INCONCLUSIVE prove nothing.
MARKS: Final = {
    Verdict.PASS: ("green", ":material/verified:"),
    Verdict.FAIL: ("red", ":material/dangerous:"),
    Verdict.DEGRADED: ("orange", ":material/warning:"),
    Verdict.INCONCLUSIVE: ("gray", ":material/help:"),
}


def draw_verdict(report: Report) -> None:
    """Draw word, sentence, and what the sentence rests on."""
    colour, icon = MARKS[report.verdict]
    with st.container(border=True, key="verdict"):
        with st.container(gap="small"):
            st.subheader(f":{colour}[{icon} {report.verdict.value}]", anchor=False)
            st.markdown(f"**{redeploy_test.WORDS[report.verdict]}**")
        show(redeploy_test.sentence(report))
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
        st.caption(f"{redeploy.level_name(report)} · {_when(report)}")
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
            bound(lambda: redeploy_test.report_markdown(report)),
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
    return json.dumps(redeploy_test.report_document(report), indent=1, ensure_ascii=False)


def _line(icon: str, text: str) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        st.markdown(icon, width="content")
        show(text)


_STEP_ICONS: Final = {
    "running": ":blue[:material/pending:]",
    "failed": ":red[:material/error:]",
    "done": ":green[:material/check_circle:]",
}


def draw() -> Report | None:
    """Draw what the address names, else the newest report; return the report that is shown."""
    if job_id := st.query_params.get(url.JOB):
        job = jobs.board().get(job_id)
        if job is not None:
            return _draw_job(job)
        st.info(
            "This run is not known here any more; below is what the storage says.",
            icon=":material/history:",
        )
    if run := st.query_params.get(url.TEST):
        return _draw_test(run)
    if code := st.query_params.get(url.RECEIPT):
        return _draw_offer(code)
    reports = test_reports()
    if not reports:
        _draw_empty()
        return None
    st.caption("The newest test")
    return _draw_report(reports[0])


def _draw_empty() -> None:
    with st.container(border=True, key="no-tests"):
        st.subheader("No test yet", anchor=False)
        st.markdown(
            "Nothing is proven about the next deployment. Run the simulation on this page: some "
            "seconds later you read here whether memories survive."
        )


def _draw_job(job: jobs.Job) -> Report | None:
    if not job.finished:
        with st.container(border=True, key="run"):
            show(one_line(job.subject))
            watch(job.id, "", doing="Starting", stop="", draw_steps=_draw_steps)
        return None
    if job.trouble:
        with st.container(border=True, key="run"):
            show(one_line(job.subject))
            _draw_steps(job.steps)
            show_trouble(job.trouble)
        return None
    result = job.result
    if isinstance(result, TestReceipt) or (isinstance(result, Report) and _kept(result)):
        # From here on the address outlives this process.
        st.query_params.from_dict({url.TEST: result.run})
    if isinstance(result, TestReceipt):
        return _draw_test(result.run)
    if isinstance(result, Report):
        return _draw_report(result, job.steps)
    if isinstance(result, redeploy.Done):
        with st.container(border=True, key="run"):
            show(sentence(result.sentence))
    return None


def _draw_test(run: str) -> Report | None:
    if check := redeploy.check_of(run):
        return _draw_job(check)
    if checked := redeploy.checked_here(run):
        return _draw_report(checked.result, checked.steps)
    for report in test_reports():
        if report.run == run:
            return _draw_report(report)
    for receipt in waiting_tests():
        if receipt.run == run:
            with st.container(border=True, key="receipt"):
                waiting.draw_receipt(receipt)
            return None
    st.info(
        "The storage does not know this test, or not any more. If it was wiped, check with the "
        "receipt: its code, link or file.",
        icon=":material/search_off:",
    )
    return None


def _draw_offer(code: str) -> Report | None:
    """Draw what a link with a receipt offers; only a press of the button looks and writes."""
    try:
        receipt = read_receipt(code[:200])
    except InvalidReceipt as error:
        show_trouble(memory_reads.Trouble.of(error))
        return None
    for report in test_reports():
        if report.run == receipt.run:
            st.caption("This receipt was checked already")
            return _draw_report(report)
    with st.container(border=True, key="offer"):
        st.subheader("A receipt came with the link", anchor=False)
        st.markdown(f"The test is **{waiting.waiting_words(receipt)}**.")
        if draw_unless(Role.OPERATOR):
            st.button(
                "Check what became of it",
                type="primary",
                icon=":material/fact_check:",
                key="redeploy.offer",
                on_click=url.start,
                args=(lambda: redeploy.run_check(receipt),),
            )
    return None


def _draw_report(report: Report, steps: Sequence[StepDone] = ()) -> Report:
    draw_verdict(report)
    if steps := report.steps or steps:
        folded = st.expander("Steps", key="redeploy.steps", on_change="rerun", type="compact")
        if folded.open:
            with folded:
                _draw_steps(steps)
    return report


def _kept(report: Report) -> bool:
    try:
        return any(one.run == report.run for one in test_reports())
    except MemoryCoreError:
        return False


def _draw_steps(steps: Sequence[StepDone]) -> None:
    for step in steps:
        state = "running" if step.ms is None else "failed" if step.failed else "done"
        with st.container(horizontal=True, gap="small", vertical_alignment="top"):
            st.markdown(_STEP_ICONS[state], width="content")
            with st.container(gap=None, width="stretch"):
                show(one_line(step.name))
                st.text(one_line(step.detail), width="stretch")
            st.caption("running" if step.ms is None else f"{step.ms:,} ms", width="content")


def draw_probes(report: Report) -> None:
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
    st.caption(f"{text.counted(len(frame), 'probe')}: {said}.")


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
            f"{sum(differ):,} of {text.counted(len(rows), 'row')} differ, marked with ≠, first."
        )
    else:
        st.caption("Only one side is known: a code, unlike the receipt file, does not hold it.")
