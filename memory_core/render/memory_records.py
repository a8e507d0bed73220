"""Memories, searches, events and receipts, as JSON and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..activity import RecallReceipt
from ..memories.search import Reason, Recall
from ..memories.word_index import matched_words
from ..model.counting import counted
from ..model.past import Change, ChangeReceipt
from ..model.records import Event, MemoryRecord, Receipt, SavedMemories, SearchResult, Strength
from ..model.user_id import UserId
from .text import fields, first_of, one_line, printable, utc, visible

if TYPE_CHECKING:
    from ..memories.time_machine import PastMemories

REASONS: Final[dict[Reason, str]] = {
    "limit": "beyond the first {limit}",
    "expired": "past its expiry date",
    "not indexed": "not in the index that was searched",
    "missed": "missed by the approximate search",
}
STRENGTHS: Final[dict[Strength, str]] = {
    "strong": "Strong match",
    "some": "Some match",
    "weak": "Weak match",
}
_DONE: Final = {"added": "brought back", "changed": "changed", "deleted": "deleted"}
CHANCE: Final = "From here on, no better than chance:"
_SHOWN_RANKS = 30


def expiry_text(record: MemoryRecord) -> str:
    """Return how long questions find a memory; empty if it does not expire."""
    if record.expired:
        return f"expired after {record.expires}, so questions do not find it"
    return f"found until {record.expires}" if record.expires else ""


def saved_document(user_id: UserId, backend: str, saved: SavedMemories) -> dict[str, Any]:
    """Return the result of a save; the first memory's keys are repeated at the top."""
    return {
        "id": saved[0].id if saved else None,
        "user_id": user_id,
        "backend": backend,
        "verified": bool(saved) and all(record.verified for record in saved),
        "already_stored": bool(saved) and all(record.already_stored for record in saved),
        "memories": [
            fields(record, "id memory already_stored verified metadata expires expired")
            for record in saved
        ],
        "left_out": list(saved.left_out),
    }


def saved_text(user_id: UserId, backend: str, saved: SavedMemories) -> str:
    user = one_line(user_id)
    if not saved:
        return f"Nothing worth remembering was found, so nothing was stored for {user}."
    known = sum(record.already_stored for record in saved)
    lines = []
    if known < len(saved):
        proof = ", read back" if all(record.verified for record in saved) else ""
        fresh = counted(len(saved) - known, "memory")
        lines.append(f"Stored {fresh} for {user} in {backend}{proof}.")
    if known:
        lines.append(f"{counted(known, 'memory')} for {user} had been stored already.")
    memories = [f"  {record.id}  {one_line(record.memory)}{_marks(record)}" for record in saved]
    besides = ["Left out:", *(f"  {phrase}" for phrase in saved.left_out)] if saved.left_out else []
    return "\n".join([*lines, *first_of(memories, 10), *besides])


def search_document(user_id: UserId, result: SearchResult, question: str = "") -> dict[str, Any]:
    """Return hits with the parts of their scores; `matched` are words of the question."""
    return {
        "user_id": user_id,
        **fields(result, "mode searched complete telling"),
        "hits": [
            {
                **fields(hit, "id=memory.id memory=memory.memory"),
                "score": round(hit.score, 4),
                **fields(hit, "strength rank created_at=memory.created_at"),
                **fields(hit, "expires=memory.expires"),
                "cosine": round(hit.cosine, 4),
                "bm25": round(hit.bm25, 4),
                "context": round(hit.context, 4),
                "matched": matched_words(question, hit.memory.memory),
            }
            for hit in result.hits
        ],
    }


def search_text(user_id: UserId, result: SearchResult, question: str = "") -> str:
    user = one_line(user_id)
    if not result.searched:
        return f"{user} has no memories; save one with `save {user} TEXT`."
    lines = []
    for hit in result.hits:
        words = ", ".join(map(one_line, matched_words(question, hit.memory.memory)))
        lines.append(
            f"{hit.rank:>3}  {hit.strength:<6}  {hit.score:.2f}  {one_line(hit.memory.memory)}  "
            f"[{hit.memory.id}]{_marks(hit.memory)}" + (f"  (words: {words})" if words else "")
        )
    if result.telling < len(lines):
        lines.insert(result.telling, CHANCE)
    scope = "searched all" if result.complete else "approximate, by the index, among"
    return "\n".join([*lines, f"{scope} {counted(result.searched, 'memory')} of {user}"])


def list_document(user_id: UserId, records: Iterable[MemoryRecord]) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "complete": True,
        "memories": [
            fields(record, "id memory created_at indexed expires expired") for record in records
        ],
    }


