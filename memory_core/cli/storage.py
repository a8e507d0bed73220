"""The commands about the storage: its status, the audit against the ledger, the rebuild."""

from __future__ import annotations

from typing import Any, get_args

import click

from ..memories.repair import rebuild_index
from ..model.records import Unexpected
from ..render import audit_report, memory_records
from ..service import MemoryService
from .base import cli, json_option, output, progress_bar, with_service


@cli.command()
@with_service
def status(service: MemoryService) -> None:
    """Show the backend in use, why, and what it holds.

    Lists each step of the choice, the embedder, the location, and exact counts. If memories are
    being migrated from the local disk, shows how far that is.
    """
    output(memory_records.status_document, memory_records.status_text, service.status())


@cli.command()
@click.option("--repair", is_flag=True, help="Make the store match the ledger; safe to repeat.")
@click.option(
    "--unexpected",
    type=click.Choice(get_args(Unexpected)),
    help="What --repair does with vectors that were never recorded.  [default: keep]",
)
@with_service
def audit(service: MemoryService, repair: bool, unexpected: Any) -> None:
    """Compare the store with the ledger, and repair it.

    Covers all users. Without --repair nothing is changed. The exit code is 1 if a difference
    remains.
    """
    if unexpected and not repair:
        raise click.UsageError("--unexpected says what a repair does; add --repair")
    with progress_bar("audit") as advance:
        report = service.audit(repair=repair, unexpected=unexpected or "keep", on_progress=advance)
    output(audit_report.audit_document, audit_report.audit_text, report, passed=report.clean)


@cli.command()
@json_option
def rebuild() -> None:
    """Rebuild the index from the ledger.

    Creates and fills the index that the settings name, for example after the embedder was changed.
    No other index is touched.
    """
    with progress_bar("rebuild") as advance:
        report = rebuild_index(on_progress=advance)
    passed = report.audit.clean
    output(audit_report.rebuild_document, audit_report.rebuild_text, report, passed=passed)
