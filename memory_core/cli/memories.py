"""The commands about the memories of one user."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..errors import InvalidMemory
from ..model.counting import counted
from ..model.limits import MAX_UPLOAD_BYTES
from ..model.past import ChangeReceipt, MemoryFilter
from ..model.user_id import normalize_user_id
from ..render import memory_records as render
from ..service import MemoryService
from .base import (
    EXISTING_FILE,
    cli,
    file_errors,
    output,
    progress_bar,
    where_option,
    with_service,
)


def _metadata(ctx: click.Context, option: click.Parameter, pairs: Sequence[str]) -> dict[str, str]:
    metadata = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidMemory(
                f"metadata {pair!r} is not KEY=VALUE; write it like --meta topic=diet"
            )
        metadata[key] = value
    return metadata


def _not_empty(ctx: click.Context, argument: click.Parameter, memory_id: str | None) -> str | None:
    # In a script, a variable that is not set would otherwise select all memories.
    if memory_id == "":
        raise click.UsageError("the ID is empty; give the ID of a memory, or leave it out")
    return memory_id


_user = click.argument("user")
_memory_id = click.argument("memory_id", metavar="ID")
_text = click.argument("text")
_limit = click.option("--limit", default=10, help="Maximum number of memories.")
_metadata_option = click.option(
    "--meta",
    "metadata",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_metadata,
    help="Metadata to add; repeatable.",
)
_expires = click.option(
    "--expires",
    metavar="DATE",
    help="The last day (UTC) on which questions find the memory, such as 2027-01-31, or never.",
)
_optional_id = click.argument("memory_id", metavar="[ID]", required=False, callback=_not_empty)
_dry_run = click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done.")
_yes = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
_verify = click.option("--verify/--no-verify", default=True, help="Read saved memories back by id.")


def _change(call: Callable[..., ChangeReceipt], *, dry_run: bool, yes: bool, **given: Any) -> None:
    """Preview a change of many memories; carry it out once confirmed."""
    receipt = call(**given, preview=True)
    if not dry_run:
        if receipt.changes and not yes:
            click.confirm(f"{render.change_text(receipt)}\nDo it?", abort=True, err=True)
        receipt = call(**given)
    passed = dry_run or not receipt.failed
    output(render.change_document, render.change_text, receipt, passed=passed)


_with_record = partial(with_service, index=False)


@cli.command()
@_user
@_text
@click.option("--agent", "agent_id", metavar="AGENT", help="The agent that the memory belongs to.")
@click.option("--run", "run_id", metavar="RUN", help="The run that the memory belongs to.")
@_metadata_option
@_expires
@click.option("--infer", is_flag=True, help="Let the language model extract what matters.")
@_verify
@with_service
def save(service: MemoryService, user: str, text: str, **options: Any) -> None:
    """Save TEXT as a memory of USER."""
    saved = service.add_text_memory(user, text, **options)
    user_id = normalize_user_id(user)
    output(render.saved_document, render.saved_text, user_id, service.backend, saved)


@cli.command()
@_user
@click.argument("file", type=EXISTING_FILE)
@_verify
@with_service
def upload(service: MemoryService, user: str, file: Path, verify: bool) -> None:
    """Split a document into memories of USER.

    FILE is .txt, .md, .pdf, .docx, .csv, .json, .jsonl, or a chat export (.json, .txt or .zip).
    """
    with file_errors(file, "read", "check its permissions"), file.open("rb") as opened:
        # One byte more than allowed: a huge file is refused without being read whole.
        content = opened.read(MAX_UPLOAD_BYTES + 1)
    with progress_bar(file.name) as advance:
        saved = service.add_document(user, file.name, content, verify=verify, on_progress=advance)
    user_id = normalize_user_id(user)
    output(render.saved_document, render.saved_text, user_id, service.backend, saved)


@cli.command()
@_user
@_text
@_limit
@click.option(
    "--mode",
    type=click.Choice(["auto", "exact", "index"]),
    default="auto",
    help="Rank all memories exactly, or search the index.",
)
@with_service
def query(service: MemoryService, user: str, text: str, **options: Any) -> None:
    """Find the memories of USER that answer the question TEXT."""
    result = service.search(user, text, **options)
    user_id = normalize_user_id(user)
    output(render.search_document, render.search_text, user_id, result, text)


@cli.command()
@_user
@_text
@_limit
@with_service
def explain(service: MemoryService, user: str, text: str, limit: int) -> None:
    """Show what USER's assistant recalls for TEXT.

    Ranks all memories of USER and names the rule that leaves a memory out of the answer.
    """
    recall = service.explain(user, text, limit=limit)
    output(render.recall_document, render.recall_text, recall)


@cli.command("list")
@_user
@where_option
@with_service
def list_(service: MemoryService, user: str, where: MemoryFilter | None) -> None:
    """List all memories of USER, or those that match, newest first."""
    records = service.list_memories(user, where)
    output(render.list_document, render.list_text, normalize_user_id(user), records)


@cli.command()
@_user
@_memory_id
@with_service
def get(service: MemoryService, user: str, memory_id: str) -> None:
    """Show one memory of USER in full."""
    record = service.get_memory(user, memory_id)
    output(render.record_document, render.record_text, record)


@cli.command()
@_user
@_optional_id
@click.argument("text", required=False)
@_metadata_option
@_expires
@where_option
@_dry_run
@_yes
@_verify
@with_service
def update(
    service: MemoryService, user: str, memory_id: str | None, dry_run: bool, yes: bool, **given: Any
) -> None:
    """Change a memory of USER: its text to TEXT, its expiry date, or its metadata.

    With --where in place of ID, change the expiry date of all memories that match.
    """
    where, expires = given.pop("where"), given["expires"]
    if memory_id and not where and not dry_run:
        record = service.update_memory(user, memory_id, **given)
        output(render.record_document, render.record_text, record)
        return
    if memory_id or not where or not expires or given["metadata"]:
        raise click.UsageError("give the ID of a memory, or --where with --expires alone")
    chosen = {"user_id": user, "where": where, "expires": expires}
    _change(service.change_memories, dry_run=dry_run, yes=yes, **chosen)


@cli.command()
@_user
@_optional_id
@where_option
@_dry_run
@_yes
@with_service
def delete(service: MemoryService, user: str, memory_id: str | None, **options: Any) -> None:
    """Delete a memory of USER, or with --where all that match; their history stays."""
    if (memory_id is None) == (options["where"] is None):
        raise click.UsageError("give the ID of a memory, or --where")
    if memory_id and not options["dry_run"]:
        receipt = service.delete_memory(user, memory_id, verify=True)
        output(render.receipt_document, render.receipt_text, receipt)
        return
    if memory_id:
        options["where"] = MemoryFilter(ids=frozenset([service.get_memory(user, memory_id).id]))
    _change(service.change_memories, user_id=user, delete=True, **options)


@cli.command()
@_user
@_yes
@with_service
def forget(service: MemoryService, user: str, yes: bool) -> None:
    """Erase all memories of USER and their history for good."""
    if not yes:
        count = counted(len(service.list_memories(user)), "memory")
        question = f"Forget {count} of {normalize_user_id(user)} and the history for good?"
        click.confirm(question, abort=True, err=True)
    output(render.receipt_document, render.receipt_text, service.forget_user(user))


@cli.command()
@_user
@_optional_id
@click.option(
    "--at", metavar="WHEN", help="Show the memories as they were then: 2h, yesterday, 2025-11-22."
)
@_with_record
def history(service: MemoryService, user: str, memory_id: str | None, at: str | None) -> None:
    """Show the history of USER's memories or of one, or their state at a moment."""
    if at is not None:
        output(render.state_document, render.state_text, service.memories_at(user, at), memory_id)
        return
    events = service.history(user, memory_id)
    output(render.history_document, render.history_text, normalize_user_id(user), events)


