"""The report on a log: values that can be compared, and drawn as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..findings import FindingKind

Storage = Literal["s3_vectors", "chroma"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A line of the log by its number from 1, and when it was written where the log says so.

    `at` is aware UTC; of a time without a zone it has the numbers as they stood.
    """

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
    """A time in which every start chose the same storage.

    `deployment` is the last line before it with which the host reports a deployment.
    """

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
    """An id asked for in vain while there are saves under another that may be the same.

    `sure` means that they differ in form alone; otherwise a human has to look.
    """

    asked: str
    saved: str
    reasons: tuple[str, ...]
    asks: Seen
    saves: Seen
    sure: bool


@dataclass(frozen=True, slots=True)
class FoundNothing:
    """A user with saves in the log for whom nothing was found later on.

    `after_switch` means that the storage was another when it was saved.
    """

    user_id: str
    saves: Seen
    empty: Seen
    after_switch: bool


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors or warnings that are the same but for numbers, ids and names.

    `template` is what they share, `example` the first of them; secrets are masked in both.
    `explanation` may be empty; `kind` is the doctor's finding, where it has one.
    """

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
    """All that was read from one log, in the order of time; errors with the most first.

    `formats` counts messages by their wrapping, `notes` name what could not be known.
    """

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
        if len(self.problems) > 1:
            return f"{len(self.problems)} problems, the first of them: {self.problems[0].sentence}"
        if self.problems:
            return self.problems[0].sentence
        if self.order:
            return "Nothing wrong is in this log."
        return "No error is in this log, and none of the seven known lines either."
