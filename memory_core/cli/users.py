"""The commands about user ids and all users: list, find, adopt, merge, prove an erasure."""

import json
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ..errors import InvalidMove
from ..memories.merge_users import Merge, merge_document, read_merge
from ..model.user_id import describe_changes, normalize_user_id
from ..render import user_tables as render
from ..service import MemoryService, open_service
from .base import (
    EXISTING_FILE,
    FILE,
    cli,
    file_errors,
    json_option,
    json_wanted,
    output,
    progress_bar,
    with_service,
)

_LARGEST_UNDO_FILE = 64 * 1024 * 1024
_scan_option = click.option(
    "--scan", is_flag=True, help="Read the store and other places as well; nothing is changed."
)


@cli.command()
@click.argument("raw")
@json_option
def normalize(raw: str) -> None:
    """Show the canonical form of the user id RAW."""
    id_and_changes = normalize_user_id(raw), describe_changes(raw)
    output(render.normalized_document, render.normalized_text, raw, *id_and_changes)


@cli.group(invoke_without_command=True)
@_scan_option
@json_option
@click.pass_context
def users(ctx: click.Context, scan: bool) -> None:
    """List all users, or find, adopt or merge them.

    Counts come from the ledger and are exact. With --scan the exit code is 1 if the store differs
    from the ledger, or if another place has memories that are missing here.
    """
    if ctx.invoked_subcommand:
        if scan or json_wanted():
            raise click.UsageError(f"put --scan and --json after {ctx.invoked_subcommand}")
        return
    with open_service(migrate=False) as service:
        census = service.count_users()
        if not scan:
            output(render.users_document, render.users_text, census)
            return
        with progress_bar("scan") as advance:
            compared = census, service.scan_store(advance), service.elsewhere(advance)
    agree = compared[1].clean and not compared[2].missing
    output(render.scanned_users_document, render.scanned_users_text, *compared, passed=agree)


@users.command("find")
@click.argument("text")
@_scan_option
@with_service
def find(service: MemoryService, text: str, scan: bool) -> None:
    """Find a user by an id in any form, a name, or a memory.

    TEXT may also be a domain, a memory's id, or words of a memory. Shows the canonical id, what is
    recorded under it, and similar ids. The texts of memories are searched if no id matches, and
    the activity log notes that.
    """
    with progress_bar("scan", hidden=not scan) as advance:
        store = service.scan_store(advance) if scan else None
        elsewhere = service.elsewhere(advance) if scan else None
    search = service.find(text, scan=store, elsewhere=elsewhere, texts=True)
    output(render.user_search_document, render.user_search_text, search)


@users.command("adopt")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Adopt them; without this option, only show them.")
@with_service
def adopt(service: MemoryService, user: str, yes: bool) -> None:
    """Record vectors of USER that are only in the store.

    Other programs may have stored them, under any form of USER's id.
    """
    with progress_bar("adopt") as advance:
        adoption = service.take_up(user, preview=not yes, on_progress=advance)
    passed = not (yes and adoption.left)
    output(render.adoption_document, render.adoption_text, adoption, passed=passed)


@users.command("erasure-proof")
@click.argument("user")
@with_service
def erasure_proof(service: MemoryService, user: str) -> None:
    """Prove that nothing is left of USER, or show what is.

    Searches the ledger, the store, the running service, other places and similar ids. The exit
    code is 1 if anything is left, or if a place could not be read.
    """
    with progress_bar("erasure proof") as advance:
        proof = service.traces(user, on_progress=advance)
    output(render.erasure_proof_document, render.erasure_proof_text, proof, passed=proof.clean)


@users.command()
@click.argument("former", metavar="FROM")
@click.argument("user", metavar="TO")
@click.option("--dry-run", is_flag=True, help="Only show what would be moved.")
@click.option("--yes", is_flag=True, help="Do not ask for the id to be typed.")
@click.option("--undo-file", type=FILE, help="Where to write the file that `users undo` reads.")
@with_service
def merge(
    service: MemoryService, former: str, user: str, dry_run: bool, yes: bool, undo_file: Path | None
) -> None:
    """Move all memories of FROM to TO, who is the same person.

    Their ids, texts and times stay. An undo file is written before anything is moved.
    """
    plan = service.plan_reunion(former, user)
    if dry_run:
        output(render.merge_plan_document, render.merge_plan_text, plan)
        return
    if not yes:
        click.echo(render.merge_plan_text(plan), err=True)
        typed = click.prompt(f"Type {plan.user_id} to move them", err=True)
        if normalize_user_id(typed) != plan.user_id:
            raise InvalidMove(f"{typed!r} is not {plan.user_id!r}; nothing was moved")
    # Before anything moves, so that an interrupted merge can be undone too.
    file = undo_file or Path(f"merge-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json")
    content = json.dumps(merge_document(plan.as_undo()), ensure_ascii=False, indent=1).encode()
    advice = "nothing was moved: name another with --undo-file"
    with file_errors(file, "written", advice), file.open("xb") as new:
        new.write(content)
    with progress_bar("merge") as advance:
        moved = service.reunite(former, user, on_progress=advance)
    _conclude(moved, str(file))


@users.command()
@click.argument("file", type=EXISTING_FILE)
@with_service
def undo(service: MemoryService, file: Path) -> None:
    """Undo a merge, with the undo FILE that it wrote."""
    with file_errors(file, "read", "check its permissions"), file.open("rb") as opened:
        merged = read_merge(opened.read(_LARGEST_UNDO_FILE))
    with progress_bar("undo") as advance:
        moved = service.undo_reunion(merged, on_progress=advance)
    _conclude(moved, "")


def _conclude(moved: Merge, undo_file: str) -> None:
    whole = not moved.refused and moved.verified == len(moved.ids)
    output(render.merged_document, render.merge_text, moved, undo_file, passed=whole)


# The former names still work.
for _name, _command in {"take-up": adopt, "traces": erasure_proof, "reunite": merge}.items():
    _hidden: Any = copy(_command)
    _hidden.hidden = True
    users.add_command(_hidden, _name)
