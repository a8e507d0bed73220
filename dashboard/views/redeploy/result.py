"""The result of a test: its steps as they happen, the verdict, then every probe."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import streamlit as st

from memory_core.errors import InvalidReceipt, MemoryCoreError
from memory_core.model.counting import StepDone, counted
from memory_core.redeploy_test import RedeployReceipt, Report, Verdict
from memory_core.render import redeploy_test

from ... import routes
from ...connection import Trouble
from ...services import jobs, memory_calls, redeploy
from ...services.redeploy import past_reports, waiting_tests
from ...ui import setting_lines, tables, text
from ...ui.messages import show_trouble
from ...ui.progress import watch
from ...ui.text import one_line, sentence, show
from .. import widgets
from . import start

# Per verdict: colour and icon, as constant Markdown. DEGRADED and INCONCLUSIVE prove nothing.
MARKS: Final = {
    Verdict.PASS: ("green", ":material/verified:"),
    Verdict.FAIL: ("red", ":material/dangerous:"),
    Verdict.DEGRADED: ("orange", ":material/warning:"),
    Verdict.INCONCLUSIVE: ("gray", ":material/help:"),
}
_STEP_ICONS: Final = {
    "running": ":blue[:material/pending:]",
    "failed": ":red[:material/error:]",
    "done": ":green[:material/check_circle:]",
}


def draw() -> Report | None:
    """Draw what the address names, else the newest report; return the report that is shown."""
    if job_id := st.query_params.get(start.JOB):
        job = jobs.board().get(job_id)
        if job is not None:
            return _draw_job(job)
        st.info(
            "This run is no longer known here; below is what the storage holds.",
            icon=":material/history:",
        )
    if run := st.query_params.get(start.TEST):
        return _draw_test(run)
    if code := st.query_params.get(start.RECEIPT):
        return _draw_offer(code)
    if reports := past_reports():
        st.caption("The newest test")
        return _draw_report(reports[0])
    with st.container(border=True, key="no-tests"):
        st.header("No test yet", anchor=False)
        st.markdown(
            "Nothing is proven about the next deployment. A simulation takes some seconds and "
            "shows here whether memories survive."
        )
    return None


def draw_probes(report: Report) -> None:
    """Draw each probe and what differs, side by side where there is room."""
    left, right = st.columns(2)
    with left:
        _draw_probes(report)
    with right:
        _draw_compared(report)


def _draw_job(job: jobs.Job) -> Report | None:
    if not job.finished or job.trouble:
        with st.container(border=True, key="run"):
            show(one_line(job.subject))
            if job.trouble:
                _draw_steps(job.steps)
                show_trouble(job.trouble)
            else:
                watch(job.id, "", doing="Starting", stop="", draw_steps=_draw_steps)
        return None
    result = job.result
    if isinstance(result, RedeployReceipt | Report):
        with suppress(MemoryCoreError):
            if isinstance(result, RedeployReceipt) or _kept(result.run):
                # From here on the address outlives this process.
                st.query_params.from_dict({start.TEST: result.run})
    if isinstance(result, RedeployReceipt):
        return _draw_test(result.run)
    if isinstance(result, Report):
        if start.JOB in st.query_params:
            # It is not kept here, so it was about another storage.
            show(one_line(job.subject))
        return _draw_report(result, job.steps)
    if isinstance(result, str):
        with st.container(border=True, key="run"):
            show(sentence(result))
    return None


def _draw_test(run: str) -> Report | None:
    if check := redeploy.check_of(run):
        return _draw_job(check)
    if checked := redeploy.checked_here(run):
        return _draw_report(checked.result, checked.steps)
    if report := _kept(run):
        return _draw_report(report)
    for receipt in waiting_tests():
        if receipt.run == run:
            with st.container(border=True, key="receipt"):
                start.draw_receipt(receipt)
            return None
    st.info(
        "The storage holds no record of this test. If it was wiped, check with the receipt: its "
        "code, link or file.",
        icon=":material/search_off:",
    )
    return None


def _draw_offer(code: str) -> Report | None:
    """Draw the state of the test whose receipt is in the link; only the button checks it."""
    try:
        receipt = start.read_receipt(code)
    except InvalidReceipt as error:
        show_trouble(Trouble.of(error))
        return None
    if report := _kept(receipt.run):
        st.caption("This receipt was checked already")
        return _draw_report(report)
    with st.container(border=True, key="offer"):
        st.header("A receipt came with the link", anchor=False)
        st.markdown(f"The test is **{start.waiting_words(receipt)}**. Check the receipt in step 2.")
    return None


def _draw_report(report: Report, steps: Sequence[StepDone] = ()) -> Report:
    _draw_verdict(report)
    if (steps := report.steps or steps) and (part := widgets.folded("Steps", "redeploy.steps")):
        with part:
            _draw_steps(steps)
    return report


def _kept(run: str) -> Report | None:
    return next((report for report in past_reports() if report.run == run), None)


def _draw_steps(steps: Sequence[StepDone]) -> None:
    for step in steps:
        state = "running" if step.ms is None else "failed" if step.failed else "done"
        with st.container(horizontal=True, gap="small", vertical_alignment="top"):
            st.markdown(_STEP_ICONS[state], width="content")
            with st.container(gap=None, width="stretch"):
                show(one_line(step.name))
                st.text(one_line(step.detail), width="stretch")
            st.caption("running" if step.ms is None else f"{step.ms:,} ms", width="content")


def _draw_probes(report: Report) -> None:
    st.header("Each probe", anchor=False)
    if not (probes := report.probes):
        st.caption("The probes could not be searched for.")
        return
    states = Counter(probe.state.value for probe in probes).most_common()
    summary = ", ".join(f"{number:,} {state}" for state, number in states)
    widgets.table(
        {
            "Probe": [probe.number or None for probe in probes],
            "Kind": [one_line(probe.kind, 40) for probe in probes],
            "State": [probe.state.value for probe in probes],
            "Detail": [one_line(probe.detail, tables.CELL) for probe in probes],
        },
        f"The state of each probe: {summary}",
        at_most=20,
        key="redeploy.probes",
        column_config={"Probe": st.column_config.NumberColumn(width=64)},
    )
    st.caption(f"{counted(len(probes), 'probe')}: {summary}.")


def _draw_compared(report: Report) -> None:
    st.header("Before and after", anchor=False)
    known = report.before is not None and report.after is not None
    rows = redeploy_test.compared(report.before, report.after)
    # What differs comes first.
    rows.sort(key=lambda row: known and row[1] == row[2])
    differ = [known and before != after for _, before, after in rows]
    caption = "Only one side is known: unlike the receipt file, a code does not hold the other."
    if known:
        caption = f"Different in {sum(differ)} of {counted(len(rows), 'row')}, marked with ≠."
    if rows:
        widgets.table(
            {
                "": ["≠" if differs else "" for differs in differ],
                "What": [one_line(name, 40) for name, _, _ in rows],
                "Before": [one_line(before, tables.CELL) for _, before, _ in rows],
                "After": [one_line(after, tables.CELL) for _, _, after in rows],
            },
            caption,
            at_most=20,
            key="redeploy.compared",
            # Wider columns would leave too little room for the last.
            column_config={"": {"width": 36}, "Before": {"width": 140}},
        )
    st.caption(caption)


def _draw_verdict(report: Report) -> None:
    """Draw the verdict as a word and a sentence, with its reasons."""
    colour, icon = MARKS[report.verdict]
    with st.container(border=True, key="verdict"):
        with st.container(gap="small"):
            st.header(f":{colour}[{icon} {report.verdict.value}]", anchor=False)
            st.markdown(f"**{redeploy_test.WORDS[report.verdict]}**")
        show(redeploy_test.sentence(report))
        for headline in report.headlines:
            with st.container(horizontal=True, gap="small", vertical_alignment="top"):
                st.markdown(":orange[:material/priority_high:]", width="content")
                show(one_line(headline, 400))
        for phrase in redeploy_test.counts(report)[:-1]:
            show(sentence(phrase))
        ended = text.parsed(report.ended_at)
        when = text.both(ended) if ended else "at an unknown time"
        st.caption(f"{redeploy.level_name(report)} · {when}")
        _draw_downloads(report)
        if report.verdict is Verdict.FAIL:
            _draw_next_step()


def _draw_next_step() -> None:
    """Draw what to set if the storage is temporary, else the link to the doctor."""
    state = memory_calls.health().status
    if state and not state.persistent:
        setting_lines.draw_to_keep(state, "redeploy.what-to-set")
    else:
        st.page_link(routes.DOCTOR, label="Find the cause", icon=":material/stethoscope:")


def _draw_downloads(report: Report) -> None:
    name = f"redeploy-test-{one_line(report.run, 40)}"
    with st.container(horizontal=True, gap="small"):
        widgets.download(
            "Report as Markdown",
            lambda: redeploy_test.report_markdown(report),
            f"{name}.md",
            "redeploy.markdown",
        )
        widgets.download(
            "Report as JSON",
            lambda: json.dumps(redeploy_test.report_document(report), indent=1, ensure_ascii=False),
            f"{name}.json",
            "redeploy.json",
        )
