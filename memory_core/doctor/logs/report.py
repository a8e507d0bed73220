"""The report on a log: values that can be compared, and drawn as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ...model.counting import counted
from ..findings import FindingKind

Storage = Literal["s3_vectors", "chroma"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A line of the log, and its time: aware UTC, or the numbers of one without a zone."""

    line: int
    at: datetime | None = None
    instance: str = ""


@dataclass(slots=True)
class Seen:
    """The first and last place of something in the log, and how often it stands there."""

    first: Spot
    last: Spot
    count: int = 1

    def add(self, other: Seen) -> None:
        self.count += other.count
        if other.first.at and self.first.at and other.first.at < self.first.at:
            self.first = other.first
        if not (other.last.at and self.last.at and other.last.at < self.last.at):
            self.last = other.last


@dataclass(frozen=True, slots=True)
class KnownLine:
    """One of the seven lines, as it is given to `logging`; `seen` is None where it is missing."""

    line: str
    seen: Seen | None


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
class OtherId:
    """An id asked for in vain, and one saved under; `sure` if they differ in form alone."""

    asked: str
    saved: str
    reasons: tuple[str, ...]
    asks: Seen
    saves: Seen
    sure: bool


@dataclass(frozen=True, slots=True)
class FoundNothing:
    """A user for whom nothing was found after a save; `after_switch` if to another storage."""

    user_id: str
    saves: Seen
    empty: Seen
    after_switch: bool


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors that are the same but for numbers, ids and names, without secrets."""

    level: Severity
    template: str
    example: str
    seen: Seen
    place: str = ""
    explanation: str = ""
    kind: FindingKind | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong by the log, in a sentence, and the doctor's finding about it."""

    sentence: str
    finding_id: str = ""


@dataclass(frozen=True, slots=True)
class LogReport:
    """All that was read from one log, in the order of time; errors with the most first."""

    size_bytes: int
    lines: int
    formats: Mapping[str, int]
    first_at: datetime | None
    last_at: datetime | None
    zoned: bool
    known: tuple[KnownLine, ...]
    order: tuple[KnownLine, ...]
    spans: tuple[Span, ...]
    deployments: tuple[Spot, ...]
    other_ids: tuple[OtherId, ...]
    found_nothing: tuple[FoundNothing, ...]
    errors: tuple[ErrorGroup, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def is_log(self) -> bool:
        """True if anything in it looks like a log."""
        return bool(self.first_at or self.errors or self.problems or self.order)

    @property
    def clean(self) -> bool:
        """True for a log with nothing wrong in it."""
        return self.is_log and not self.problems

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        if not self.is_log:
            return "This does not look like a log: no line has a time, a level or a known text."
        if self.problems:
            first, count = self.problems[0].sentence, len(self.problems)
            return (
                first if count == 1 else f"{counted(count, 'problem')}, the first of them: {first}"
            )
        if self.order:
            return "Nothing wrong is in this log."
        return "No error is in this log, and none of the seven known lines either."
