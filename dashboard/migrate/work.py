"""Planning and running a migration as jobs, which go on without a page."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard import jobs, moving
from memory_core.migration import MigrationPlan, Verdict, Verdicts


def start_plan(source: str, user: str) -> None:
    """Start to plan, unless it is being planned now. For callbacks."""

    def work(progress: jobs.Progress) -> MigrationPlan:
        return moving.plan_migration(source, user or None, progress)

    jobs.board().submit(work, subject=source, fingerprint=_plan(source, user))


def start_run(source: str, user: str, by_id: Mapping[str, Verdict], others: Verdict | None) -> None:
    """Start to copy and to verify, unless it is being done now. For callbacks."""
    verdicts = Verdicts(dict(by_id), others)

    def work(progress: jobs.Progress) -> moving.Migrated:
        return moving.migrate(source, user or None, verdicts, progress)

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
