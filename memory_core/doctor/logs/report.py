"""The report on a log: values that can be compared, and drawn as they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from ...memories.find_user import OtherForm
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


class Problem(NamedTuple):
    """Something wrong by the log, in a sentence, and the doctor's finding about it."""

    sentence: str
    finding_id: str = ""


@dataclass(frozen=True, slots=True)
class LogReport:
    """All that was read from one log, in the order of time; errors with the most first.

    `known` has each of the seven lines as it is given to `logging`, `order` their runs; `unread`
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

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, the worst first."""
        return tuple(_problems(self))

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
        if self.problems:
            first, count = self.problems[0].sentence, len(self.problems)
            return (
                first if count == 1 else f"{counted(count, 'problem')}, the first of them: {first}"
            )
        if self.order:
            return "Nothing wrong is in this log."
        if self.is_log:
            return "No error is in this log, and none of the seven known lines either."
        return "This does not look like a log: no line has a time, a level or a known text."


def _problems(report: LogReport) -> Iterator[Problem]:
    persistent = [span.persistent for span in report.spans]
    if persistent and not persistent[-1]:
        after = " after a deployment" if any(persistent) and report.spans[-1].deployment else ""
        storage = f"The storage {'became' if any(persistent) else 'is'} temporary{after}"
        yield Problem(f"{storage}: the next deployment deletes all memories.", "disk.E001")
    elif not all(persistent):
        sentence = "The storage was temporary for a while: what was saved then may be lost."
        yield Problem(sentence, "backend.W001")
    if sure := sum(pair.sure for pair in report.other_ids):
        asked = counted(sure, "id was", "ids were")
        sentence = f"{asked} asked for while memories were saved under another form."
        yield Problem(sentence, "identity.W002")
    users = counted(len(report.found_nothing), "user")
    if any(user.after_switch for user in report.found_nothing):
        sentence = f"Nothing was found for {users} who had memories in another storage before."
        yield Problem(sentence, "backend.W001")
    elif report.found_nothing:
        yield Problem(f"Nothing was found for {users} who had saved before.", "records.E001")
    counts: Counter[tuple[str, str]] = Counter()
    for group in report.errors:
        if group.level == "error":
            title = group.kind.title if group.kind else group.explanation or group.template
            counts[title.rstrip("."), group.kind.id if group.kind else ""] += group.seen.count
    for (title, finding_id), count in counts.most_common():
        yield Problem(f"{counted(count, 'error')}: {title}.", finding_id)
    if report.unread:
        lines = f"{counted(report.unread.count, 'line')} with [Mem0] or [API] could not be read"
        yield Problem(f"{lines}; the first is line {report.unread.first.line:,}.")
