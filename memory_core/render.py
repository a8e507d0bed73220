"""Values -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .encoder import encode, pick
from .identity import UserId
from .records import Event, MemoryRecord, Receipt, SearchResult, Status
from .words import counted as counted

_TEXT_WIDTH = 100
_HARMLESS = "\n\t\u200c\u200d"


def to_json(document: Mapping[str, Any]) -> str:
    """Return one JSON document; times are ISO 8601 in UTC."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=encode)
    # Still the same JSON, and nothing in it can steer a terminal.
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in {"Cc", "Cf"} else _escaped(char)
        for char in text
    )


def status_document(status: Status) -> dict[str, Any]:
    return {
        **pick(status, "backend", "persistent", "reason", "steps"),
        "embedder": {"name": status.embedder, "dimensions": status.dimensions},
        **pick(status, "location", "memories", "users", "since", "last_write", "as_of", "stand_in"),
    }


def status_text(status: Status) -> str:
    word = "Persistent" if status.persistent else "Temporary"
    lines = [f"{word}: {printable(status.reason)}.", ""]
    lines += [
        f"  {'>>' if one.deciding else 'ok' if one.ok else '--'}  {one.name}: "
        + printable(one.detail)
        for one in status.steps
    ]
    lines += ["", f"  embedder    {status.embedder}, {status.dimensions} dimensions"]
    lines += [f"  {what:<11} {printable(where)}" for what, where in status.location.items()]
    lines += ["", f"{counted(status.memories, 'memory')} of {counted(status.users, 'user')}"]
    if status.last_write:
        lines[-1] += f", last write {utc(status.last_write)}"
    return "\n".join(lines)


def saved_document(
    user_id: UserId, backend: str, records: Sequence[MemoryRecord]
) -> dict[str, Any]:
    """Return what a save did; for one memory its keys stand at the top as well."""
    return {
        "id": records[0].id if records else None,
        "user_id": user_id,
        "backend": backend,
        "verified": bool(records) and all(one.verified for one in records),
        "already_stored": bool(records) and all(one.already_stored for one in records),
        "memories": [pick(one, "id", "memory", "already_stored", "verified") for one in records],
    }


def saved_text(user_id: UserId, backend: str, records: Sequence[MemoryRecord]) -> str:
    if not records:
        return (
            f"Nothing worth remembering was found, so nothing was stored for {one_line(user_id)}."
        )
    known = sum(one.already_stored for one in records)
    fresh = len(records) - known
    parts = []
    if fresh:
        proof = ", read back" if all(one.verified for one in records) else ""
        parts.append(
            f"Stored {counted(fresh, 'memory')} for {one_line(user_id)} in {backend}{proof}."
        )
    if known:
        parts.append(f"{counted(known, 'memory')} for {one_line(user_id)} had been stored already.")
    shown = [f"  {one.id}  {one_line(one.memory)}" for one in records[:10]]
    if len(records) > 10:
        shown.append(f"  and {len(records) - 10:,} more")
    return "\n".join([*parts, *shown])


def search_document(user_id: UserId, result: SearchResult) -> dict[str, Any]:
    return {
        "user_id": user_id,
        **pick(result, "mode", "searched", "complete"),
        "hits": [
            {
                **pick(hit.memory, "id", "memory"),
                "score": round(hit.score, 4),
                "rank": hit.rank,
                "created_at": hit.memory.created_at,
                "cosine": round(hit.cosine, 4),
                "bm25": round(hit.bm25, 4),
            }
            for hit in result.hits
        ],
    }


def search_text(user_id: UserId, result: SearchResult) -> str:
    if not result.searched:
        return (
            f"{one_line(user_id)} has no memories; save one with `save {one_line(user_id)} TEXT`."
        )
    lines = [
        f"{hit.rank:>3}  {hit.score:.2f}  {one_line(hit.memory.memory)}  [{hit.memory.id}]"
        for hit in result.hits
    ]
    scope = "complete over" if result.complete else "approximate, by the index, over"
    return "\n".join(
        [*lines, f"{scope} {counted(result.searched, 'memory')} of {one_line(user_id)}"]
    )


def list_document(user_id: UserId, records: Iterable[MemoryRecord]) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "complete": True,
        "memories": [pick(one, "id", "memory", "created_at", "indexed") for one in records],
    }


def list_text(user_id: UserId, records: Sequence[MemoryRecord]) -> str:
    lines = [
        f"{utc(one.created_at)}  {one_line(one.memory)}  [{one.id}]"
        + ("" if one.indexed else "  (recorded, not searchable yet)")
        for one in records
    ]
    return "\n".join(
        [*lines, f"{counted(len(records), 'memory')} of {one_line(user_id)}, complete"]
    )


def record_document(record: MemoryRecord) -> dict[str, Any]:
    about = ("id", "user_id", "memory", "metadata", "created_at", "updated_at")
    return pick(record, *about, "agent_id", "run_id", "indexed", "verified")


def record_text(record: MemoryRecord) -> str:
    scope = [
        f"{name} {one_line(value)}"
        for name, value in (("agent", record.agent_id), ("run", record.run_id))
        if value
    ]
    lines = [
        f"{record.id} of {', '.join([one_line(record.user_id), *scope])}",
        f"created {utc(record.created_at)}, updated {utc(record.updated_at)}",
        *(f"{one_line(key)}: {one_line(str(value))}" for key, value in record.metadata.items()),
        "",
        printable(record.memory),
    ]
    return "\n".join(lines)


def history_document(user_id: UserId, events: Iterable[Event]) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "events": [
            pick(one, "kind", "at", "id", "memory", "raw_user_id", "came_from", "went_to")
            for one in events
        ],
    }


def history_text(user_id: UserId, events: Sequence[Event]) -> str:
    lines = [
        f"{utc(one.at)}  {one.kind:<6}  {'all memories' if one.id == '*' else one.id}"
        + (f"  came from {one_line(one.came_from)}" if one.came_from else "")
        + (f"  went to {one_line(one.went_to)}" if one.went_to else "")
        + (f"  {one_line(one.memory)}" if one.memory else "")
        for one in events
    ]
    return "\n".join([*lines, f"{counted(len(events), 'event')} of {one_line(user_id)}"])


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    return pick(receipt, "user_id", "kind", "removed", "left", "at")


def receipt_text(receipt: Receipt) -> str:
    verb = "Forgot" if receipt.kind == "FORGET" else "Deleted"
    told = f"{verb} {counted(receipt.removed, 'memory')} of {one_line(receipt.user_id)}"
    return f"{told}." if receipt.left is None else f"{told}; a recount finds {receipt.left}."


def utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def one_line(text: str) -> str:
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= _TEXT_WIDTH else flat[: _TEXT_WIDTH - 1] + "…"


def printable(text: str) -> str:
    """Replace what could steer a terminal or turn the text around.

    Line ends, tabs and the joiners that scripts and emoji need are kept.
    """
    return "".join(
        char if char in _HARMLESS or unicodedata.category(char) not in {"Cc", "Cf"} else "\ufffd"
        for char in text
    )


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"
