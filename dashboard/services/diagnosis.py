"""The doctor as a job, the result that all visitors share, and logs that are read."""

from __future__ import annotations

import datetime as dt
import io
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from dashboard.auth.roles import Role
from dashboard.auth.visitor import requires
from memory_core.doctor import Diagnosis, Tag, diagnose, make_bundle
from memory_core.doctor.logs import LogReport, analyze_log
from memory_core.memories.log_lines import LogLine
from memory_core.model.progress import StepDone

from ..connection import process_wide
from ..ui import actions, messages
from . import jobs
from .activity_log import note

LOG: Final = "log"
"""What the address calls the job that reads a log."""

_RUN: Final = "doctor/run"


@dataclass(frozen=True)
class Last:
    """The latest result: `whole` unless single checks are all that was made.

    `again` says which checks were made again since, and when.
    """

    diagnosis: Diagnosis
    whole: bool
    again: dict[str, dt.datetime] = field(default_factory=dict)


class _Keeper:
    """Holds the latest result for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last: Last | None = None

    def keep(self, diagnosis: Diagnosis, *, whole: bool) -> None:
        with self._lock:
            if whole or self.last is None:
                self.last = Last(diagnosis, whole)
                return
            again = {one.name: diagnosis.taken_at for one in diagnosis.checks}
            self.last = Last(
                self.last.diagnosis.renewed(diagnosis),
                self.last.whole,
                self.last.again | again,
            )


def last() -> Last | None:
    """Return the latest result, None where the doctor was not asked since the start."""
    return process_wide(_Keeper).last


def start(tags: Collection[Tag]) -> None:
    """Start the checks, unless some are made now. For callbacks."""
    _submit("The checks", tags, ())


def start_one(name: str) -> None:
    """Start one check alone, by its name or that of a finding. For callbacks."""
    _submit("One check", (), (name,))


def running() -> jobs.Job | None:
    """Return the newest run of the doctor as it stands, if it is not finished."""
    job = jobs.board().latest(_RUN)
    return job if job and not job.finished else None


def can_start() -> bool:
    """Say whether a check may be started now, and by this visitor."""
    return messages.may(Role.OPERATOR) and running() is None


@requires(Role.OPERATOR)
def bundle(diagnosis: Diagnosis, lines: Sequence[LogLine], personal: bool) -> bytes:
    """Return the support bundle."""
    note("bundle", detail="with personal data" if personal else "")
    return make_bundle(diagnosis, lines=lines, personal=personal)


def ended_early() -> jobs.Job | None:
    """Return the newest run if it has no result: cancelled, or failed."""
    job = jobs.board().latest(_RUN)
    return job if job and job.state in ("cancelled", "failed") else None


def start_log(name: str, content: bytes) -> None:
    """Start to read a log and let the address name the job. For callbacks."""

    def work(progress: jobs.Progress) -> LogReport:
        note("read-log")
        return analyze_log(io.BytesIO(content), on_progress=progress)

    action = actions.action("doctor.log")
    action.do(
        lambda: jobs.board().submit(
            work, subject=name, fingerprint=f"doctor/log/{name}/{hash(content)}"
        )
    )
    if action.outcome and action.outcome.value:
        st.query_params[LOG] = action.outcome.value


def log() -> jobs.Job | None:
    """Return the job that the address names, None where there is none any more."""
    job_id = st.query_params.get(LOG)
    job = jobs.board().get(job_id) if job_id else None
    return job if job and job.fingerprint.startswith("doctor/log/") else None


def _submit(subject: str, tags: Collection[Tag], only: Collection[str]) -> None:
    keeper = process_wide(_Keeper)

    def work(progress: jobs.Progress) -> None:
        def tell(done: int, total: int, title: str) -> None:
            progress.step(StepDone("check", title))
            progress(done, total)

        note("doctor", detail=", ".join((*tags, *only)))
        found = diagnose(tags=tuple(tags), only=only, on_progress=tell, with_users=True)
        keeper.keep(found, whole=not only)

    actions.action("doctor").do(
        lambda: jobs.board().submit(work, subject=subject, fingerprint=_RUN)
    )
