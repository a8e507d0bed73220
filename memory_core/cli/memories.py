"""The commands about the memories of one user."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import InvalidMemory
from ..model.counting import counted
from ..model.limits import MAX_UPLOAD_BYTES
from ..model.user_id import normalize_user_id
from ..render import memory_records as render
from ..service import MemoryService
from .base import EXISTING_FILE, cli, file_errors, output, progress_bar, with_service


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
    help="The last day (UTC) on which questions find it, such as 2027-01-31, or never.",
)
_verify = click.option("--verify/--no-verify", default=True, help="Read saved memories back by id.")


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
    output(
        render.saved_document, render.saved_text, user_id, service.backend, saved, saved.left_out
    )


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
    output(
        render.saved_document, render.saved_text, user_id, service.backend, saved, saved.left_out
    )


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
@with_service
def list_(service: MemoryService, user: str) -> None:
    """List all memories of USER, newest first."""
    records = service.list_memories(user)
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
@_memory_id
@click.argument("text", required=False)
@_metadata_option
@_expires
@_verify
@with_service
def update(service: MemoryService, user: str, memory_id: str, **options: Any) -> None:
    """Change a memory of USER: its text to TEXT, its expiry date, or its metadata."""
    record = service.update_memory(user, memory_id, **options)
    output(render.record_document, render.record_text, record)


@cli.command()
@_user
@_memory_id
@with_service
def delete(service: MemoryService, user: str, memory_id: str) -> None:
    """Delete a memory of USER; its history stays."""
    receipt = service.delete_memory(user, memory_id, verify=True)
    output(render.receipt_document, render.receipt_text, receipt)


@cli.command()
@_user
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
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
@click.argument("memory_id", metavar="[ID]", required=False)
@with_service
def history(service: MemoryService, user: str, memory_id: str | None) -> None:
    """Show the history of USER's memories, or of one of them."""
    events = service.history(user, memory_id)
    output(render.history_document, render.history_text, normalize_user_id(user), events)