@cli.command()
@_user
@click.option("--since", metavar="WHEN", default="7d", help="From then on: 7d, 2h or 2025-11-22.")
@click.option("--until", metavar="WHEN", help="Up to then.")
@_with_record
def changes(service: MemoryService, user: str, since: str, until: str | None) -> None:
    """Show how USER's memories changed: before and after, who, when and by which call."""
    listed = service.changes(user, since, until)
    document = partial(render.changes_document, since=since, until=until)
    output(document, render.changes_text, normalize_user_id(user), listed)


@cli.command()
@_user
@click.option("--since", metavar="WHEN", default="7d", help="From then on: 7d, 2h or 2025-11-22.")
@_with_record
def recalls(service: MemoryService, user: str, since: str) -> None:
    """Show which memories were given to questions about USER (MEMORY_RECALL_LOG)."""
    receipts = service.recalls(user, since)
    output(render.recalls_document, render.recalls_text, normalize_user_id(user), receipts)


@cli.command()
@_user
@_optional_id
@click.option(
    "--at",
    metavar="WHEN",
    help="2h, yesterday, 2025-11-22T14:30, the id of an event, or a commit that was deployed.",
)
@where_option
@click.option("--keep-newer", is_flag=True, help="Do not delete what was saved since.")
@_dry_run
@_yes
@_with_record
def restore(
    service: MemoryService, user: str, memory_id: str | None, at: str | None, **options: Any
) -> None:
    """Make the memories of USER, or one of them, what they were at a moment.

    A deleted memory comes back by its ID alone. The result names the event that undoes it.
    """
    if (memory_id is not None and options["where"]) or not (memory_id or at):
        raise click.UsageError("give the ID of a deleted memory, or --at with or without --where")
    if memory_id:
        given = {"user_id": user, "memory_id": memory_id, "at": at}
        _change(service.restore_memory, dry_run=options["dry_run"], yes=True, **given)
    else:
        _change(service.restore_user, user_id=user, at=at, **options)
