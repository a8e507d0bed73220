"""The tab Logs: paste or upload the log of a backend, and read what it shows."""

from __future__ import annotations

from typing import Final

import streamlit as st

from memory_core.doctor.logs import ErrorGroup, LogReport, Seen
from memory_core.model.counting import counted
from memory_core.model.limits import MAX_LOG_BYTES, MAX_PASTED_CHARS
from memory_core.render.diagnosis import line_words, moment, spot_text
from memory_core.render.log_summary import Problem, summarize_log

from ...auth.roles import Role
from ...services import diagnosis
from ...ui import actions, messages, progress
from ...ui.text import clean, one_line, sentence, show
from .. import widgets
from . import checks

NAME: Final = "Logs"
MOST_MB: Final = MAX_LOG_BYTES // 1024**2
_PASTE, _FILE = "Paste", "File"
_JOB: Final = "log"
"""The parameter of the address for the job that reads a log."""
_PROBLEMS_SHOWN: Final = 10
_ERRORS: Final = "doctor.log.errors"
_STORAGE: Final = {
    "s3_vectors": "Persistent, Amazon S3 Vectors",
    "chroma": "Temporary, ChromaDB on the local disk",
}


def draw() -> None:
    """Draw the input, or how far the reading is, or its result."""
    # A log holds what users said under which id.
    if not messages.draw_unless(Role.OPERATOR):
        return
    job_id = st.query_params.get(_JOB)
    job = diagnosis.log(job_id) if job_id else None
    if job is None:
        if job_id:
            st.info(
                "The result of this reading is no longer kept; give the log again.",
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
        widgets.draw_failure(job, "The reading was cancelled.")


def _draw_input() -> None:
    st.markdown(
        "The log of the backend, as its host shows it: Render, JSON lines, Python's own, or plain "
        "text. It is read here and not kept."
    )
    way = st.segmented_control(
        "Way", [_PASTE, _FILE], default=_PASTE, key="doctor.log.way", label_visibility="collapsed"
    )
    if way == _FILE:
        st.file_uploader("Log file", key="doctor.log.file", max_upload_size=MOST_MB)
        widgets.button(
            "Read the file",
            "doctor.log.read",
            _read_file,
            icon="troubleshoot",
            kind="primary",
            disabled=st.session_state.get("doctor.log.file") is None,
        )
    else:
        _draw_paste()
    widgets.outcome("doctor.log")
    with st.container(border=True, key="log-empty"):
        st.markdown("**What you get**")
        st.markdown(
            "- which of the seven lines are in it, when, and in what order\n"
            "- when the storage changed from persistent to temporary, and after which deployment\n"
            "- who was saved under one id and asked for under another\n"
            "- errors, grouped, with their meaning and the doctor's advice"
        )


def _draw_paste() -> None:
    with st.form("doctor.log.form", border=False):
        st.text_area(
            "Log",
            key="doctor.log.text",
            height=220,
            max_chars=MAX_PASTED_CHARS,
            placeholder="Nov 22 09:15:04 PM  [Mem0] Using S3 vectors for persistent storage",
        )
        st.form_submit_button(
            "Read the log", type="primary", icon=":material/troubleshoot:", on_click=_read_pasted
        )


def _read_pasted() -> None:
    text = st.session_state.get("doctor.log.text") or ""
    _read("Pasted log", text.encode("utf-8", "replace"))


def _read_file() -> None:
    file = st.session_state.get("doctor.log.file")
    if file is not None:
        _read(file.name, file.getvalue())


def _read(name: str, content: bytes) -> None:
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
        st.caption(_extent(report))
        for note in report.notes:
            st.caption(note)
    if not summary.is_log:
        st.markdown("Take the log of the backend from its host; on Render it is under Logs.")
        return
    _draw_problems(summary.problems)
    zone = " (UTC)" if report.zoned else ""
    _draw_known(report, zone)
    _draw_storage(report, zone)
    _draw_ids(report)
    _draw_errors(report.errors, zone)


def _extent(report: LogReport) -> str:
    parts = [counted(report.lines, "line"), ", ".join(report.formats)]
    if report.first_at and report.last_at:
        zone = " UTC" if report.zoned else ""
        parts.append(f"{moment(report.first_at)} to {moment(report.last_at)}{zone}")
    return " · ".join(parts)


def _draw_problems(problems: tuple[Problem, ...]) -> None:
    for number, problem in enumerate(problems[:_PROBLEMS_SHOWN]):
        with widgets.row(f"problem-{number}"):
            show(f"{number + 1}. {sentence(problem.sentence)}")
            if problem.finding_id:
                _draw_link(problem.finding_id, f"doctor.problem.{number}")
    if len(problems) > _PROBLEMS_SHOWN:
        st.caption(f"and {len(problems) - _PROBLEMS_SHOWN:,} more, among the errors below")


def _draw_link(finding_id: str, key: str) -> None:
    """Draw the link to the finding on the tab Checks."""
    widgets.button(
        f"See {finding_id}", key, checks.go_to, finding_id, icon="stethoscope", kind="tertiary"
    )


def _draw_known(report: LogReport, zone: str) -> None:
    st.markdown("**The seven lines**")
    widgets.table(
        {
            "Line": [line_words(line) for line in report.known],
            "Times": [seen.count if seen else 0 for seen in report.known.values()],
            f"First{zone}": [_first(seen) for seen in report.known.values()],
            f"Last{zone}": [_last(seen) for seen in report.known.values()],
        },
        "The seven known lines with how often they appear, first and last",
    )
    if len(report.order) < 2:
        return
    if part := widgets.folded("In order", "doctor.log.order"):
        with part:
            widgets.table(
                {
                    f"From{zone}": [_first(seen) for _, seen in report.order],
                    "Line": [line_words(line) for line, _ in report.order],
                    "Times in a row": [seen.count for _, seen in report.order],
                },
                "The known lines in their order",
            )


def _draw_storage(report: LogReport, zone: str) -> None:
    if not (spans := report.spans):
        return
    st.markdown("**Storage over time**")
    deployments = [span.deployment for span in spans]
    widgets.table(
        {
            f"Since{zone}": [spot_text(span.seen.first) for span in spans],
            "Storage": [_STORAGE[span.backend] for span in spans],
            "Starts": [span.starts for span in spans],
            f"After a deployment{zone}": [spot_text(spot) if spot else "" for spot in deployments],
            "Instances": [one_line(", ".join(span.instances), 200) for span in spans],
        },
        "The storage that the backend used over time",
    )


def _draw_ids(report: LogReport) -> None:
    if pairs := report.other_ids:
        st.markdown("**Asked for under one id, saved under another**")
        widgets.table(
            {
                "Asked for": [one_line(pair.asked) for pair in pairs],
                "Saved under": [one_line(pair.saved) for pair in pairs],
                "Nothing found": [pair.asks.count for pair in pairs],
                "Saves": [pair.saves.count for pair in pairs],
                "Why similar": [one_line("; ".join(pair.reasons)) for pair in pairs],
                "Certain": ["yes" if pair.sure else "perhaps" for pair in pairs],
            },
            "Ids that were asked for while memories were saved under others",
        )
    if users := report.found_nothing:
        st.markdown("**Saved, and nothing found afterwards**")
        changed = {True: "changed in between", False: "the same"}
        widgets.table(
            {
                "User": [one_line(user.user_id) for user in users],
                "Saves": [user.saves.count for user in users],
                "Last save": [spot_text(user.saves.last) for user in users],
                "Nothing found": [user.empty.count for user in users],
                "First time": [spot_text(user.empty.first) for user in users],
                "Storage": [changed[user.after_switch] for user in users],
            },
            "Users with saves for whom nothing was found",
        )


def _draw_errors(errors: tuple[ErrorGroup, ...], zone: str) -> None:
    if not errors:
        return
    st.markdown("**Errors and warnings**")
    widgets.table(
        {
            "Times": [error.seen.count for error in errors],
            "Level": [error.level for error in errors],
            "Finding": [error.kind.id if error.kind else "" for error in errors],
            "Message": [one_line(error.template, 300) for error in errors],
            f"First{zone}": [_first(error.seen) for error in errors],
            f"Last{zone}": [_last(error.seen) for error in errors],
        },
        "Errors and warnings, equal ones in one row",
        key=_ERRORS,
        on_select="rerun",
    )
    st.caption("Select a row to read its meaning; the first is shown otherwise.")
    _draw_error(errors[widgets.selected_row(_ERRORS, len(errors)) or 0])


def _draw_error(error: ErrorGroup) -> None:
    with st.container(border=True, key="log-error", gap="small"):
        st.code(clean(error.example, 1_000), language=None, wrap_lines=True)
        if error.place:
            st.text(f"At {one_line(error.place)}")
        show(sentence(error.explanation or "Holdfast does not know this error."))
        if error.kind:
            checks.draw_kind(error.kind)
            _draw_link(error.kind.id, "doctor.log.way-to-finding")


def _first(seen: Seen | None) -> str:
    return spot_text(seen.first) if seen else "never"


def _last(seen: Seen | None) -> str:
    return spot_text(seen.last) if seen else "never"
