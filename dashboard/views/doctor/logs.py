"""The tab Logs: paste or upload the log of a backend, and read what it shows."""

from typing import Final

import pandas as pd
import streamlit as st

from memory_core.doctor.findings import KIND
from memory_core.doctor.logs import ErrorGroup, LogReport
from memory_core.model.counting import counted
from memory_core.model.limits import MAX_LOG_BYTES, MAX_PASTED_CHARS
from memory_core.render.diagnosis import IN_ORDER, log_extent, log_tables, spot_text
from memory_core.render.log_summary import Problem, summarize_log

from ...services import diagnosis
from ...ui import actions, progress
from ...ui.text import clean, one_line, sentence, show
from .. import widgets
from . import checks

NAME: Final = "Logs"
MOST_MB: Final = MAX_LOG_BYTES // 1024**2
_JOB: Final = "log"
"""The query parameter for the job that reads a log."""
_PROBLEMS_SHOWN: Final = 10
_ERRORS: Final = "doctor.log.errors"


def draw() -> None:
    """Draw the input, or the progress of the analysis, or its result."""
    job_id = st.query_params.get(_JOB)
    job = diagnosis.log(job_id) if job_id else None
    if job is None:
        if job_id:
            st.info(
                "The result of this analysis is no longer kept; paste or upload the log again.",
                icon=":material/history:",
            )
        _draw_input()
        return
    with widgets.row("log-head"):
        show(one_line(job.subject))
        if job.finished:
            widgets.button("Read another log", "doctor.log.another", _forget, icon="upload_file")
    if not job.finished:
        with st.container(border=True, key="log-run"):
            progress.watch(job.id, "MB")
    elif job.state == "done":
        _draw_report(job.result)
    else:
        widgets.draw_failure(job, "The analysis was cancelled.")


def _draw_input() -> None:
    st.markdown(
        "The log of the backend, as its host shows it: Render, JSON lines, Python's own, or plain "
        "text. It is read here and not kept."
    )
    with st.form("doctor.log.form", border=False):
        st.text_area(
            "Log",
            key="doctor.log.text",
            height=220,
            max_chars=MAX_PASTED_CHARS,
            placeholder="Nov 22 09:15:04 PM  [Mem0] Using S3 vectors for persistent storage",
        )
        st.file_uploader("Or a log file", key="doctor.log.file", max_upload_size=MOST_MB)
        st.form_submit_button(
            "Read the log", type="primary", icon=":material/troubleshoot:", on_click=_read
        )
    widgets.outcome("doctor.log")
    with st.container(border=True, key="log-empty"):
        st.markdown("**What you get**")
        st.markdown(
            "- which of the seven known lines are in it, when, and in what order\n"
            "- when the storage changed from persistent to temporary, and after which deployment\n"
            "- who was saved under one id and asked for under another\n"
            "- errors, grouped, with their meaning and the doctor's advice"
        )


def _read() -> None:
    text = st.session_state.get("doctor.log.text") or ""
    name, content = "Pasted log", text.encode("utf-8", "replace")
    if file := st.session_state.get("doctor.log.file"):
        name, content = file.name, file.getvalue()
    action = actions.action("doctor.log")
    if job_id := action.do(lambda: diagnosis.start_log(name, content)):
        st.query_params[_JOB] = job_id


def _forget() -> None:
    st.query_params.pop(_JOB, None)
    actions.action("doctor.log").outcome = None


def _draw_report(report: LogReport) -> None:
    """Draw the summary, the problems, and the tables."""
    summary = summarize_log(report)
    mark = ":gray[:material/help:]"
    if summary.clean:
        mark = ":green[:material/check_circle:]"
    elif summary.is_log:
        mark = ":red[:material/error:]"
    headline = summary.sentence
    if summary.problems:
        headline = f"{counted(len(summary.problems), 'problem')} in this log."
    with st.container(key="log-sentence", gap="xsmall"):
        st.header(f"{mark} {headline}", anchor=False)
        st.caption(log_extent(report))
        for note in report.notes:
            st.caption(note)
    if not summary.is_log:
        st.markdown("Get the log of the backend from its host; on Render it is under Logs.")
        return
    _draw_problems(summary.problems)
    for title, rows in log_tables(report).items():
        _draw_table(title, pd.DataFrame(rows))
    if report.errors:
        _draw_errors(report.errors)


def _draw_problems(problems: tuple[Problem, ...]) -> None:
    for number, problem in enumerate(problems[:_PROBLEMS_SHOWN]):
        show(f"{number + 1}. {sentence(problem.sentence)}")
        name = problem.finding_id
        if name and (part := widgets.folded(f"What to do: {name}", f"doctor.problem.{number}")):
            with part:
                checks.draw_kind(KIND[name])
    if len(problems) > _PROBLEMS_SHOWN:
        st.caption(f"and {len(problems) - _PROBLEMS_SHOWN:,} more, among the errors below")


def _draw_table(title: str, frame: pd.DataFrame) -> None:
    cleaned = frame.map(lambda cell: one_line(cell) if isinstance(cell, str) else cell)
    if title != IN_ORDER:
        st.markdown(f"**{title}**")
        widgets.table(cleaned, title)
    elif part := widgets.folded(title, "doctor.log.order"):
        with part:
            widgets.table(cleaned, title)


def _draw_errors(errors: tuple[ErrorGroup, ...]) -> None:
    st.markdown("**Errors and warnings**")
    widgets.table(
        {
            "Times": [error.seen.count for error in errors],
            "Level": [error.level for error in errors],
            "Finding": [error.kind.id if error.kind else "" for error in errors],
            "Message": [one_line(error.template, 300) for error in errors],
            "First": [spot_text(error.seen.first) for error in errors],
            "Last": [spot_text(error.seen.last) for error in errors],
        },
        "Errors and warnings, equal ones in one row",
        key=_ERRORS,
        on_select="rerun",
    )
    st.caption("Select a row to read what it means; at first the top row is shown.")
    _draw_error(errors[widgets.selected_row(_ERRORS, len(errors)) or 0])


def _draw_error(error: ErrorGroup) -> None:
    with st.container(border=True, key="log-error", gap="small"):
        st.code(clean(error.example, 1_000), language=None, wrap_lines=True)
        if error.place:
            st.text(f"At {one_line(error.place)}")
        show(sentence(error.explanation or "Holdfast does not know this error."))
        if error.kind:
            checks.draw_kind(error.kind)
