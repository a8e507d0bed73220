"""Redeploy tests as jobs: what the buttons of the page start, and what a new process does first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import streamlit as st

from memory_core import MemoryService, redeploy_test
from memory_core.errors import MemoryCoreError
from memory_core.model.words import counted
from memory_core.redeploy_test import (
    LEVELS,
    Level,
    Report,
    TestReceipt,
    Verdict,
    leftovers,
    pending,
    reports,
)

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import Connection, T, connection
from . import activity_log, jobs, memory_reads
from .memory_reads import FRESH_S, write

TESTS_FRESH_S = 60
"""How long reports of redeploy tests are kept: each is an object of its own to read."""


@requires(Role.VIEWER)
def test_reports() -> list[Report]:
    """Return the reports of redeploy tests, newest first."""
    return _test_reports(connection().tests)


@requires(Role.VIEWER)
def waiting_tests() -> list[TestReceipt]:
    """Return the redeploy tests that wait for a deployment, oldest first."""
    return _waiting_tests(connection().tests)


@requires(Role.VIEWER)
def leftover_tests() -> list[str]:
    """Return the redeploy tests that nobody waits for and whose probes are still stored."""
    return _leftover_tests(connection().tests)


@requires(Role.OPERATOR)
def change_tests(call: Callable[[MemoryService], T]) -> T:
    """Do something that writes or takes away probes or reports."""
    shared = connection()
    try:
        return write(call)
    finally:
        _forget_tests(shared)


def _forget_tests(shared: Connection) -> None:
    shared.tests += 1
    for cached in (_test_reports, _waiting_tests, _leftover_tests):
        cached.clear()


@st.cache_data(ttl=TESTS_FRESH_S, max_entries=2, show_spinner=False)
def _test_reports(version: int) -> list[Report]:
    return reports(connection().service())


@st.cache_data(ttl=FRESH_S, max_entries=2, show_spinner=False)
def _waiting_tests(version: int) -> list[TestReceipt]:
    return pending(connection().service())


@st.cache_data(ttl=FRESH_S, max_entries=2, show_spinner=False)
def _leftover_tests(version: int) -> list[str]:
    return leftovers(connection().service())


_logger = logging.getLogger("dashboard")

_DEPLOY: Final = "Start the deployment"
REAL: Final = "Real deployment"


@dataclass(frozen=True)
class Done:
    """What a job did that has nothing more to show."""

    sentence: str


def level_name(report: Report) -> str:
    """Return what was tested, in words."""
    return f"Simulated: {LEVELS[report.level]}" if report.level in LEVELS else REAL


def run_simulation(level: Level, count: int, visitor: str) -> str:
    """Start a simulation; one visitor's second click on it finds the first."""

    def work(progress: jobs.Progress) -> Report:
        return change_tests(lambda _: redeploy_test.simulate(level, count, on_step=progress.step))

    subject = f"{LEVELS[level]}, simulated, {counted(count, 'probe')}"
    return _submit(work, subject, f"simulate/{level}/{count}/{visitor}")


def run_begin(count: int, visitor: str) -> str:
    """Start to write the probes of a test around a real deployment."""

    def work(progress: jobs.Progress) -> TestReceipt:
        return change_tests(
            lambda service: redeploy_test.begin(
                service,
                count,
                on_receipt=lambda receipt: progress(len(receipt.acknowledged), count),
                on_step=progress.step,
            )
        )

    subject = f"Before a real deployment, {counted(count, 'probe')}"
    return _submit(work, subject, f"begin/{count}/{visitor}")


def run_check(receipt: TestReceipt) -> str:
    """Start to look what became of a test's probes; nobody does it twice at a time."""

    def work(progress: jobs.Progress) -> Report:
        report = change_tests(
            lambda service: redeploy_test.verify(receipt, service.settings, on_step=progress.step)
        )
        if report.verdict is not Verdict.INCONCLUSIVE:
            _logger.info("redeploy test %s: %s", report.run, report.verdict.value)
        return report

    subject = f"After the deployment, {counted(receipt.count, 'probe')}"
    return _submit(work, subject, _checking(receipt.run))


def check_of(run: str) -> jobs.Job | None:
    """Return the job that checks this test now, if one does."""
    job = _latest_check(run)
    return job if job and not job.finished else None


def checked_here(run: str) -> jobs.Job | None:
    """Return the job that ended with a verdict: it knows its steps and the recount as well."""
    job = _latest_check(run)
    ended = job is not None and isinstance(job.result, Report)
    return job if ended and job.result.verdict is not Verdict.INCONCLUSIVE else None


def is_of(job: jobs.Job, kind: str, visitor: str) -> bool:
    """Say whether a visitor started this job, and to do that."""
    return job.fingerprint.startswith(f"redeploy/{kind}/") and job.fingerprint.endswith(visitor)


def run_end(run: str) -> str:
    """Start to end a test without a verdict."""

    def work(_: jobs.Progress) -> Done:
        left = change_tests(lambda service: redeploy_test.abandon(service, run))
        return Done(f"Ended without a verdict; a recount finds {left:,} of its probes.")

    return _submit(work, "End without a verdict", f"end/{run}")


def run_clean_up(runs: list[str]) -> str:
    """Start to take away the probes of tests that nobody waits for."""

    def work(progress: jobs.Progress) -> Done:
        left = change_tests(lambda service: redeploy_test.clean_up_all(service, runs, progress))
        return Done(
            f"Cleaned up after {counted(len(runs), 'earlier test')}; "
            f"a recount finds {left:,} of the probes."
        )

    return _submit(work, "Clean up", f"clean/{'/'.join(runs)}")


def run_deployment() -> str:
    """Start a deployment on the host."""

    def work(_: jobs.Progress) -> Done:
        activity_log.note("deploy", detail=_DEPLOY)
        redeploy_test.start_deployment(memory_reads.settings())
        return Done(
            "The host took the order. When the new deployment runs, it checks by itself; this "
            "page reconnects to it."
        )

    return _submit(work, _DEPLOY, "deploy")


def check_waiting() -> None:
    """Check every test that waits, once; for the start of the process."""
    try:
        for receipt in waiting_tests():
            run_check(receipt)
    except MemoryCoreError as error:
        _logger.error("waiting redeploy tests could not be checked: %s", error)


def _latest_check(run: str) -> jobs.Job | None:
    return jobs.board().latest(f"redeploy/{_checking(run)}")


def _checking(run: str) -> str:
    return f"check/{run}"


def _submit(work: jobs.Work, subject: str, fingerprint: str) -> str:
    return jobs.board().submit(work, subject=subject, fingerprint=f"redeploy/{fingerprint}")
