"""Migrations as jobs: the plan of one, and the run with its proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memory_core.model.records import MigrationStatus
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
    """Report of a run, and its proof: every memory compared by id and content."""

    report: MigrationReport
    proof: Verification
    receipt: Mapping[str, Any]


@requires(Role.VIEWER)
def migration_status() -> MigrationStatus:
    """Return the state of the automatic migration."""
    return connection().service().migration_status()


@requires(Role.OPERATOR)
def check_source(source: str) -> None:
    """Raise `MigrationError` for an address that cannot be a source."""
    parse(source)


@requires(Role.OPERATOR)
def start_plan(source: str, user: str) -> None:
    """Start to plan, reading only. For callbacks."""

    def work(progress: jobs.Progress) -> MigrationPlan:
        return plan(connection().service(), source, user=user or None, on_progress=progress)

    jobs.board().submit(work, subject=source, fingerprint=_plan(source, user))


@requires(Role.OPERATOR)
def start_run(source: str, user: str, by_id: Mapping[str, Verdict], others: Verdict | None) -> None:
    """Start to copy what is missing, then to compare everything. For callbacks."""
    verdicts = Verdicts(dict(by_id), others)

    def work(progress: jobs.Progress) -> Migrated:
        options: dict[str, Any] = {
            "user": user or None,
            "verdicts": verdicts,
            "on_progress": progress,
        }
        report = memory_reads.write(lambda service: apply(service, source, **options))
        service = connection().service()
        proof = verify(service, source, **options)
        return Migrated(report, proof, make_receipt(proof, service.settings))

    jobs.board().submit(work, subject=source, fingerprint=_run(source, user))


@requires(Role.VIEWER)
def planned(source: str, user: str) -> jobs.Job | None:
    """Return the newest job that planned this migration."""
    return jobs.board().latest(_plan(source, user))


@requires(Role.VIEWER)
def run(source: str, user: str) -> jobs.Job | None:
    """Return the newest job that ran this migration."""
    return jobs.board().latest(_run(source, user))


def _plan(source: str, user: str) -> str:
    return f"migrate/plan/{user}/{source}"


def _run(source: str, user: str) -> str:
    return f"migrate/run/{user}/{source}"
