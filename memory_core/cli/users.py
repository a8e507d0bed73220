"""The commands over all users."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from ..errors import InvalidMove
from ..memories.merge_users import Reunion, read_reunion, reunion_document
from ..model.user_id import normalize_user_id
from ..render import audit_report, user_tables
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
        document = user_tables.users_document(census)
        text = user_tables.users_text(census)
        agree = True
        if scan:
            with progress_bar("scan", as_json=as_json) as advance:
                found = service.scan_store(advance)
                other = service.elsewhere(advance)
            document["scan"] = audit_report.scan_document(found)
            document["elsewhere"] = audit_report.elsewhere_document(other)
            parts = (text, audit_report.scan_text(found), audit_report.elsewhere_text(other))
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
    document = user_tables.found_document(found)
    output(document, user_tables.found_text(found), as_json=as_json)


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
    document = user_tables.taken_up_document(taken)
    output(document, user_tables.taken_up_text(taken), as_json=as_json)
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
    document = user_tables.traces_document(found)
    output(document, user_tables.traces_text(found), as_json=as_json)
    if not found.clean:
        ctx.exit(EXIT_CHECK_FAILED)


_FILE = click.Path(dir_okay=False, path_type=Path)
_LARGEST_UNDO_FILE = 64 * 1024 * 1024


@users.command()
@click.argument("former", metavar="FROM")
@click.argument("user", metavar="TO")
@click.option("--dry-run", is_flag=True, help="Only say what would be moved.")
@click.option("--yes", is_flag=True, help="Do not ask for the id to be typed.")
@click.option("--undo-file", type=_FILE, help="Where to write what `users undo` takes.")
@json_option
@with_service
@click.pass_context
def reunite(
    ctx: click.Context,
    service: MemoryService,
    former: str,
    user: str,
    dry_run: bool,
    yes: bool,
    undo_file: Path | None,
    as_json: bool,
) -> None:
    """Move all memories of FROM to TO, who is the same person; ids, texts and times stay."""
    plan = service.plan_reunion(former, user)
    if dry_run:
        output(user_tables.plan_document(plan), user_tables.plan_text(plan), as_json=as_json)
        return
    if not yes:
        click.echo(user_tables.plan_text(plan), err=True)
        typed = click.prompt(f"Type {plan.user_id} to move them", err=True)
        if normalize_user_id(typed) != plan.user_id:
            raise InvalidMove(f"{typed!r} is not {plan.user_id!r}; nothing was moved")
    place = undo_file or Path(f"reunion-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json")
    try:
        with place.open("x") as opened:
            # Before anything moves: whoever is cut off can take it back all the same.
            json.dump(reunion_document(plan.as_undo()), opened, ensure_ascii=False, indent=1)
    except OSError as exc:
        raise InvalidMove(
            f"the undo file {str(place)!r} could not be written: {exc.strerror or exc}; "
            "nothing was moved: name another with --undo-file"
        ) from exc
    with progress_bar("reunite", as_json=as_json) as advance:
        reunion = service.reunite(former, user, on_progress=advance)
    _tell(ctx, reunion, str(place), as_json=as_json)


@users.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@with_service
@click.pass_context
def undo(ctx: click.Context, service: MemoryService, file: Path, as_json: bool) -> None:
    """Take back what `users reunite` did: FILE is the undo file that it wrote."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_UNDO_FILE)
    except OSError as exc:
        raise InvalidMove(
            f"could not read {str(file)!r}: {exc.strerror or exc}; check who may read it"
        ) from exc
    with progress_bar("undo", as_json=as_json) as advance:
        reunion = service.undo_reunion(read_reunion(content), on_progress=advance)
    _tell(ctx, reunion, "", as_json=as_json)


def _tell(ctx: click.Context, reunion: Reunion, undo_file: str, *, as_json: bool) -> None:
    document = user_tables.made_document(reunion, undo_file)
    output(document, user_tables.reunion_text(reunion, undo_file), as_json=as_json)
    if reunion.refused or reunion.verified != len(reunion.ids):
        ctx.exit(EXIT_CHECK_FAILED)