def list_text(user_id: UserId, records: Sequence[MemoryRecord]) -> str:
    lines = [
        f"{utc(record.created_at)}  {one_line(record.memory)}  [{record.id}]{_marks(record)}"
        + ("" if record.indexed else "  (recorded, not searchable yet)")
        for record in records
    ]
    return "\n".join([*lines, f"{counted(len(lines), 'memory')} of {one_line(user_id)}, complete"])


def record_document(record: MemoryRecord) -> dict[str, Any]:
    about = "id user_id memory metadata created_at updated_at agent_id run_id indexed verified"
    return fields(record, f"{about} expires expired")


def record_text(record: MemoryRecord) -> str:
    owners = [one_line(record.user_id)]
    owners += [f"agent {one_line(record.agent_id)}"] if record.agent_id else []
    owners += [f"run {one_line(record.run_id)}"] if record.run_id else []
    lines = [
        f"{record.id} of {', '.join(owners)}",
        f"created {utc(record.created_at)}, updated {utc(record.updated_at)}",
        *([f"{expiry_text(record)} (UTC); --expires changes it"] if record.expires else []),
        *(f"{one_line(key)}: {one_line(str(value))}" for key, value in record.metadata.items()),
        "",
        printable(record.memory),
    ]
    return "\n".join(lines)


def history_document(user_id: UserId, events: Iterable[Event]) -> dict[str, Any]:
    keys = "kind at id memory raw_user_id came_from went_to expires event_id who via call"
    return {"user_id": user_id, "events": [fields(event, keys) for event in events]}


def history_text(user_id: UserId, events: Sequence[Event]) -> str:
    lines = [
        f"{utc(event.at)}  {event.kind:<7}  {'all memories' if event.id == '*' else event.id}"
        + (f"  came from {one_line(event.came_from)}" if event.came_from else "")
        + (f"  went to {one_line(event.went_to)}" if event.went_to else "")
        + (f"  {one_line(event.memory)}" if event.memory else "")
        + (f"  (found until {event.expires})" if event.expires else "")
        for event in events
    ]
    return "\n".join([*lines, f"{counted(len(lines), 'event')} of {one_line(user_id)}"])


def state_document(state: PastMemories, memory_id: str | None = None) -> dict[str, Any]:
    records = [record for record in state if memory_id in (None, record.id)]
    about = fields(state, "event_id at forgotten")
    return {**about, **list_document(state.user_id, records)}


def state_text(state: PastMemories, memory_id: str | None = None) -> str:
    records = [record for record in state if memory_id in (None, record.id)]
    when = f"after event {state.event_id} at {utc(state.at)}" if state.at else "before any event"
    if state.forgotten:
        when = f"what was there was forgotten for privacy at {utc(state.forgotten)}"
    return f"{list_text(state.user_id, records)}, {when}"


def changes_document(user_id: UserId, changes: Iterable[Change], **bounds: Any) -> dict[str, Any]:
    """Return the changes, with `since` and `until` as they were asked for."""
    return {"user_id": user_id, **bounds, "changes": [_change_fields(change) for change in changes]}


def changes_text(user_id: UserId, changes: Sequence[Change]) -> str:
    lines = [
        f"{utc(change.at)}  {change.kind:<9}  {_difference(change)}"
        + (f"  ({change.call} by {one_line(change.who)})" if change.who else "")
        for change in changes
    ]
    return "\n".join([*lines, f"{counted(len(lines), 'change')} of {one_line(user_id)}"])


def recalls_document(user_id: UserId, receipts: Iterable[RecallReceipt]) -> dict[str, Any]:
    documents = []
    for receipt in receipts:
        given = [
            {"id": memory_id, "rank": rank, "score": score}
            for rank, (memory_id, score) in enumerate(receipt.given, 1)
        ]
        documents.append({**fields(receipt, "at agent mode"), "given": given})
    return {"user_id": user_id, "recalls": documents}


def recalls_text(user_id: UserId, receipts: Sequence[RecallReceipt]) -> str:
    lines = []
    for receipt in receipts:
        agent = f" by agent {one_line(receipt.agent)}" if receipt.agent else ""
        lines.append(f"{utc(receipt.at)}  asked{agent} ({receipt.mode}), given:")
        lines += [f"  {score:.2f}  {memory_id}" for memory_id, score in receipt.given]
    return "\n".join([*lines, f"{counted(len(receipts), 'question')} of {one_line(user_id)}"])


def change_document(receipt: ChangeReceipt) -> dict[str, Any]:
    """Return what was changed, or would be, and the event that undoes it."""
    return {
        **fields(receipt, "user_id call preview at verified before"),
        "changes": [_change_fields(change) for change in receipt.changes],
        **({"restored": receipt.ids} if receipt.call == "restore" else {}),
        "unchanged": receipt.unchanged,
        "failed": [{"id": memory_id, "reason": reason} for memory_id, reason in receipt.failed],
    }


