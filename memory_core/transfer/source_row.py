"""One memory as a source has it, and texts that are too long for one memory cut into several."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid5

from ..ledger import Ledger
from ..memories.writer import NAMESPACE
from ..model.limits import MAX_MEMORY_BYTES
from .incoming import Carried
from .migration_report import Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TEXT_KEYS = ("data", "memory", "chroma:document", "text")
_BREAKS = ("\n\n", "\n", ". ", "。", " ")
_EARLIER_KEPT = 50
_EARLIER_BYTES = 64 * 1024
Earlier = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class SourceRow:
    """A memory of a source: `user_id` in its raw form, `payload` with mem0's keys.

    `problem` says why it cannot be taken. `number` is its place in the source.
    """

    id: str | None
    user_id: str | None
    payload: Mapping[str, Any]
    values: NDArray[np.float32] | None = None
    number: int = 0
    earlier: Earlier = ()
    problem: str = ""

    @property
    def text(self) -> str | None:
        text = self.payload.get("data")
        return text if isinstance(text, str) else None

    def with_earlier(self, earlier: Earlier) -> SourceRow:
        """Return the memory with earlier events, where there are any."""
        return replace(self, earlier=earlier) if earlier else self


class MigrationSource(Protocol):
    """Memories that can be migrated; a context manager. Reading changes nothing."""

    @property
    def name(self) -> str:
        """The address, as people write it."""
        ...

    @property
    def ledger(self) -> Ledger | None:
        """The record beside the store, where there is one: it decides what should be there."""
        ...

    def parts(self) -> list[Part]:
        """Return what the source is made of."""
        ...

    def stored(self) -> Iterator[SourceRow]:
        """Yield everything that the store holds."""
        ...


def from_payload(
    memory_id: str | None,
    payload: Mapping[str, Any] | None,
    values: NDArray[np.float32] | None = None,
    number: int = 0,
) -> SourceRow:
    """Return what lies in a store as a memory, whichever release of mem0 put it there."""
    own = dict(payload or {})
    if "exact_numbers" in own:
        with suppress(ValueError, TypeError):
            own |= json.loads(own.pop("exact_numbers"))
    key = next((key for key in _TEXT_KEYS if isinstance(own.get(key), str)), None)
    if key is None:
        return SourceRow(memory_id, _raw(own), own, values, number, problem="it has no text")
    if key != "data":
        own["data"] = own.pop(key)
    # ChromaDB's copy of a text that mem0 keeps in the payload.
    own.pop("chroma:document", None)
    return SourceRow(memory_id, _raw(own), own, values, number)


def split(found: SourceRow) -> Iterator[SourceRow]:
    """Yield a memory, or the linked parts of one whose text is too long.

    The first part keeps the id, so that who holds the id finds the beginning; the ids of the
    others follow from it.
    """
    text = found.text or ""
    if len(text.encode(errors="replace")) <= MAX_MEMORY_BYTES:
        yield found
        return
    pieces = list(_cut(text))
    whole = found.id or str(uuid5(NAMESPACE, json.dumps([found.user_id, text])))
    for number, piece in enumerate(pieces, 1):
        links = {"part": number, "parts": len(pieces), "part_of": whole}
        yield replace(
            found,
            id=whole if number == 1 else str(uuid5(NAMESPACE, json.dumps([whole, "part", number]))),
            payload={key: val for key, val in found.payload.items() if key != "hash"}
            | {"data": piece, **links},
            values=None,
            earlier=found.earlier if number == 1 else (),
        )


def bounded(earlier: Earlier) -> tuple[Mapping[str, Any], ...]:
    """Return the newest of a memory's earlier events, as many as a ledger entry may carry."""
    kept: list[Mapping[str, Any]] = []
    size = 0
    for one in reversed(earlier[-_EARLIER_KEPT:]):
        size += len(str(one.get("memory") or "").encode(errors="replace"))
        if size > _EARLIER_BYTES:
            break
        kept.append(one)
    return tuple(reversed(kept))


def to_found(carried: Carried, number: int) -> SourceRow:
    """Return a memory of an export."""
    return SourceRow(
        carried.id, carried.user_id, carried.payload, carried.values, number, carried.earlier
    )


def _cut(text: str) -> Iterator[str]:
    """Yield pieces that fit, cut at the end of a paragraph, line, sentence or word."""
    rest = text
    while rest:
        fits = rest.encode(errors="replace")[:MAX_MEMORY_BYTES].decode(errors="ignore")
        end = len(fits)
        if end < len(rest):
            cuts = (
                fits.rfind(mark, end // 2) + len(mark)
                for mark in _BREAKS
                if mark in fits[end // 2 :]
            )
            end = next(cuts, end)
        if piece := rest[:end].strip():
            yield piece
        rest = rest[end:]


def _raw(payload: Mapping[str, Any]) -> str | None:
    raw = payload.get("user_id")
    return raw if isinstance(raw, str) and raw.strip() else None
