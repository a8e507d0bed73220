"""The tab Logs: paste or upload what a backend wrote, and read what it tells."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.ui import actions, allowed
from dashboard.ui.errors import show_trouble
from dashboard.ui.text import one_line, show
from memory_core.limits import MAX_LOG_BYTES

from . import log_result, watch, work

NAME: Final = "Logs"
MOST_MB: Final = MAX_LOG_BYTES // 1024**2
_MOST_PASTED: Final = 2_000_000
_PASTE, _FILE = "Paste", "File"


def draw() -> None:
    """Draw the way in, or the reading, or what was read."""
    # A log holds what users said under which id.
    if not allowed.draw_unless(Role.OPERATOR):
        return
    job = work.log()
    if job is None:
        if st.query_params.get(work.LOG):
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
            watch.log(job.id)
    elif job.trouble:
        show_trouble(job.trouble)
    elif job.state == "cancelled":
        st.caption("The reading was cancelled.")
    else:
        log_result.draw(job.result)


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
    work.start_log("Pasted log", text.encode("utf-8", "replace"))


def _read_file() -> None:
    file = st.session_state.get("doctor.log.file")
    if file is not None:
        work.start_log(file.name, file.getvalue())


def _forget() -> None:
    st.query_params.pop(work.LOG, None)
    actions.action("doctor.log").outcome = None