def change_text(receipt: ChangeReceipt) -> str:
    user = one_line(receipt.user_id)
    kinds = Counter(change.kind for change in receipt.changes)
    parts = [f"{count:,} {_DONE[kind]}" for kind, count in kinds.items()] or ["nothing to change"]
    lines = first_of([f"  {_difference(change)}" for change in receipt.changes])
    lines += first_of([f"  {key} not changed: {reason}" for key, reason in receipt.failed])
    title = f"{'Preview' if receipt.preview else 'Memories'} of {user}: {', '.join(parts)}."
    if receipt.verified:
        lines.append(f"{receipt.verified:,} read back. Undo: restore {user} --at {receipt.before}")
    return "\n".join([title, *lines])


def _change_fields(change: Change) -> dict[str, Any]:
    texts = {
        name: record.memory if record else None
        for name, record in (("before", change.before), ("after", change.after))
    }
    return {
        **fields(change, "kind id"),
        **texts,
        **fields(change, "at event_id other who via call"),
    }


def _difference(change: Change) -> str:
    """Return the texts before and after; if only the expiry date changed, the dates."""
    sides = [
        one_line(record.memory) + _marks(record)
        for record in (change.before, change.after)
        if record
    ]
    signs = {"added": "+ ", "deleted": "- "}
    sides = [*dict.fromkeys(sides)] or ["everything"]
    other = f"  (other: {one_line(change.other)})" if change.other else ""
    return f"{signs.get(change.kind, '')}{' -> '.join(sides)}  [{change.id}]{other}"


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    return fields(receipt, "user_id kind removed left at")


def receipt_text(receipt: Receipt) -> str:
    verb = "Forgot" if receipt.kind == "FORGET" else "Deleted"
    recount = "" if receipt.left is None else f"; a recount finds {receipt.left}"
    return f"{verb} {counted(receipt.removed, 'memory')} of {one_line(receipt.user_id)}{recount}."


def recall_document(recall: Recall) -> dict[str, Any]:
    return {
        **search_document(recall.user_id, recall.answer, recall.question),
        **fields(recall, "question limit memories left_out"),
        "ranking": [
            {
                **fields(ranked, "id=hit.memory.id memory=hit.memory.memory rank=hit.rank"),
                **fields(ranked, "place left_out=reason"),
                "score": round(ranked.hit.score, 4),
                **fields(ranked.hit.memory, "agent_id run_id expires"),
            }
            for ranked in recall.ranking
        ],
        "elsewhere": [
            {
                **fields(close.user, "user_id reasons"),
                "memories": close.user.user.memories if close.user.user else 0,
                "memory": close.best.memory.memory,
                "score": round(close.best.score, 4),
            }
            for close in recall.elsewhere
        ],
    }


def recall_text(recall: Recall) -> str:
    lines = [f"{'rank':>4}  {'answer':>6}  score"]
    for ranked in recall.ranking[:_SHOWN_RANKS]:
        hit = ranked.hit
        reason = f"  ({reason_text(recall, ranked.reason)})" if ranked.reason else ""
        reason += _marks(hit.memory)
        lines.append(
            f"{hit.rank:>4}  {ranked.place or '-':>6}  {hit.score:.2f}  "
            f"{one_line(hit.memory.memory)}{reason}"
        )
    if not recall.memories:
        lines = [f"{one_line(recall.user_id)} has no memories."]
    lines.append(recall_sentence(recall))
    for close in recall.elsewhere:
        lines.append(
            f"Under another id, which is not searched: {visible(close.user.user_id)} "
            f"({', '.join(close.user.reasons)}) has {close.best.score:.2f}  "
            f"{one_line(close.best.memory.memory)}"
        )
    return "\n".join(lines)


def recall_sentence(recall: Recall) -> str:
    """Return in one sentence how many memories are in the answer, and why the others are not."""
    answered = f"{len(recall.answer.hits):,} of {counted(recall.memories, 'memory')} answered"
    left_out = [
        f"{count:,} {reason_text(recall, reason)}" for reason, count in recall.left_out.items()
    ]
    method = "ranked exactly" if recall.answer.complete else "searched by the index"
    return f"{', '.join([answered, *left_out])}; {method}."


def reason_text(recall: Recall, reason: Reason) -> str:
    """Return why a memory is not in the answer."""
    return REASONS[reason].format(limit=recall.limit)


def _marks(record: MemoryRecord) -> str:
    return f"  ({expiry_text(record)})" if record.expires else ""
