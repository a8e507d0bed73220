"""Migrations as jobs: the plan, and the run with its proof."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memory_core import transfer
from memory_core.errors import MigrationError
from memory_core.model.records import MigrationStatus
from memory_core.transfer import reports

from ..auth.access import access
from ..auth.roles import Role
from ..auth.visitor import requires
from ..connection import connection
from . import jobs, memory_calls

_FILES: Final = frozenset({"chroma", "jsonl", "history"})


@dataclass(frozen=True)
class Migrated:
    """Report of a run, and its proof: every memory compared by id and content."""

    report: reports.MigrationReport
    proof: reports.Verification
    receipt: Mapping[str, Any]


@requires(Role.VIEWER)
def migration_status() -> MigrationStatus:
    """Return the state of the automatic migration."""
    return connection().service().migration_status()


@requires(Role.ADMIN)
def check_source(source: str) -> None:
    """Raise `MigrationError` for an address that cannot be a source, or is not open to the page.

    Visitors must not read whatever the server can: only its data folder, and the places that
    `DASHBOARD_MIGRATE_FROM` names, are open.
    """
    where = transfer.parse(source)
    named = [transfer.parse(address) for address in access().settings.migrate_from]
    if where.kind == transfer.LOCAL or any(_is_within(where, other) for other in named):
        return
    settings = connection().service().settings
    own = [settings.data_dir, settings.chroma_path]
    if where.kind in _FILES and any(_is_below(where.place, str(folder)) for folder in own):
        return
    raise MigrationError(
        f"{source!r} is not open to the dashboard; name it in DASHBOARD_MIGRATE_FROM, move it to "
        "MEMORY_DATA_DIR, or use `python -m memory_core migrate`"
    )


def _is_within(where: transfer.Address, named: transfer.Address) -> bool:
    """Return whether a named place includes an address."""
    if where.kind != named.kind:
        return False
    if where.kind in _FILES:
        return _is_below(where.place, named.place)
    # A collection of a named server is part of it; a ledger has to be named with its index.
    part, whole = (where, named) if where.kind == "s3vectors" else (named, where)
    return where.place.strip("/") == named.place.strip("/") and part.extra in {"", whole.extra}


def _is_below(place: str, folder: str) -> bool:
    try:
        path, top = (Path(name).expanduser().resolve() for name in (place, folder))
    except (OSError, RuntimeError, ValueError):
        return False
    return path.is_relative_to(top)


@requires(Role.ADMIN)
def start_plan(source: str, user: str) -> None:
    """Start to plan, which only reads. For callbacks.

    Raises:
        MigrationError: the source is not open to the dashboard.
    """
    check_source(source)
    jobs.board().submit(
        lambda job: transfer.plan(
            connection().service(), source, user=user or None, on_progress=job
        ),
        subject=source,
        fingerprint=_plan(source, user),
    )


@requires(Role.ADMIN)
def start_run(
    source: str, user: str, by_id: Mapping[str, reports.Verdict], others: reports.Verdict | None
) -> None:
    """Start to copy what is missing, then to compare everything. For callbacks.

    Raises:
        MigrationError: the source is not open to the dashboard.
    """
    check_source(source)
    verdicts = reports.Verdicts(dict(by_id), others)

    def work(progress: jobs.Progress) -> Migrated:
        options: dict[str, Any] = {
            "user": user or None,
            "verdicts": verdicts,
            "on_progress": progress,
        }
        report = memory_calls.write(lambda service: transfer.apply(service, source, **options))
        service = connection().service()
        proof = transfer.verify(service, source, **options)
        return Migrated(report, proof, transfer.make_receipt(proof, service.settings))

    jobs.board().submit(work, subject=source, fingerprint=_run(source, user))


@requires(Role.ADMIN)
def planned(source: str, user: str) -> jobs.Job | None:
    """Return the newest job that planned this migration."""
    return jobs.board().latest(_plan(source, user))


@requires(Role.ADMIN)
def run(source: str, user: str) -> jobs.Job | None:
    """Return the newest job that ran this migration."""
    return jobs.board().latest(_run(source, user))


def _plan(source: str, user: str) -> str:
    return f"migrate/plan/{user}/{source}"


def _run(source: str, user: str) -> str:
    return f"migrate/run/{user}/{source}"
