"""Jobs: long work outside the scripts, which a click or a reload would interrupt."""

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import streamlit as st

from memory_core.errors import MemoryCoreError
from memory_core.model.counting import StepDone

from ..auth import visitor
from ..auth.roles import Role
from ..auth.visitor import Visitor, requires
from ..connection import Trouble

_logger = logging.getLogger("dashboard")

State = Literal["waiting", "running", "done", "failed", "cancelled"]

WORKERS = 2
MAX_WAITING = 8
MAX_KEPT = 64


@dataclass(frozen=True)
class Progress:
    """Progress callback handed to a job: by number, or step by step.

    Calling it ends the work if the job was cancelled.
    """

    _change: Callable[..., None]
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _steps: dict[str, StepDone] = field(default_factory=dict)

    def __call__(self, done: int, total: int) -> None:
        """Report that `done` of `total` parts are done."""
        self._change(done=done, total=total)
        if self._cancelled.is_set():
            raise Cancelled

    def step(self, step: StepDone) -> None:
        """Report that a step begins, or that the one of that name ended."""
        self._steps[step.name] = step
        self._change(steps=tuple(self._steps.values()))


Work = Callable[[Progress], Any]


class Cancelled(Exception):
    """The job was cancelled."""


class TooBusy(MemoryCoreError):
    """Too many jobs are waiting."""


@dataclass(frozen=True)
class Job:
    """State of one piece of work."""

    id: str
    subject: str
    fingerprint: str
    state: State = "waiting"
    done: int = 0
    total: int = 0
    started: float = 0.0
    """Seconds of the monotonic clock; 0 while it waits."""
    ended: float = 0.0
    """The end, by the same clock; 0 until then."""
    steps: tuple[StepDone, ...] = ()
    result: Any = None
    trouble: Trouble | None = None

    @property
    def finished(self) -> bool:
        """True once nothing more will happen."""
        return self.state in {"done", "failed", "cancelled"}


class Jobs:
    """Small pool of daemon threads, with the newest `MAX_KEPT` jobs and their results."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._cancelled: dict[str, threading.Event] = {}
        self._waiting: queue.Queue[tuple[str, Work, Visitor]] = queue.Queue(MAX_WAITING)
        self._closed = False
        for number in range(WORKERS):
            threading.Thread(target=self._run, name=f"job-{number}", daemon=True).start()

    @requires(Role.OPERATOR)
    def submit(self, work: Work, *, subject: str, fingerprint: str) -> str:
        """Queue the work and return the id of its job.

        An unfinished job with the same fingerprint is returned instead.

        Raises:
            TooBusy: `MAX_WAITING` others are waiting.
        """
        with self._lock:
            for job in self._jobs.values():
                if job.fingerprint == fingerprint and not job.finished:
                    return job.id
            if self._closed:
                raise TooBusy("the dashboard is stopping; try again when it is back, in a moment")
            job = Job(secrets.token_urlsafe(12), subject, fingerprint)
            try:
                self._waiting.put_nowait((job.id, work, visitor.current()))
            except queue.Full:
                raise TooBusy(
                    f"{MAX_WAITING} uploads and tests are waiting already; "
                    "try again when some of them are done"
                ) from None
            self._jobs[job.id] = job
            self._cancelled[job.id] = threading.Event()
            self._forget_oldest()
            return job.id

    @requires(Role.VIEWER)
    def get(self, job_id: str) -> Job | None:
        """Return the job, None when it is unknown or forgotten."""
        with self._lock:
            return self._jobs.get(job_id)

    @requires(Role.OPERATOR)
    def cancel(self, job_id: str) -> None:
        """End the work at its next progress report; a finished job stays as it is."""
        with self._lock:
            if job_id in self._cancelled:
                self._cancelled[job_id].set()

    @requires(Role.VIEWER)
    def latest(self, fingerprint: str, state: State | None = None) -> Job | None:
        """Return the newest job with this fingerprint, and in this state if given."""
        with self._lock:
            for job in reversed(self._jobs.values()):
                if job.fingerprint == fingerprint and state in (None, job.state):
                    return job
        return None

    @requires(Role.VIEWER)
    def any_ended(self, since: float) -> bool:
        """Return whether a job ended after this moment of the monotonic clock."""
        with self._lock:
            return any(job.ended > since for job in self._jobs.values())

    def finish(self, within_s: float) -> int:
        """Refuse new jobs, cancel waiting ones, and give running ones `within_s` seconds to end.

        Cancels those that take longer, and returns their number.
        """
        until = time.monotonic() + within_s
        with self._ended:
            self._closed = True
            for job_id, job in self._jobs.items():
                if job.state == "waiting":
                    self._cancelled[job_id].set()
            self._ended.wait_for(lambda: not self._running(), timeout=within_s)
            for job in (late := self._running()):
                self._cancelled[job.id].set()
            self._ended.wait_for(lambda: not self._running(), timeout=until - time.monotonic() + 2)
        return len(late)

    def _running(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.state == "running"]

    def _run(self) -> None:
        while True:
            self._do(*self._waiting.get())

    def _do(self, job_id: str, work: Work, submitter: Visitor) -> None:
        with self._lock:
            cancelled = self._cancelled[job_id]
        if cancelled.is_set():
            self._change(job_id, state="cancelled")
            return
        self._change(job_id, state="running", started=time.monotonic())
        try:
            # The job completes even if its submitter signs out meanwhile.
            with visitor.acting_as(submitter):
                result = work(Progress(partial(self._change, job_id), cancelled))
            self._change(job_id, state="done", result=result)
        except Cancelled:
            self._change(job_id, state="cancelled")
        except MemoryCoreError as error:
            self._change(job_id, state="failed", trouble=Trouble.of(error))
        except Exception as error:
            self._change(job_id, state="failed", trouble=_unexpected(error))

    def _change(self, job_id: str, **values: Any) -> None:
        with self._lock:
            if job_id in self._jobs:
                job = replace(self._jobs[job_id], **values)
                self._jobs[job_id] = replace(job, ended=time.monotonic()) if job.finished else job
            if "state" in values:
                self._ended.notify_all()

    def _forget_oldest(self) -> None:
        for job_id in [key for key, job in self._jobs.items() if job.finished]:
            if len(self._jobs) <= MAX_KEPT:
                return
            del self._jobs[job_id], self._cancelled[job_id]


@requires(Role.VIEWER)
@st.cache_resource(show_spinner=False)
def board() -> Jobs:
    """Return the jobs, which all visitors share."""
    return Jobs()


def _unexpected(error: Exception) -> Trouble:
    reference = secrets.token_hex(4)
    _logger.error("unexpected error in a job, reference %s", reference, exc_info=error)
    return Trouble("Unexpected", f"Something went wrong on our side; reference {reference}.")
