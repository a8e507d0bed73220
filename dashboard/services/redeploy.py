"""Redeploy tests as jobs, started by buttons or, after a deployment, by the new process."""

import logging
from collections.abc import Callable
from typing import Final

import streamlit as st

from memory_core import MemoryService, redeploy_test
from memory_core.errors import MemoryCoreError
from memory_core.model.counting import counted
from memory_core.watch import Proof

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import T, connection
from . import activity_log, jobs, memory_calls
from .memory_calls import FRESH_S, write

_logger = logging.getLogger("dashboard")

REAL: Final = "Real deployment"
REPORTS_FRESH_S: Final = 60
"""Seconds for which reports are cached: reading each takes a request."""

_PROOF: Final = "redeploy/proof"
_DEPLOY: Final = "Start the deployment"


@requires(Role.VIEWER)
def past_reports() -> list[redeploy_test.Report]:
    """Return the reports of redeploy tests, newest first."""
    return _test_reports(connection().tests)


@requires(Role.VIEWER)
def waiting_tests() -> list[redeploy_test.RedeployReceipt]:
    """Return the redeploy tests that wait for a deployment, oldest first."""
    return _waiting_tests(connection().tests)


@requires(Role.VIEWER)
def leftover_tests() -> list[str]:
    """Return the abandoned redeploy tests whose probes are still stored."""
    return _leftover_tests(connection().tests)


@requires(Role.VIEWER)
def standing_proof() -> tuple[Proof | None, str]:
    """Return the standing proof, and why it could not be read just now, if it could not."""
    return _standing_proof(connection().tests), connection().service().last_proof[1]


@requires(Role.OPERATOR)
def run_proof_check() -> str:
    """Start to check the standing proof; the first check stores its probes."""
    return jobs.board().submit(
        lambda _: _change(MemoryService.check_proof), subject="Check the proof", fingerprint=_PROOF
    )


@requires(Role.VIEWER)
def proof_check() -> jobs.Job | None:
    """Return the newest check of the standing proof that was started here."""
    return jobs.board().latest(_PROOF)


def level_name(report: redeploy_test.Report) -> str:
    """Return the kind of test in words."""
    return (
        f"Simulated: {redeploy_test.LEVELS[report.level]}"
        if report.level in redeploy_test.LEVELS
        else REAL
    )


@requires(Role.OPERATOR)
def run_simulation(level: redeploy_test.Level, count: int) -> str:
    """Start a simulation; a second click returns the same job."""
    return jobs.board().submit(
        lambda job: _change(lambda _: redeploy_test.simulate(level, count, on_step=job.step)),
        subject=f"{redeploy_test.LEVELS[level]}, simulated, {counted(count, 'probe')}",
        fingerprint=f"redeploy/run/{level}/{count}",
    )


@requires(Role.OPERATOR)
def run_begin(count: int) -> str:
    """Start a test around a real deployment: write its probes."""

    def work(progress: jobs.Progress) -> redeploy_test.RedeployReceipt:
        return _change(
            lambda service: redeploy_test.begin(
                service,
                count,
                on_receipt=lambda receipt: progress(len(receipt.acknowledged), count),
                on_step=progress.step,
            )
        )

    subject = f"Before a real deployment, {counted(count, 'probe')}"
    return jobs.board().submit(work, subject=subject, fingerprint=f"redeploy/begin/{count}")


@requires(Role.OPERATOR)
def run_check(receipt: redeploy_test.RedeployReceipt) -> str:
    """Start to check the probes of a test, unless it is being checked already."""

    def work(progress: jobs.Progress) -> redeploy_test.Report:
        report = _change(
            lambda service: redeploy_test.verify(receipt, service.settings, on_step=progress.step)
        )
        if report.verdict is not redeploy_test.Verdict.INCONCLUSIVE:
            _logger.info("redeploy test %s: %s", report.run, report.verdict.value)
        return report

    subject = f"After the deployment, {counted(receipt.count, 'probe')}"
    return jobs.board().submit(work, subject=subject, fingerprint=_check(receipt.run))


@requires(Role.VIEWER)
def check_of(run: str) -> jobs.Job | None:
    """Return the unfinished job that checks this test."""
    job = jobs.board().latest(_check(run))
    return job if job and not job.finished else None


@requires(Role.VIEWER)
def checked_here(run: str) -> jobs.Job | None:
    """Return the job that ended with a verdict about this test; it also has steps and recount."""
    job = jobs.board().latest(_check(run))
    if job is None or not isinstance(job.result, redeploy_test.Report):
        return None
    return job if job.result.verdict is not redeploy_test.Verdict.INCONCLUSIVE else None


@requires(Role.OPERATOR)
def run_end(run: str) -> str:
    """Start to end a test without a verdict."""

    def work(_: jobs.Progress) -> str:
        remaining = _change(lambda service: redeploy_test.abandon(service, run))
        return f"Ended without a verdict; a recount finds {counted(remaining, 'probe')}."

    return jobs.board().submit(work, subject="Cancel test", fingerprint=f"redeploy/end/{run}")


@requires(Role.OPERATOR)
def run_clean_up(runs: list[str]) -> str:
    """Start to remove the probes of abandoned tests."""

    def work(progress: jobs.Progress) -> str:
        remaining = _change(lambda service: redeploy_test.clean_up_all(service, runs, progress))
        return (
            f"Cleaned up after {counted(len(runs), 'earlier test')}; "
            f"a recount finds {remaining:,} of the probes."
        )

    fingerprint = f"redeploy/clean/{'/'.join(runs)}"
    return jobs.board().submit(work, subject="Clean up", fingerprint=fingerprint)


@requires(Role.OPERATOR)
def run_deployment() -> str:
    """Start a deployment on the hosting platform."""

    def work(_: jobs.Progress) -> str:
        activity_log.note("deploy", detail=_DEPLOY)
        redeploy_test.start_deployment(memory_calls.settings())
        return (
            "The host has accepted the deployment. Once it runs, it checks the test by itself; "
            "this page reconnects to it."
        )

    return jobs.board().submit(work, subject=_DEPLOY, fingerprint="redeploy/deploy")


@requires(Role.OPERATOR)
def check_waiting() -> None:
    """Start to check every waiting test. For the start of the process."""
    try:
        for receipt in waiting_tests():
            run_check(receipt)
    except MemoryCoreError as error:
        _logger.error("waiting redeploy tests could not be checked: %s", error)


def _change(call: Callable[[MemoryService], T]) -> T:
    """Make a call that changes probes or reports, so that they are read again."""
    try:
        return write(call)
    finally:
        connection().tests += 1


@st.cache_data(ttl=REPORTS_FRESH_S, max_entries=2, show_spinner=False)
def _test_reports(version: int) -> list[redeploy_test.Report]:
    return redeploy_test.reports(connection().service())


@st.cache_data(ttl=FRESH_S, max_entries=2, show_spinner=False)
def _waiting_tests(version: int) -> list[redeploy_test.RedeployReceipt]:
    return redeploy_test.pending(connection().service())


@st.cache_data(ttl=FRESH_S, max_entries=2, show_spinner=False)
def _leftover_tests(version: int) -> list[str]:
    return redeploy_test.leftovers(connection().service())


@st.cache_data(ttl=FRESH_S, max_entries=2, show_spinner=False)
def _standing_proof(version: int) -> Proof | None:
    return connection().service().proof()


def _check(run: str) -> str:
    return f"redeploy/check/{run}"
