"""The commands that keep store and ledger together."""

from __future__ import annotations

from typing import Any, get_args

import click

from ..memories.repair import rebuild_index
from ..model.records import Unexpected
from ..render import audit_report
from ..service import MemoryService
from .base import EXIT_CHECK_FAILED, cli, json_option, output, progress_bar, with_service


@cli.command()
@click.option("--repair", is_flag=True, help="Make the store as recorded; safe to repeat.")
@click.option(
    "--unexpected",
    type=click.Choice(get_args(Unexpected)),
    help="What a repair does with vectors that were never recorded.  [default: keep]",
)
@json_option
@with_service
@click.pass_context
def audit(
    ctx: click.Context, service: MemoryService, repair: bool, unexpected: Any, as_json: bool
) -> None:
    """Compare what is stored with what was recorded, over all users."""
    if unexpected and not repair:
        raise click.UsageError("--unexpected says what a repair does; add --repair")
    with progress_bar("audit", as_json=as_json) as advance:
        report = service.audit(repair=repair, unexpected=unexpected or "keep", on_progress=advance)
    output(audit_report.audit_document(report), audit_report.audit_text(report), as_json=as_json)
    if not report.clean:
        ctx.exit(EXIT_CHECK_FAILED)


@cli.command()
@json_option
@click.pass_context
def rebuild(ctx: click.Context, as_json: bool) -> None:
    """Make the index that the settings name from the record; no other index is touched."""
    with progress_bar("rebuild", as_json=as_json) as advance:
        report = rebuild_index(on_progress=advance)
    output(
        audit_report.rebuild_document(report), audit_report.rebuild_text(report), as_json=as_json
    )
    if not report.audit.clean:
        ctx.exit(EXIT_CHECK_FAILED)
