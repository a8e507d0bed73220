"""The doctor and the log analyser as jobs, and the latest diagnosis, which all visitors share."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from memory_core.doctor import Diagnosis, Tag, diagnose, make_bundle
from memory_core.doctor.logs import LogReport
from memory_core.doctor.read_log import read_log
from memory_core.memories.log_lines import LogLine
from memory_core.model.counting import StepDone

from ..auth.roles import Role
from ..auth.visitor import may, requires
from ..connection import process_wide
from . import jobs
from .activity_log import note

_RUN: Final = "doctor/run"
_LOG: Final = "doctor/log/"


@dataclass(frozen=True)
class Last:
    """The latest diagnosis: `whole` unless only single checks were run.

    `again` has the checks that were run again since, with the time.
    """

    diagnosis: Diagnosis
    whole: bool
    again: dict[str, dt.datetime] = field(default_factory=dict)


class _Keeper:
    """Holds the latest diagnosis for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last: Last | None = None

    def keep(self, diagnosis: Diagnosis, *, whole: bool) -> None:
        with self._lock:
            if whole or self.last is None:
                self.last = Last(diagnosis, whole)
                return
            again = {check.name: diagnosis.taken_at for check in diagnosis.checks}
            self.last = Last(
                self.last.diagnosis.renewed(diagnosis),
                self.last.whole,
                self.last.again | again,
            )


@requires(Role.VIEWER)
def last() -> Last | None:
    """Return the latest diagnosis, None before the first one."""
    return process_wide(_Keeper).last


@requires(Role.OPERATOR)
def start(tags: Collection[Tag] = (), only: Collection[str] = ()) -> str:
    """Start the checks and return the id of the job; a run under way is not started twice.

    Args:
        only: run these checks alone, named by themselves or by one of their findings.
    """
    keeper = process_wide(_Keeper)

    def work(progress: jobs.Progress) -> None:
        def on_progress(done: int, total: int, title: str) -> None:
            progress.step(StepDone("check", f"Checking: {title}"))
            progress(done, total)

        note("doctor", detail=", ".join((*tags, *only)))
        diagnosis = diagnose(tags=tuple(tags), only=only, on_progress=on_progress, with_users=True)
        keeper.keep(diagnosis, whole=not only)

    subject = "One check" if only else "The checks"
    return jobs.board().submit(work, subject=subject, fingerprint=_RUN)


@requires(Role.VIEWER)
def running() -> jobs.Job | None:
    """Return the newest run of the doctor while it is unfinished."""
    job = jobs.board().latest(_RUN)
    return job if job and not job.finished else None


@requires(Role.VIEWER)
def can_start() -> bool:
    """Return whether this visitor can start a check now."""
    return may(Role.OPERATOR) and running() is None


@requires(Role.VIEWER)
def ended_early() -> jobs.Job | None:
    """Return the newest run if it was cancelled or failed."""
    job = jobs.board().latest(_RUN)
    return job if job and job.state in ("cancelled", "failed") else None


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
