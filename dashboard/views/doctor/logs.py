"""The tab Logs: paste or upload what a backend wrote, and read what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from memory_core.doctor.logs import ErrorGroup, LogReport, Seen, Spot
from memory_core.model.limits import MAX_LOG_BYTES
from memory_core.render.diagnosis import line_words, moment, spot_text

from ...auth.roles import Role
from ...services import diagnosis
from ...ui import actions, messages, progress, tables, text
from ...ui.messages import show_trouble
from ...ui.text import clean, one_line, sentence, show
from . import checks, finding

_ROWS: Final = 12
_PROBLEMS: Final = 10
_STORAGE: Final = {
    "s3_vectors": "Persistent, Amazon S3 Vectors",
    "chroma": "Temporary, ChromaDB on the local disk",
}


def draw_report(report: LogReport) -> None:
    """Draw the sentence, what is wrong, and the tables."""
    colour, icon = (
        (":green", ":material/check_circle:")
        if report.clean
        else (":red", ":material/error:")
        if report.is_log
        else (":gray", ":material/help:")
    )
    with st.container(key="log-sentence", gap="xsmall"):
        st.subheader(f"{colour}[{icon}] {_headline(report)}", anchor=False)
        st.caption(_extent(report))
        for note in report.notes:
            st.caption(note)
    if not report.is_log:
        st.markdown("Take the log of the backend from its host; on Render it is under Logs.")
        return
    _draw_problems(report)
    zone = " (UTC)" if report.zoned else ""
    _draw_known(report, zone)
    _draw_storage(report, zone)
    _draw_ids(report)
    _draw_errors(report.errors, zone)


def _headline(report: LogReport) -> str:
    count = len(report.problems)
    if count:
        return f"{text.counted(count, 'thing')} in this log {'is' if count == 1 else 'are'} wrong."
    return report.sentence


def _extent(report: LogReport) -> str:
    parts = [text.counted(report.lines, "line"), ", ".join(report.formats)]
    if report.first_at and report.last_at:
        zone = " UTC" if report.zoned else ""
        parts.append(f"{moment(report.first_at)} to {moment(report.last_at)}{zone}")
    return " · ".join(parts)


def _draw_problems(report: LogReport) -> None:
    for number, problem in enumerate(report.problems[:_PROBLEMS]):
        with st.container(
            horizontal=True, gap="small", vertical_alignment="center", key=f"problem-{number}"
        ):
            show(f"{number + 1}. {sentence(problem.sentence)}")
            if problem.finding_id:
                _draw_way(problem.finding_id, f"doctor.problem.{number}")
    if len(report.problems) > _PROBLEMS:
        st.caption(f"and {len(report.problems) - _PROBLEMS:,} more, among the errors below")


def _draw_way(finding_id: str, key: str) -> None:
    """Draw the way to the finding on the first tab."""
    st.button(
        f"See {finding_id}",
        key=key,
        type="tertiary",
        icon=":material/stethoscope:",
        on_click=checks.go_to,
        args=(finding_id,),
    )


def _draw_known(report: LogReport, zone: str) -> None:
    st.markdown("**The seven lines**")
    _table(
        {
            "Line": [line_words(one.line) for one in report.known],
            "Times": [one.seen.count if one.seen else 0 for one in report.known],
            f"First{zone}": [_first(one.seen) for one in report.known],
            f"Last{zone}": [_last(one.seen) for one in report.known],
        },
        "The seven known lines with how often they appear, first and last",
    )
    if len(report.order) > 1:
        more = st.expander(
            "In what order", key="doctor.log.order", on_change="rerun", type="compact"
        )
        if more.open:
            with more:
                _table(
                    {
                        f"From{zone}": [spot_text(one.seen.first) for one in report.order],
                        "Line": [line_words(one.line) for one in report.order],
                        "Times in a row": [one.seen.count for one in report.order],
                    },
                    "The known lines in their order",
                )


def _draw_storage(report: LogReport, zone: str) -> None:
    if not report.spans:
        return
    st.markdown("**Storage over time**")
    _table(
        {
            f"Since{zone}": [spot_text(one.seen.first) for one in report.spans],
            "Storage": [_STORAGE[one.backend] for one in report.spans],
            "Starts": [one.starts for one in report.spans],
            f"After a deployment{zone}": [_spot(one.deployment) for one in report.spans],
            "Instances": [one_line(", ".join(one.instances), 200) for one in report.spans],
        },
        "Which storage the backend used from when on",
    )


def _draw_ids(report: LogReport) -> None:
    if report.other_ids:
        st.markdown("**Asked for under one id, saved under another**")
        _table(
            {
                "Asked for": [one_line(one.asked) for one in report.other_ids],
                "Saved under": [one_line(one.saved) for one in report.other_ids],
                "Nothing found": [one.asks.count for one in report.other_ids],
                "Saves": [one.saves.count for one in report.other_ids],
                "How they differ": [one_line("; ".join(one.reasons)) for one in report.other_ids],
                "Sure": ["yes" if one.sure else "perhaps" for one in report.other_ids],
            },
            "Ids that were asked for while memories were saved under others",
        )
    if report.found_nothing:
        st.markdown("**Saved, and nothing found afterwards**")
        _table(
            {
                "User": [one_line(one.user_id) for one in report.found_nothing],
                "Saves": [one.saves.count for one in report.found_nothing],
                "Last save": [spot_text(one.saves.last) for one in report.found_nothing],
                "Nothing found": [one.empty.count for one in report.found_nothing],
                "First time": [spot_text(one.empty.first) for one in report.found_nothing],
                "Storage": [
                    "changed in between" if one.after_switch else "the same"
                    for one in report.found_nothing
                ],
            },
            "Users with saves for whom nothing was found",
        )


def _draw_errors(errors: Sequence[ErrorGroup], zone: str) -> None:
    if not errors:
        return
    st.markdown("**Errors and warnings**")
    picked = st.dataframe(
        pd.DataFrame(
            {
                "Times": [one.seen.count for one in errors],
                "Level": [one.level for one in errors],
                "Finding": [one.kind.id if one.kind else "" for one in errors],
                "What it says": [one_line(one.template, 300) for one in errors],
                f"First{zone}": [_first(one.seen) for one in errors],
                f"Last{zone}": [_last(one.seen) for one in errors],
            }
        ),
        key="doctor.log.errors",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=tables.whole_height(len(errors), _ROWS),
        alt="Errors and warnings, those that are the same in one row",
    )
    rows = [row for row in picked.selection.rows if row < len(errors)]
    st.caption("Select a row to read what it means; the first is shown otherwise.")
    _draw_error(errors[rows[0] if rows else 0])


def _draw_error(one: ErrorGroup) -> None:
    with st.container(border=True, key="log-error", gap="small"):
        st.code(clean(one.example, 1_000), language=None, wrap_lines=True)
        if one.place:
            st.text(f"At {one_line(one.place)}")
        show(sentence(one.explanation or "Nothing is known of this error."))
        if one.kind:
            finding.draw_kind(one.kind)
            _draw_way(one.kind.id, "doctor.log.way-to-finding")


def _table(columns: dict[str, list[str] | list[int]], alt: str) -> None:
    frame = pd.DataFrame(columns)
    st.dataframe(frame, hide_index=True, height=tables.whole_height(len(frame), _ROWS), alt=alt)


def _first(seen: Seen | None) -> str:
    return spot_text(seen.first) if seen else "never"


def _last(seen: Seen | None) -> str:
    return spot_text(seen.last) if seen else "never"


def _spot(spot: Spot | None) -> str:
    return spot_text(spot) if spot else ""


NAME: Final = "Logs"
MOST_MB: Final = MAX_LOG_BYTES // 1024**2
_MOST_PASTED: Final = 2_000_000
_PASTE, _FILE = "Paste", "File"
_JOB: Final = "log"
"""Name in the address of the job that reads a log."""


def draw() -> None:
    """Draw the way in, or the reading, or what was read."""
    # A log holds what users said under which id.
    if not messages.draw_unless(Role.OPERATOR):
        return
    job_id = st.query_params.get(_JOB)
    job = diagnosis.log(job_id) if job_id else None
    if job is None:
        if job_id:
            st.info(
                "What was read is not known here any more; give the log again.",
                icon=":material/history:",
            )
        _draw_way_in()
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="log-head"):
        show(one_line(job.subject))
        if job.finished:
            st.button(
                "Read another log",
                key="doctor.log.another",
                icon=":material/upload_file:",
                on_click=_forget,
            )
    if not job.finished:
        with st.container(border=True, key="log-run"):
            progress.watch(job.id, "MB")
    elif job.trouble:
        show_trouble(job.trouble)
    elif job.state == "cancelled":
        st.caption("The reading was cancelled.")
    else:
        draw_report(job.result)


def _draw_way_in() -> None:
    st.markdown(
        "The log of the backend, as its host shows it: Render, JSON lines, Python's own, or plain "
        "text. It is read here and not kept."
    )
    way = st.segmented_control(
        "Way", [_PASTE, _FILE], default=_PASTE, key="doctor.log.way", label_visibility="collapsed"
    )
    if way == _FILE:
        _draw_upload()
    else:
        _draw_paste()
    outcome = actions.action("doctor.log").outcome
    if outcome and outcome.trouble:
        show_trouble(outcome.trouble)
    with st.container(border=True, key="log-empty"):
        st.markdown("**What it will tell**")
        st.markdown(
            "- which of the seven lines are in it, when, and in what order\n"
            "- when the storage changed from persistent to temporary, and after which deployment\n"
            "- who was saved under one id and asked for under another\n"
            "- errors, grouped, with what they mean and what the doctor knows of them"
        )


def _draw_paste() -> None:
    with st.form("doctor.log.form", border=False):
        st.text_area(
            "Log",
            key="doctor.log.text",
            height=220,
            max_chars=_MOST_PASTED,
            placeholder="Nov 22 09:15:04 PM  [Mem0] Using S3 vectors for persistent storage",
        )
        st.form_submit_button(
            "Read the log", type="primary", icon=":material/troubleshoot:", on_click=_read_pasted
        )


def _draw_upload() -> None:
    st.file_uploader("Log file", key="doctor.log.file", max_upload_size=MOST_MB)
    st.button(
        "Read the file",
        key="doctor.log.read",
        type="primary",
        icon=":material/troubleshoot:",
        disabled=st.session_state.get("doctor.log.file") is None,
        on_click=_read_file,
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
