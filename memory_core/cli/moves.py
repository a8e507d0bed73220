"""The commands that bring one person's memories together."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from .. import render_moves
from ..errors import InvalidMove
from ..identity import normalize_user_id
from ..reuniting import Reunion, read_reunion, reunion_document
from ..service import MemoryService
from .base import EXIT_CHECK_FAILED, json_option, output, progress_bar, with_service
from .users import users

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
        output(render_moves.plan_document(plan), render_moves.plan_text(plan), as_json=as_json)
        return
    if not yes:
        click.echo(render_moves.plan_text(plan), err=True)
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
    document = render_moves.made_document(reunion, undo_file)
    output(document, render_moves.reunion_text(reunion, undo_file), as_json=as_json)
    if reunion.refused or reunion.verified != len(reunion.ids):
        ctx.exit(EXIT_CHECK_FAILED)
