"""The commands over all users."""

from __future__ import annotations

import click

from .. import render_scan, render_traces, render_users
from ..service import MemoryService, open_service
from .base import EXIT_CHECK_FAILED, cli, json_option, output, progress_bar, with_service

_scan_option = click.option(
    "--scan", is_flag=True, help="Read the store itself as well, and other places; nothing changes."
)


@cli.group(invoke_without_command=True)
@_scan_option
@json_option
@click.pass_context
def users(ctx: click.Context, scan: bool, as_json: bool) -> None:
    """List every user with the number of memories, find one, or take up what is not on record.

    With --scan it ends with 1 where the store differs from the record, or memories lie elsewhere.
    """
    if ctx.invoked_subcommand:
        if scan or as_json:
            raise click.UsageError(f"put --scan and --json behind {ctx.invoked_subcommand}")
        return
    with open_service(migrate=False) as service:
        census = service.count_users()
        document = render_users.users_document(census)
        text = render_users.users_text(census)
        agree = True
        if scan:
            with progress_bar("scan", as_json=as_json) as advance:
                found = service.scan_store(advance)
                other = service.elsewhere(advance)
            document["scan"] = render_scan.scan_document(found)
            document["elsewhere"] = render_scan.elsewhere_document(other)
            parts = (text, render_scan.scan_text(found), render_scan.elsewhere_text(other))
            text = "\n\n".join(parts)
            agree = found.clean and not other.missing
    output(document, text, as_json=as_json)
    if not agree:
        ctx.exit(EXIT_CHECK_FAILED)


@users.command("find")
@click.argument("text")
@_scan_option
@json_option
@with_service
def find_command(service: MemoryService, text: str, scan: bool, as_json: bool) -> None:
    """Find whose memories are meant: TEXT is an id in any form, a name, or a memory's id."""
    with progress_bar("scan", as_json=as_json or not scan) as advance:
        seen = service.scan_store(advance) if scan else None
        other = service.elsewhere(advance) if scan else None
    found = service.find(text, scan=seen, elsewhere=other)
    document = render_users.found_document(found)
    output(document, render_users.found_text(found), as_json=as_json)


@users.command("take-up")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do it; without, it is only said what would be done.")
@json_option
@with_service
@click.pass_context
def take_up_command(
    ctx: click.Context, service: MemoryService, user: str, yes: bool, as_json: bool
) -> None:
    """Record what lies in the store for USER, in any form of the id, and is not on record."""
    with progress_bar("take up", as_json=as_json) as advance:
        taken = service.take_up(user, preview=not yes, on_progress=advance)
    document = render_users.taken_up_document(taken)
    output(document, render_users.taken_up_text(taken), as_json=as_json)
    if yes and taken.left:
        ctx.exit(EXIT_CHECK_FAILED)


@users.command("traces")
@click.argument("user")
@json_option
@with_service
@click.pass_context
def traces_command(ctx: click.Context, service: MemoryService, user: str, as_json: bool) -> None:
    """Look everywhere for what is left of USER: record, store, other places, close ids.

    Ends with 1 where something is left, or a place could not be read.
    """
    with progress_bar("traces", as_json=as_json) as advance:
        found = service.traces(user, on_progress=advance)
    document = render_traces.traces_document(found)
    output(document, render_traces.traces_text(found), as_json=as_json)
    if not found.clean:
        ctx.exit(EXIT_CHECK_FAILED)
