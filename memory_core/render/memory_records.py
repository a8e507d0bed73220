"""Values -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..memories.search import RankedMemory, Reason, Recall
from ..model.encoder import encode, pick
from ..model.records import Event, MemoryRecord, MigrationStatus, Receipt, SearchResult, Status
from ..model.user_id import UserId
from ..model.words import counted
from .text import one_line, printable, utc, visible


def _storage_document(status: Status) -> dict[str, Any]:
    return {
        **pick(status, "backend", "persistent", "reason", "steps"),
        "embedder": {"name": status.embedder, "dimensions": status.dimensions},
        **pick(status, "location", "memories", "users", "since", "last_write", "as_of", "stand_in"),
    }


def _storage_text(status: Status) -> str:
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


def status_document(status: Status) -> dict[str, Any]:
    """Return the status of a service, with how it stands with the local disk."""
    migration = {**encode(status.migration), "rate": round(status.migration.rate, 1)}
    return {**_storage_document(status), "migration": migration}


def status_text(status: Status) -> str:
    """Return the same for a terminal; nothing of the local disk where nothing is on it."""
    return "\n".join([_storage_text(status), *_migration_lines(status.migration)])


def _migration_lines(status: MigrationStatus) -> list[str]:
    words = {
        "off": f"{counted(status.total, 'memory')} on the local disk, not all on S3",
        "waiting": f"{counted(status.total, 'memory')} on the local disk wait to come to S3",
        "running": f"{status.done:,} of {status.total:,} steps done",
        "elsewhere": f"{status.done:,} of {status.total:,} steps done by another process",
        "done": f"{counted(status.done, 'memory')} of the local disk came along",
        "incomplete": f"{counted(status.failed, 'memory')} of the local disk did not come along",
        "failed": "the local disk could not be migrated",
        "stopped": "ended before it was done; the next start goes on",
    }
    if status.state not in words:
        return []
    said = f"migration {status.state}: {words[status.state]}"
    if status.finished_at:
        said += f", {utc(status.finished_at)}"
    return [f"{said}; {one_line(status.message)}" if status.message else said]


REASONS: Final[dict[Reason, str]] = {
    "limit": "behind the limit",
    "expired": "past its expiry date",
    "not indexed": "not in the index that was asked",
    "missed": "missed by the approximate search",
}
_SHOWN = 30


def recall_document(recall: Recall) -> dict[str, Any]:
    return {
        **search_document(recall.user_id, recall.answer),
        **pick(recall, "question", "limit", "memories", "left_out"),
        "ranking": [
            {
                **pick(one.hit.memory, "id", "memory"),
                "rank": one.hit.rank,
                "place": one.place,
                "left_out": one.reason,
                "score": round(one.hit.score, 4),
                **pick(one.hit.memory, "agent_id", "run_id", "expires"),
            }
            for one in recall.ranking
        ],
        "elsewhere": [
            {
                "user_id": one.user.user_id,
                "reasons": list(one.user.reasons),
                "memories": one.user.user.memories if one.user.user else 0,
                "memory": one.best.memory.memory,
                "score": round(one.best.score, 4),
            }
            for one in recall.elsewhere
        ],
    }


def recall_text(recall: Recall) -> str:
    lines = [
        f"{'rank':>4}  {'answer':>6}  score",
        *(_line(one) for one in recall.ranking[:_SHOWN]),
    ]
    if not recall.memories:
        lines = [f"{one_line(recall.user_id)} has no memories."]
    lines.append(told(recall))
    for one in recall.elsewhere:
        lines.append(
            f"Another id, so never asked: {visible(one.user.user_id)} "
            f"({', '.join(one.user.reasons)}) has {one.best.score:.2f}  "
            f"{one_line(one.best.memory.memory)}"
        )
    return "\n".join(lines)


def told(recall: Recall) -> str:
    """Return in one sentence how much is answered, and by which rules how much is not."""
    answered = f"{len(recall.answer.hits):,} of {counted(recall.memories, 'memory')} answered"
    left = [f"{count:,} {REASONS[reason]}" for reason, count in recall.left_out.items()]
    how = "ranked exactly" if recall.answer.complete else "asked of the index"
    return f"{', '.join([answered, *left])}; {how}."


def _line(one: RankedMemory) -> str:
    place = one.place or "-"
    why = f"  ({REASONS[one.reason]})" if one.reason else ""
    memory = one_line(one.hit.memory.memory)
    return f"{one.hit.rank:>4}  {place:>6}  {one.hit.score:.2f}  {memory}{why}"
