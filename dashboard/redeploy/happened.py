"""The right side: the steps as they occur, then the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard import data, jobs
from dashboard.auth.roles import Role
from dashboard.ui.allowed import draw_unless
from dashboard.ui.errors import show_trouble
from dashboard.ui.text import one_line, sentence, show
from memory_core.errors import InvalidReceipt, MemoryCoreError
from memory_core.progress import StepDone
from memory_core.redeploy import Receipt, Report

from . import address, verdict, waiting, work
from .choose import read_receipt

_STEP_ICONS: Final = {
    "running": ":blue[:material/pending:]",
    "failed": ":red[:material/error:]",
    "done": ":green[:material/check_circle:]",
}


def draw() -> Report | None:
    """Draw what the address names, else the newest report; return the report that is shown."""
    if job_id := st.query_params.get(address.JOB):
        job = jobs.board().get(job_id)
        if job is not None:
            return _draw_job(job)
        st.info(
            "This run is not known here any more; below is what the storage says.",
            icon=":material/history:",
        )
    if run := st.query_params.get(address.TEST):
        return _draw_test(run)
    if code := st.query_params.get(address.RECEIPT):
        return _draw_offer(code)
    reports = data.test_reports()
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
            _watch(job.id)
        return None
    if job.trouble:
        with st.container(border=True, key="run"):
            show(one_line(job.subject))
            _draw_steps(job.steps)
            show_trouble(job.trouble)
        return None
    result = job.result
    if isinstance(result, Receipt) or (isinstance(result, Report) and _kept(result)):
        # From here on the address outlives this process.
        st.query_params.from_dict({address.TEST: result.run})
    if isinstance(result, Receipt):
        return _draw_test(result.run)
    if isinstance(result, Report):
        return _draw_report(result, job.steps)
    if isinstance(result, work.Done):
        with st.container(border=True, key="run"):
            show(sentence(result.sentence))
    return None


def _draw_test(run: str) -> Report | None:
    if check := work.check_of(run):
        return _draw_job(check)
    if checked := work.checked_here(run):
        return _draw_report(checked.result, checked.steps)
    for report in data.test_reports():
        if report.run == run:
            return _draw_report(report)
    for receipt in data.waiting_tests():
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
        show_trouble(data.Trouble.of(error))
        return None
    for report in data.test_reports():
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
                on_click=address.start,
                args=(lambda: work.run_check(receipt),),
            )
    return None


def _draw_report(report: Report, steps: Sequence[StepDone] = ()) -> Report:
    verdict.draw(report)
    if steps := report.steps or steps:
        folded = st.expander("Steps", key="redeploy.steps", on_change="rerun", type="compact")
        if folded.open:
            with folded:
                _draw_steps(steps)
    return report


def _kept(report: Report) -> bool:
    try:
        return any(one.run == report.run for one in data.test_reports())
    except MemoryCoreError:
        return False


@st.fragment(run_every="1s")
def _watch(job_id: str) -> None:
    job = jobs.board().get(job_id)
    if job is None or job.finished:
        st.rerun()
        return
    _draw_steps(job.steps)
    if job.total:
        part = min(1.0, job.done / job.total)
        st.progress(part, text=f"{job.done:,} of {job.total:,}")
    elif not job.steps:
        st.caption("Starting" if job.state == "running" else "Waiting for earlier work to end")


def _draw_steps(steps: Sequence[StepDone]) -> None:
    for step in steps:
        state = "running" if step.ms is None else "failed" if step.failed else "done"
        with st.container(horizontal=True, gap="small", vertical_alignment="top"):
            st.markdown(_STEP_ICONS[state], width="content")
            with st.container(gap=None, width="stretch"):
                show(one_line(step.name))
                st.text(one_line(step.detail), width="stretch")
            st.caption("running" if step.ms is None else f"{step.ms:,} ms", width="content")
