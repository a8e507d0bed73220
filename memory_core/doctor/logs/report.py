"""The report on a log: comparable values, ready to be rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ...memories.find_user import OtherForm
from ..findings import FindingKind

Storage = Literal["s3_vectors", "chroma"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A line of the log, and its time: aware UTC; one without a zone is kept as written."""

    line: int
    at: datetime | None = None
    instance: str = ""


@dataclass(slots=True)
class Seen:
    """The first and last place of something in the log, and how often it occurs."""

    first: Spot
    last: Spot
    count: int = 1

    def add(self, other: Seen) -> None:
        self.count += other.count
        if other.first.at and self.first.at and other.first.at < self.first.at:
            self.first = other.first
        if not (other.last.at and self.last.at and other.last.at < self.last.at):
            self.last = other.last


@dataclass(slots=True)
class Span:
    """A time in which every start chose the same storage, and the deployment before it."""

    backend: Storage
    seen: Seen
    starts: int = 0
    instances: tuple[str, ...] = ()
    deployment: Spot | None = None

    @property
    def persistent(self) -> bool:
        return self.backend == "s3_vectors"


@dataclass(frozen=True, slots=True)
class OtherId(OtherForm):
    """An id asked for in vain, and one saved under, with both in the log."""

    asks: Seen
    saves: Seen


@dataclass(frozen=True, slots=True)
class FoundNothing:
    """A user for whom nothing was found after a save; `after_switch`: the storage changed."""

    user_id: str
    saves: Seen
    empty: Seen
    after_switch: bool


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors that differ only in numbers, ids and names, without secrets."""

    level: Severity
    template: str
    example: str
    seen: Seen
    place: str = ""
    explanation: str = ""
    kind: FindingKind | None = None


@dataclass(frozen=True, slots=True)
class LogReport:
    """All that was read from one log, in order of time; the most frequent errors first.

    `known` has each of the seven lines by its format for `logging`, `order` their runs; `unread`
    are lines with [Mem0] or [API] that are neither one of them nor an error.
    """

    size_bytes: int
    lines: int
    formats: Mapping[str, int]
    first_at: datetime | None
    last_at: datetime | None
    zoned: bool
    known: Mapping[str, Seen | None]
    order: tuple[tuple[str, Seen], ...]
    spans: tuple[Span, ...]
    deployments: tuple[Spot, ...]
    other_ids: tuple[OtherId, ...]
    found_nothing: tuple[FoundNothing, ...]
    errors: tuple[ErrorGroup, ...]
    unread: Seen | None
    notes: tuple[str, ...]
