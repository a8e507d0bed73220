"""How far the doctor is, or the reading of a log, with a button that ends it."""

from __future__ import annotations

import time

import streamlit as st

from ..auth.roles import Role
from ..services import jobs
from . import messages
from . import text as words
from .text import one_line, show


@st.fragment(run_every="1s")
def watch(job_id: str, noun: str, nouns: str) -> None:
    """Draw how far a job is, with a button that cancels it; draw the page anew at its end."""
    job = jobs.board().get(job_id)
    if job is None or job.finished:
        st.rerun()
    elif job.total:
        part = min(1.0, job.done / job.total)
        st.progress(part, text=f"{job.done:,} of {job.total:,} {noun if job.total == 1 else nouns}")
    else:
        st.progress(0.0, text="Reading" if job.state == "running" else "Waiting")
    if not messages.may(Role.OPERATOR):
        return
    st.button(
        "Cancel",
        key=f"users.cancel.{job_id}",
        type="tertiary",
        icon=":material/close:",
        on_click=jobs.board().cancel,
        args=(job_id,),
    )


@st.fragment(run_every="1s")
def watch_migration(job_id: str, doing: str) -> None:
    """Draw how far a job is, how fast, and how long it takes; the page anew at its end."""
    job = jobs.board().get(job_id)
    if job is None or job.finished:
        st.rerun()
    else:
        share = min(1.0, job.done / job.total) if job.total else 0.0
        st.progress(share, text=_progress(job, doing))
        st.button(
            "Stop",
            key=f"migrate.cancel.{job_id}",
            type="tertiary",
            icon=":material/stop_circle:",
            on_click=jobs.board().cancel,
            args=(job_id,),
            help="It ends between two batches. Nothing is lost, and a later run goes on.",
        )


def _progress(job: jobs.Job, doing: str) -> str:
    if not job.total:
        return doing if job.state == "running" else "Waiting"
    text = f"{doing}: {job.done:,} of {job.total:,}"
    seconds = time.monotonic() - job.started if job.started else 0.0
    if job.done and seconds > 1:
        rate = job.done / seconds
        left = round((job.total - job.done) / rate)
        text += f", {rate:,.0f} a second, about {words.counted(left, 'second')} left"
    return text


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
    if not messages.may(Role.OPERATOR):
        return
    st.button(
        "Cancel",
        key=f"doctor.cancel.{job_id}",
        type="tertiary",
        icon=":material/close:",
        on_click=jobs.board().cancel,
        args=(job_id,),
    )
