"""How far the doctor is, or the reading of a log, with a button that ends it."""

from __future__ import annotations

import streamlit as st

from dashboard import jobs
from dashboard.auth.roles import Role
from dashboard.ui import allowed
from dashboard.ui.text import one_line, show

_MB = 1024 * 1024


@st.fragment(run_every="1s")
def checks(job_id: str) -> None:
    """Draw how many checks are made, and the one that is under way."""
    job = jobs.board().get(job_id)
    if job is None or job.finished:
        st.rerun()
    elif job.total:
        st.progress(min(1.0, job.done / job.total), text=f"{job.done} of {job.total} checks")
        if job.steps:
            show(one_line(job.steps[-1].detail))
    else:
        st.progress(0.0, text="Starting" if job.state == "running" else "Waiting")
    _draw_cancel(job_id)


@st.fragment(run_every="1s")
def log(job_id: str) -> None:
    """Draw how much of a log was read."""
    job = jobs.board().get(job_id)
    if job is None or job.finished:
        st.rerun()
    elif job.total:
        text = f"{job.done / _MB:,.1f} of {job.total / _MB:,.1f} MB"
        st.progress(min(1.0, job.done / job.total), text=text)
    else:
        st.progress(0.0, text="Reading" if job.state == "running" else "Waiting")
    _draw_cancel(job_id)


def _draw_cancel(job_id: str) -> None:
    if not allowed.may(Role.OPERATOR):
        return
    st.button(
        "Cancel",
        key=f"doctor.cancel.{job_id}",
        type="tertiary",
        icon=":material/close:",
        on_click=jobs.board().cancel,
        args=(job_id,),
    )
