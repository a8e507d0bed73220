"""An incoming memory of any source: made from a payload, split and checked; and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid5

from ..errors import InvalidMemory
from ..memories.writer import NAMESPACE
from ..model.limits import MAX_MEMORY_BYTES
from ..model.moments import read_time
from ..model.payload import adopt, time_of
from ..model.records import Scope
from ..model.user_id import UserId, is_probe, normalize_user_id

if TYPE_CHECKING:
    from ..storage.vectors.base import Values

Events = Sequence[Mapping[str, Any]]

_TEXT_KEYS = ("data", "memory", "chroma:document", "text")
_BREAKS = ("\n\n", "\n", ". ", "。", " ")
_EARLIER_KEPT = 50
_EARLIER_BYTES = 64 * 1024
_LONGEST_ID = 180
# Keys that are not taken over: they belong to the source, or were made by a store.
_LEFT_BEHIND = ("revision", "text_lemmatized", "exact_numbers", "raw_user_id", "user_id")


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """A memory as its source has it; it keeps its id.

    `user_id` is in its raw form, None if the source names nobody. `payload` has mem0's keys; the
    user that it names is ignored. `id` is None if it has none: one is derived from its text.
    `values` is its vector, made by the model called `embedder`. `former` is its owner in the
    source, if that is another. `line` is its place in the source. `earlier` are the events before,
    `{"kind", "at", "memory"}`, oldest first. `problem` says why it cannot be taken.
    """

    id: str | None
    user_id: str | None
    payload: Mapping[str, Any]
    values: Values | None = None
    embedder: str | None = None
    former: str | None = None
    line: int = 0
    earlier: Events = ()
    problem: str = ""

    @property
    def text(self) -> str:
        """The text, empty if there is none."""
        text = self.payload.get("data")
        return text if isinstance(text, str) else ""

    def size_bytes(self) -> int:
        """Return the approximate size in memory."""
        return len(self.text) + (self.values.nbytes if self.values is not None else 0)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An incoming memory that can be stored: its user, and its payload as we record it."""

    incoming: Incoming
    user_id: UserId
    payload: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.payload["data"])

    @property
    def scope(self) -> Scope:
        return Scope(self.user_id, self.payload.get("agent_id"), self.payload.get("run_id"))


class Digest:
    """A digest of memories, in any order: the sum, modulo 2**256, of a SHA-256 for each.

    What is hashed of a memory is the JSON `["<id>", "<text>"]` in UTF-8, with the fewest escapes.
    """

    __slots__ = ("count", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0

    def add(self, memory_id: str, text: str) -> None:
        self.add_mark(mark_of(memory_id, text))

    def add_mark(self, mark: bytes) -> None:
        self.count += 1
        self.total = (self.total + int.from_bytes(mark)) % 2**256

    def __str__(self) -> str:
        return f"{self.total:064x}"


def mark_of(memory_id: str, text: str) -> bytes:
    """Return the digest of one memory, 32 bytes."""
    return hashlib.sha256(json.dumps([memory_id, text], ensure_ascii=False).encode()).digest()


def from_payload(
    memory_id: str | None,
    payload: Mapping[str, Any] | None,
    values: Values | None = None,
    line: int = 0,
) -> Incoming:
    """Return the memory that a payload of a store stands for, of any release of mem0."""
    own = dict(payload or {})
    if "exact_numbers" in own:
        with suppress(ValueError, TypeError):
            own |= json.loads(own.pop("exact_numbers"))
    key = next((key for key in _TEXT_KEYS if isinstance(own.get(key), str)), None)
    if key not in (None, "data"):
        own["data"] = own.pop(key)
    if key is not None:
        # ChromaDB's copy of a text that mem0 keeps in the payload.
        own.pop("chroma:document", None)
    for name in ("created_at", "updated_at"):
        if own.get(name) and time_of(own, name) is None:
            with suppress(ValueError):
                own[name] = read_time(own[name]).isoformat()
    raw = own.get("user_id")
    return Incoming(
        memory_id,
        raw if isinstance(raw, str) and raw.strip() else None,
        own,
        values,
        line=line,
        problem="" if key else "it has no text",
    )


def accept(incoming: Incoming) -> Accepted:
    """Return a memory as we would record it.

    Raises:
        InvalidUserId, InvalidMemory: it cannot be stored; says why.
    """
    if incoming.problem:
        raise InvalidMemory(incoming.problem)
    user_id = normalize_user_id(incoming.user_id or "")
    if is_probe(user_id):
        raise InvalidMemory(f"user {user_id!r} belongs to a redeploy test; leave it out")
    if incoming.id is not None:
        _check_id(incoming.id)
    own = {key: val for key, val in incoming.payload.items() if key not in _LEFT_BEHIND}
    if own.get("created_at") and time_of(own, "created_at") is None:
        raise InvalidMemory(
            f"created_at {str(own['created_at'])[:40]!r} cannot be read; write it as "
            "2024-07-26T08:44:41+00:00"
        )
    payload = adopt({**own, "user_id": user_id})
    payload.setdefault("hash", hashlib.md5(payload["data"].encode()).hexdigest())
    return Accepted(incoming, user_id, payload)


def split(incoming: Incoming) -> list[Incoming]:
    """Return the memory, or the linked parts of one whose text is too long.

    The first part keeps the id, so that it leads to the beginning; the ids of the others follow
    from it.
    """
    text = incoming.text
    if len(text.encode(errors="replace")) <= MAX_MEMORY_BYTES:
        return [incoming]
    pieces = list(_cut(text))
    whole = incoming.id or str(uuid5(NAMESPACE, json.dumps([incoming.user_id, text])))
    own = {key: val for key, val in incoming.payload.items() if key != "hash"}
    return [
        replace(
            incoming,
            id=whole if number == 1 else str(uuid5(NAMESPACE, json.dumps([whole, "part", number]))),
            payload={**own, "data": piece, "part": number, "parts": len(pieces), "part_of": whole},
            values=None,
            earlier=incoming.earlier if number == 1 else (),
        )
        for number, piece in enumerate(pieces, 1)
    ]


def newest(events: Events) -> list[Mapping[str, Any]]:
    """Return the newest events, as many as a ledger entry may carry."""
    kept: list[Mapping[str, Any]] = []
    size = 0
    for event in reversed(events[-_EARLIER_KEPT:]):
        size += len(str(event.get("memory") or "").encode(errors="replace"))
        if size > _EARLIER_BYTES:
            break
        kept.append(event)
    return kept[::-1]


def _check_id(memory_id: str) -> None:
    if (
        not memory_id
        or memory_id == "*"
        or not memory_id.isprintable()
        or any(char.isspace() for char in memory_id)
        or len(quote(memory_id, safe="").encode()) > _LONGEST_ID
    ):
        raise InvalidMemory(
            f"id {memory_id[:80]!r} is not valid for a memory; use up to {_LONGEST_ID} "
            "characters without spaces, or leave it out"
        )


def _cut(text: str) -> Iterator[str]:
    """Yield pieces that fit, cut at the end of a paragraph, line, sentence or word."""
    rest = text
    while rest:
        fits = rest.encode(errors="replace")[:MAX_MEMORY_BYTES].decode(errors="ignore")
        end = len(fits)
        if end < len(rest):
            half = end // 2
            cuts = (fits.rfind(mark, half) + len(mark) for mark in _BREAKS if mark in fits[half:])
            end = next(cuts, end)
        if piece := rest[:end].strip():
            yield piece
        rest = rest[end:]
