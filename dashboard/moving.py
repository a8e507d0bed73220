"""What the page Migrate asks and does: a call each into `memory_core`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard import data
from dashboard.auth.roles import Role
from dashboard.auth.visitor import requires
from memory_core.migration import (
    MigrationPlan,
    MigrationReport,
    Verdicts,
    Verification,
    apply,
    make_receipt,
    parse,
    plan,
    verify,
)
from memory_core.records import MigrationStatus, Progress


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
    return plan(data.connection().service(), source, user=user, on_progress=on_progress)


@requires(Role.OPERATOR)
def migrate(source: str, user: str | None, verdicts: Verdicts, on_progress: Progress) -> Migrated:
    """Copy what is not here yet, and compare every memory of the source with what is here."""
    settings = data.settings()
    report = data.write(
        lambda service: apply(
            service, source, user=user, verdicts=verdicts, on_progress=on_progress
        )
    )
    service = data.connection().service()
    proof = verify(service, source, user=user, verdicts=verdicts, on_progress=on_progress)
    return Migrated(report, proof, make_receipt(proof, settings))


@requires(Role.VIEWER)
def migration_status() -> MigrationStatus:
    """Return how it stands with memories that come along by themselves."""
    return data.connection().service().migration_status()
