"""Redeploy tests as jobs: what the buttons of the page start, and what a new process does first."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from dashboard import activity, data, jobs
from dashboard.ui import words
from memory_core import redeploy
from memory_core.errors import MemoryCoreError
from memory_core.redeploy import LEVELS, Level, Receipt, Report, Verdict

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
        return data.change_tests(lambda _: redeploy.simulate(level, count, on_step=progress.step))

    subject = f"{LEVELS[level]}, simulated, {words.counted(count, 'probe')}"
    return _submit(work, subject, f"simulate/{level}/{count}/{visitor}")


def run_begin(count: int, visitor: str) -> str:
    """Start to write the probes of a test around a real deployment."""

    def work(progress: jobs.Progress) -> Receipt:
        return data.change_tests(
            lambda service: redeploy.begin(
                service,
                count,
                on_receipt=lambda receipt: progress(len(receipt.acknowledged), count),
                on_step=progress.step,
            )
        )

    subject = f"Before a real deployment, {words.counted(count, 'probe')}"
    return _submit(work, subject, f"begin/{count}/{visitor}")


def run_check(receipt: Receipt) -> str:
    """Start to look what became of a test's probes; nobody does it twice at a time."""

    def work(progress: jobs.Progress) -> Report:
        report = data.change_tests(
            lambda service: redeploy.verify(receipt, service.settings, on_step=progress.step)
        )
        if report.verdict is not Verdict.INCONCLUSIVE:
            _logger.info("redeploy test %s: %s", report.run, report.verdict.value)
        return report

    subject = f"After the deployment, {words.counted(receipt.count, 'probe')}"
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
        left = data.change_tests(lambda service: redeploy.abandon(service, run))
        return Done(f"Ended without a verdict; a recount finds {left:,} of its probes.")

    return _submit(work, "End without a verdict", f"end/{run}")


def run_clean_up(runs: list[str]) -> str:
    """Start to take away the probes of tests that nobody waits for."""

    def work(progress: jobs.Progress) -> Done:
        left = data.change_tests(lambda service: redeploy.clean_up_all(service, runs, progress))
        return Done(
            f"Cleaned up after {words.counted(len(runs), 'earlier test')}; "
            f"a recount finds {left:,} of the probes."
        )

    return _submit(work, "Clean up", f"clean/{'/'.join(runs)}")


def run_deployment() -> str:
    """Start a deployment on the host."""

    def work(_: jobs.Progress) -> Done:
        activity.note("deploy", detail=_DEPLOY)
        redeploy.start_deployment(data.settings())
        return Done(
            "The host took the order. When the new deployment runs, it checks by itself; this "
            "page reconnects to it."
        )

    return _submit(work, _DEPLOY, "deploy")


def check_waiting() -> None:
    """Check every test that waits, once; for the start of the process."""
    try:
        for receipt in data.waiting_tests():
            run_check(receipt)
    except MemoryCoreError as error:
        _logger.error("waiting redeploy tests could not be checked: %s", error)


def _latest_check(run: str) -> jobs.Job | None:
    return jobs.board().latest(f"redeploy/{_checking(run)}")


def _checking(run: str) -> str:
    return f"check/{run}"


def _submit(work: jobs.Work, subject: str, fingerprint: str) -> str:
    return jobs.board().submit(work, subject=subject, fingerprint=f"redeploy/{fingerprint}")
