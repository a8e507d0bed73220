"""Planning and running a migration as jobs, which go on without a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard import data, jobs
from memory_core.migration import (
    MigrationPlan,
    MigrationReport,
    MigrationStatus,
    Verdict,
    Verdicts,
    Verification,
    apply,
    make_receipt,
    plan,
    verify,
)


@dataclass(frozen=True)
class Migrated:
    """What a run did, and the proof: every memory compared by id and content."""

    report: MigrationReport
    proof: Verification
    receipt: Mapping[str, Any]


def start_plan(source: str, user: str) -> None:
    """Start to plan, unless it is being planned now. For callbacks."""

    def work(progress: jobs.Progress) -> MigrationPlan:
        service = data.connection().service()
        return plan(service, source, user=user or None, on_progress=progress)

    jobs.board().submit(work, subject=source, fingerprint=_plan(source, user))


def start_run(source: str, user: str, by_id: Mapping[str, Verdict], others: Verdict | None) -> None:
    """Start to copy and to verify, unless it is being done now. For callbacks."""
    verdicts = Verdicts(dict(by_id), others)

    def work(progress: jobs.Progress) -> Migrated:
        settings = data.settings()
        asked = {"user": user or None, "verdicts": verdicts, "on_progress": progress}
        report = data.write(lambda service: apply(service, source, **asked))
        proof = verify(data.connection().service(), source, **asked)
        return Migrated(report, proof, make_receipt(proof, settings))

    jobs.board().submit(work, subject=source, fingerprint=_run(source, user))


def planned(source: str, user: str) -> jobs.Job | None:
    """Return the newest job that planned this migration, as it stands."""
    return jobs.board().latest(_plan(source, user))


def run(source: str, user: str) -> jobs.Job | None:
    """Return the newest job that made this migration, as it stands."""
    return jobs.board().latest(_run(source, user))


def status() -> MigrationStatus:
    """Return how it stands with memories that come along by themselves."""
    return data.connection().service().migration_status()


def _plan(source: str, user: str) -> str:
    return f"migrate/plan/{user}/{source}"


def _run(source: str, user: str) -> str:
    return f"migrate/run/{user}/{source}"
