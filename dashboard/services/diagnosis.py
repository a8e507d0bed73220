"""The doctor and the log analyser as jobs, and the latest diagnosis, which all visitors share."""

from collections.abc import Collection, Sequence
from typing import Final

import streamlit as st

from memory_core.doctor import Diagnosis, Tag, diagnose, make_bundle
from memory_core.doctor.logs import LogReport
from memory_core.doctor.read_log import read_log
from memory_core.memories.log_lines import LogLine
from memory_core.model.counting import StepDone

from ..auth.roles import Role
from ..auth.visitor import requires
from . import jobs
from .activity_log import note

_RUN: Final = "doctor/run"
_LOG: Final = "doctor/log/"


@requires(Role.VIEWER)
def last() -> Diagnosis | None:
    """Return the latest diagnosis, None before the first one."""
    return next(iter(_latest()), None)


@requires(Role.OPERATOR)
def start(tags: Collection[Tag] = ()) -> str:
    """Start the checks, unless they are under way, and return the id of the job."""

    def work(progress: jobs.Progress) -> None:
        def on_progress(done: int, total: int, title: str) -> None:
            progress.step(StepDone("check", f"Checking: {title}"))
            progress(done, total)

        note("doctor", detail=", ".join(tags))
        _latest()[:] = [diagnose(tags=tuple(tags), on_progress=on_progress, with_users=True)]

    return jobs.board().submit(work, subject="The checks", fingerprint=_RUN)


@requires(Role.VIEWER)
def latest_run() -> jobs.Job | None:
    """Return the newest run of the checks."""
    return jobs.board().latest(_RUN)


@requires(Role.OPERATOR)
def bundle(diagnosis: Diagnosis, lines: Sequence[LogLine], personal: bool) -> bytes:
    """Return the support bundle."""
    note("bundle", detail="with personal data" if personal else "")
    return make_bundle(diagnosis, lines=lines, personal=personal)


@requires(Role.OPERATOR)
def start_log(name: str, content: bytes) -> str:
    """Start the analysis of a log and return the id of the job."""

    def work(progress: jobs.Progress) -> LogReport:
        note("read-log")
        return read_log(content, on_progress=progress)

    return jobs.board().submit(work, subject=name, fingerprint=f"{_LOG}{name}/{hash(content)}")


@requires(Role.VIEWER)
def log(job_id: str) -> jobs.Job | None:
    """Return the analysis with this id, None when it is unknown or forgotten."""
    job = jobs.board().get(job_id)
    return job if job and job.fingerprint.startswith(_LOG) else None


@st.cache_resource(show_spinner=False)
def _latest() -> list[Diagnosis]:
    """Return the list that holds the latest diagnosis until the process ends."""
    return []
