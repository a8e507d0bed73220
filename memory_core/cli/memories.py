"""The commands about users and their memories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import InvalidMemory
from ..model.limits import MAX_UPLOAD_BYTES
from ..model.user_id import describe_changes, normalize_user_id
from ..render import memory_records
from ..service import MemoryService
from .base import cli, json_option, output, progress_bar, with_service

_verify_option = click.option(
    "--verify/--no-verify",
    default=True,
    help="Read what was saved back by its id (default).",
)


@cli.command()
@json_option
@with_service
def status(service: MemoryService, as_json: bool) -> None:
    """Show which backend is used, why, and how much is in it."""
    found = service.status()
    output(
        memory_records.status_document(found),
        memory_records.status_text(found),
        as_json=as_json,
    )


@cli.command()
@click.argument("raw")
@json_option
def normalize(raw: str, as_json: bool) -> None:
    """Show the canonical form of the user id RAW, and what was changed."""
    canonical, changes = normalize_user_id(raw), describe_changes(raw)
    text = "\n".join([canonical, *(f"  {change}" for change in changes)])
    document = {"raw": raw, "user_id": canonical, "changes": list(changes)}
    output(document, text, as_json=as_json)


@cli.command()
@click.argument("user")
@click.argument("text")
@click.option("--agent", help="The agent that the memory belongs to.")
@click.option("--run", help="The run that the memory belongs to.")
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="Metadata; may be repeated.")
@click.option("--infer", is_flag=True, help="Let the language model extract what matters.")
@_verify_option
@json_option
@with_service
def save(
    service: MemoryService,
    user: str,
    text: str,
    agent: str | None,
    run: str | None,
    meta: Sequence[str],
    infer: bool,
    verify: bool,
    as_json: bool,
) -> None:
    """Remember TEXT for USER."""
    saved = service.add_text_memory(
        user,
        text,
        metadata=_metadata(meta),
        agent_id=agent,
        run_id=run,
        infer=infer,
        verify=verify,
    )
    told = normalize_user_id(user), service.backend, saved
    output(memory_records.saved_document(*told), memory_records.saved_text(*told), as_json=as_json)


@cli.command()
@click.argument("user")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_verify_option
@json_option
@with_service
def upload(service: MemoryService, user: str, file: Path, verify: bool, as_json: bool) -> None:
    """Cut FILE (.txt .md .pdf .docx .csv .json .jsonl) into memories of USER."""
    content = _read(file)
    with progress_bar(file.name, as_json=as_json) as advance:
        saved = service.add_document(user, file.name, content, verify=verify, on_progress=advance)
    told = normalize_user_id(user), service.backend, saved
    output(memory_records.saved_document(*told), memory_records.saved_text(*told), as_json=as_json)


@cli.command()
@click.argument("user")
@click.argument("text")
@click.option("--limit", default=10, show_default=True, help="How many memories at most.")
@click.option(
    "--mode",
    type=click.Choice(["auto", "exact", "index"]),
    default="auto",
    show_default=True,
    help="Rank all memories exactly, or ask the index.",
)
@json_option
@with_service
def query(
    service: MemoryService, user: str, text: str, limit: int, mode: Any, as_json: bool
) -> None:
    """Find USER's memories that answer the question TEXT."""
    result = service.search(user, text, limit=limit, mode=mode)
    told = normalize_user_id(user), result
    output(
        memory_records.search_document(*told), memory_records.search_text(*told), as_json=as_json
    )


@cli.command()
@click.argument("user")
@click.argument("text")
@click.option("--limit", default=10, show_default=True, help="How many memories at most.")
@json_option
@with_service
def explain(service: MemoryService, user: str, text: str, limit: int, as_json: bool) -> None:
    """Show what USER's assistant would remember for TEXT, what not, and by which rule."""
    recall = service.explain(user, text, limit=limit)
    output(
        memory_records.recall_document(recall), memory_records.recall_text(recall), as_json=as_json
    )


@cli.command("list")
@click.argument("user")
@json_option
@with_service
def list_(service: MemoryService, user: str, as_json: bool) -> None:
    """List all memories of USER, newest first."""
    told = normalize_user_id(user), service.list_memories(user)
    output(memory_records.list_document(*told), memory_records.list_text(*told), as_json=as_json)


@cli.command()
@click.argument("user")
@click.argument("memory_id", metavar="ID")
@json_option
@with_service
def get(service: MemoryService, user: str, memory_id: str, as_json: bool) -> None:
    """Show one memory of USER."""
    record = service.get_memory(user, memory_id)
    output(
        memory_records.record_document(record), memory_records.record_text(record), as_json=as_json
    )


@cli.command()
@click.argument("user")
@click.argument("memory_id", metavar="ID")
@click.argument("text")
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="Metadata to merge in.")
@_verify_option
@json_option
@with_service
def update(
    service: MemoryService,
    user: str,
    memory_id: str,
    text: str,
    meta: Sequence[str],
    verify: bool,
    as_json: bool,
) -> None:
    """Give the memory ID of USER another TEXT."""
    record = service.update_memory(user, memory_id, text, metadata=_metadata(meta), verify=verify)
    output(
        memory_records.record_document(record), memory_records.record_text(record), as_json=as_json
    )


@cli.command()
@click.argument("user")
@click.argument("memory_id", metavar="ID")
@json_option
@with_service
def delete(service: MemoryService, user: str, memory_id: str, as_json: bool) -> None:
    """Delete the memory ID of USER; its history stays."""
    receipt = service.delete_memory(user, memory_id, verify=True)
    output(
        memory_records.receipt_document(receipt),
        memory_records.receipt_text(receipt),
        as_json=as_json,
    )


@cli.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@with_service
def forget(service: MemoryService, user: str, yes: bool, as_json: bool) -> None:
    """Remove all memories of USER and their history for good."""
    canonical = normalize_user_id(user)
    count = len(service.list_memories(user))
    if not yes:
        question = f"Forget {count:,} memories of {canonical} and their history for good?"
        click.confirm(question, abort=True, err=True)
    receipt = service.forget_user(user)
    output(
        memory_records.receipt_document(receipt),
        memory_records.receipt_text(receipt),
        as_json=as_json,
    )


@cli.command()
@click.argument("user")
@click.argument("memory_id", metavar="[ID]", required=False)
@json_option
@with_service
def history(service: MemoryService, user: str, memory_id: str | None, as_json: bool) -> None:
    """Show what happened to the memories of USER, or to one of them."""
    told = normalize_user_id(user), service.history(user, memory_id)
    output(
        memory_records.history_document(*told), memory_records.history_text(*told), as_json=as_json
    )


def _metadata(pairs: Sequence[str]) -> dict[str, str]:
    metadata = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidMemory(
                f"metadata {pair!r} is not KEY=VALUE; write it like --meta topic=diet"
            )
        metadata[key] = value
    return metadata


def _read(file: Path) -> bytes:
    """Return the content, up to one byte more than allowed: a huge file is never read whole."""
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_UPLOAD_BYTES + 1)
    except OSError as exc:
        raise InvalidMemory(
            f"could not read {str(file)!r}: {exc.strerror or exc}; check who may read it"
        ) from exc
