"""Planning and running a migration as jobs, which go on without a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memory_core.model.records import MigrationStatus, Progress
from memory_core.transfer import (
    MigrationPlan,
    MigrationReport,
    Verdict,
    Verdicts,
    Verification,
    apply,
    make_receipt,
    parse,
    plan,
    verify,
)

from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import connection
from . import jobs, memory_reads


@dataclass(frozen=True)
class Migrated:
    """What a run did, and the proof: every memory compared by id and content."""

    report: MigrationReport
    proof: Verification
    receipt: Mapping[str, Any]


@requires(Role.OPERATOR)
def check_source(source: str) -> None:
    """Raise `MigrationError` for an address that can be no source."""
    parse(source)


@requires(Role.OPERATOR)
def plan_migration(source: str, user: str | None, on_progress: Progress) -> MigrationPlan:
    """Return what a run would do; reads only."""
    return plan(connection().service(), source, user=user, on_progress=on_progress)


@requires(Role.OPERATOR)
def migrate(source: str, user: str | None, verdicts: Verdicts, on_progress: Progress) -> Migrated:
    """Copy what is not here yet, and compare every memory of the source with what is here."""
    settings = memory_reads.settings()
    report = memory_reads.write(
        lambda service: apply(
            service, source, user=user, verdicts=verdicts, on_progress=on_progress
        )
    )
    service = connection().service()
    proof = verify(service, source, user=user, verdicts=verdicts, on_progress=on_progress)
    return Migrated(report, proof, make_receipt(proof, settings))


@requires(Role.VIEWER)
def migration_status() -> MigrationStatus:
    """Return how it stands with memories that come along by themselves."""
    return connection().service().migration_status()


def start_plan(source: str, user: str) -> None:
    """Start to plan, unless it is being planned now. For callbacks."""

    def work(progress: jobs.Progress) -> MigrationPlan:
        return plan_migration(source, user or None, progress)

    jobs.board().submit(work, subject=source, fingerprint=_plan(source, user))


def start_run(source: str, user: str, by_id: Mapping[str, Verdict], others: Verdict | None) -> None:
    """Start to copy and to verify, unless it is being done now. For callbacks."""
    verdicts = Verdicts(dict(by_id), others)

    def work(progress: jobs.Progress) -> Migrated:
        return migrate(source, user or None, verdicts, progress)

    jobs.board().submit(work, subject=source, fingerprint=_run(source, user))


def planned(source: str, user: str) -> jobs.Job | None:
    """Return the newest job that planned this migration, as it stands."""
    return jobs.board().latest(_plan(source, user))


def run(source: str, user: str) -> jobs.Job | None:
    """Return the newest job that made this migration, as it stands."""
    return jobs.board().latest(_run(source, user))


def _plan(source: str, user: str) -> str:
    return f"migrate/plan/{user}/{source}"


def _run(source: str, user: str) -> str:
    return f"migrate/run/{user}/{source}"
