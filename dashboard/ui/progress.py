"""The progress of a job, redrawn every second, with a button that stops it."""

import time
from collections.abc import Callable, Sequence

import streamlit as st

from memory_core.model.counting import StepDone, counted

from ..auth.roles import Role
from ..auth.visitor import may
from ..services import jobs
from .text import one_line, show

_MB = 1024 * 1024


@st.fragment(run_every="1s")
def watch(
    job_id: str,
    unit: str,
    *,
    doing: str = "Reading",
    stop: str = "Cancel",
    stop_help: str | None = None,
    pace: bool = False,
    draw_steps: Callable[[Sequence[StepDone]], None] | None = None,
) -> None:
    """Draw the progress of a job, counted in `unit`; when it ends, rerun the page.

    Args:
        doing: words for the work before its extent is known.
        stop: label of the button that cancels the job; empty for none.
        pace: also draw the rate and the time left.
        draw_steps: draws the steps; without it only the latest one is shown.
    """
    job = jobs.board().get(job_id)
    if job is None or job.finished:
        st.rerun()
    if draw_steps:
        draw_steps(job.steps)
    if job.total:
        text = f"{doing}: {_amount(job, unit)}{_pace(job)}" if pace else _amount(job, unit)
        st.progress(min(1.0, job.done / job.total), text=text)
    elif not job.steps:
        st.progress(0.0, text=doing if job.state == "running" else "Waiting")
    if job.steps and not draw_steps:
        show(one_line(job.steps[-1].detail))
    if stop and may(Role.OPERATOR):
        st.button(
            stop,
            key=f"job.stop.{job_id}",
            type="tertiary",
            icon=":material/close:",
            on_click=jobs.board().cancel,
            args=(job_id,),
            help=stop_help,
        )


def _amount(job: jobs.Job, unit: str) -> str:
    if unit == "MB":
        return f"{job.done / _MB:,.1f} of {job.total / _MB:,.1f} MB"
    return f"{job.done:,} of {counted(job.total, unit) if unit else f'{job.total:,}'}"


def _pace(job: jobs.Job) -> str:
    seconds = time.monotonic() - job.started if job.started else 0.0
    if not job.done or seconds <= 1:
        return ""
    rate = job.done / seconds
    left = round((job.total - job.done) / rate)
    return f", {rate:,.0f} a second, about {counted(left, 'second')} left"
