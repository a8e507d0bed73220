"""One pass over a log, line by line, in memory that does not grow with it."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from ..doctor import Masker
from ..records import Progress
from ..settings import survey
from . import ids
from .entries import Entry, parse
from .grouping import Errors
from .lines import MOST_IDS, KnownLines
from .reading import Reader
from .values import ErrorGroup, FoundNothing, LogReport, OtherId, Problem, Span, Spot

_SAMPLED = 50
"""Every so many lines the time is read, to know in which order the log is."""


def analyze_log(
    source: BinaryIO | bytes, *, now: datetime | None = None, on_progress: Progress | None = None
) -> LogReport:
    """Return what a log says; it is read once, as a stream.

    `on_progress` is called about once per megabyte with bytes read and bytes in all (the same
    where that is not known); what it raises ends the work. `now` (aware, the present by default)
    settles the year of times that name none.

    Raises:
        InvalidLog: there is nothing in it, or it is compressed, or no text.
    """
    return _Pass(now or datetime.now(UTC)).over(
        io.BytesIO(source) if isinstance(source, bytes) else source, on_progress
    )


class _Pass:
    def __init__(self, now: datetime) -> None:
        self._now = now
        self._lines = KnownLines()
        self._errors = Errors(Masker(survey().given).hide)
        self._formats: Counter[str] = Counter()
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._before: datetime | None = None
        self._forwards = self._backwards = 0
        self._unzoned = self._yearless = 0

    def over(self, source: BinaryIO, on_progress: Progress | None) -> LogReport:
        reader = Reader(source, on_progress)
        last: Entry | None = None
        for line in reader:
            if not line:
                continue
            entry = parse(reader.lines, line)
            self._formats[entry.format] += 1
            if entry.timed:
                if last is None or reader.lines % _SAMPLED == 0:
                    self._spot(entry)
                last = entry
            self._take(entry)
        if last:
            self._spot(last)
        self._errors.end()
        return self._report(reader)

    def _take(self, entry: Entry) -> None:
        text = entry.text
        known = ("[Mem0]" in text or "[API]" in text) and self._lines.take(text, self._spot(entry))
        if known:
            return
        if text.startswith("==> "):
            self._lines.take_deployment(text, self._spot(entry))
        self._errors.take(entry, lambda: self._spot(entry))

    def _spot(self, entry: Entry) -> Spot:
        """Return where a line is; its time is read only here, because it takes long."""
        read = entry.at(self._now)
        if read is None:
            return Spot(entry.number, None, entry.instance)
        at, zoned, dated = read
        self._unzoned += not zoned
        self._yearless += not dated
        self._first = min(self._first or at, at)
        self._last = max(self._last or at, at)
        if self._before:
            self._forwards += at > self._before
            self._backwards += at < self._before
        self._before = at
        return Spot(entry.number, at, entry.instance)

    def _report(self, reader: Reader) -> LogReport:
        backwards = self._backwards > self._forwards
        lines = self._lines
        spans = lines.spans(backwards=backwards)
        others = ids.other_ids(lines, backwards=backwards)
        nothing = ids.found_nothing(lines, spans, backwards=backwards)
        errors = self._errors.groups(backwards=backwards)
        return LogReport(
            size_bytes=reader.size_bytes,
            lines=reader.lines,
            formats=dict(self._formats.most_common()),
            first_at=self._first,
            last_at=self._last,
            zoned=not self._unzoned,
            known=lines.known(backwards=backwards),
            order=lines.order(backwards=backwards),
            spans=spans,
            deployments=lines.deployments(backwards=backwards),
            other_ids=others,
            found_nothing=nothing,
            errors=errors,
            problems=tuple(_problems(spans, others, nothing, errors)),
            notes=tuple(self._notes(reader, backwards)),
        )

    def _notes(self, reader: Reader, backwards: bool) -> Iterator[str]:
        if self._first is None:
            yield "No line has a time with a date; the lines are taken in their order."
        if backwards:
            yield "The newest line comes first; it was read from its end."
        if self._unzoned:
            yield "Some times name no time zone; they are shown as they stand."
        if self._yearless:
            yield "Some times name no year; the latest one that is not in the future was taken."
        if reader.not_utf8:
            yield f"{reader.not_utf8:,} lines are not in UTF-8; they were read as Windows-1252."
        if reader.cut:
            yield f"Of {reader.cut:,} lines with more than 256 KB only the beginning was read."
        if self._errors.left_out:
            yield f"{self._errors.left_out:,} errors of further kinds are not shown."
        if any(one.left_out for one in (self._lines.saved, self._lines.asked, self._lines.empty)):
            yield f"There are more than {MOST_IDS:,} ids; those that came later are not compared."
        if self._lines.cut:
            yield "The known lines alternate so often that the rest of them is only counted."


def _problems(
    spans: tuple[Span, ...],
    others: tuple[OtherId, ...],
    nothing: tuple[FoundNothing, ...],
    errors: tuple[ErrorGroup, ...],
) -> Iterator[Problem]:
    """Yield what is wrong, the worst first."""
    if spans and not spans[-1].persistent:
        changed = "became" if any(one.persistent for one in spans) else "is"
        after = " after a deployment" if changed == "became" and spans[-1].deployment else ""
        yield Problem(
            f"The storage {changed} temporary{after}: the next deployment deletes all memories.",
            "disk.E001",
        )
    elif any(not one.persistent for one in spans):
        yield Problem(
            "The storage was temporary for a while: what was saved then may be lost.",
            "backend.W001",
        )
    sure = [one for one in others if one.sure]
    if sure:
        who = _counted(len(sure), "id was", "ids were")
        yield Problem(
            f"{who} asked for while memories were saved under another form.", "identity.W002"
        )
    if nothing:
        users = _counted(len(nothing), "user", "users")
        if any(one.after_switch for one in nothing):
            yield Problem(
                f"Nothing was found for {users} who had memories in another storage before.",
                "backend.W001",
            )
        else:
            yield Problem(f"Nothing was found for {users} who had saved before.", "records.E001")
    counts: Counter[tuple[str, str]] = Counter()
    for one in errors:
        if one.level == "error":
            what = one.kind.title if one.kind else one.explanation or one.template
            counts[what.rstrip("."), one.kind.id if one.kind else ""] += one.seen.count
    for (what, finding_id), count in counts.most_common():
        yield Problem(f"{_counted(count, 'error', 'errors')}: {what}.", finding_id)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
