"""One pass over a log, entry by entry, in memory that does not grow with it."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from ...model.records import Progress
from ...settings import survey
from ..redact import Masker
from .error_rules import Errors
from .known_lines import MOST_IDS, KnownLines
from .parse import Entry, Unwrapper
from .reader import Reader
from .report import ErrorGroup, FoundNothing, LogReport, OtherId, Problem, Span, Spot
from .structure import MARK, documents

_BLOCK = 200
_LONGEST_BLOCK = 400


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
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    return _Pass(now or datetime.now(UTC)).over(Reader(stream, on_progress))


class _Pass:
    def __init__(self, now: datetime) -> None:
        self._now = now
        self._known = KnownLines()
        self._errors = Errors(Masker(survey().given).hide)
        self._formats: Counter[str] = Counter()
        self._block: list[Entry] = []
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._direction = self._unzoned = self._yearless = 0

    def over(self, reader: Reader) -> LogReport:
        unwrapper = Unwrapper()
        for document in documents(reader):
            said, marked = self._add(unwrapper.entries(document))
            if said and not marked and MARK.search(str(document[2])):
                self._known.note_not_understood(Spot(document[0]))
        self._add(unwrapper.rest())
        self._take_block()
        if reader.cut_mark:
            self._known.note_not_understood(Spot(reader.cut_mark))
        return self._report(reader)

    def _add(self, entries: Iterator[Entry]) -> tuple[bool, bool]:
        """Add entries to the block; say whether there are any, and with a mark."""
        said = marked = False
        for entry in entries:
            # A traceback in a log with the newest line first should not be cut in two.
            apart = not entry.times or (self._block and entry.times != self._block[-1].times)
            if len(self._block) >= (_BLOCK if apart else _LONGEST_BLOCK):
                self._take_block()
            self._block.append(entry)
            said, marked = True, marked or MARK.search(entry.text) is not None
        return said, marked

    def _take_block(self) -> None:
        """Take entries in the order in which they were written."""
        block, self._block = self._block, []
        timed = [entry for entry in block if entry.times]
        spots = [self._spot(entry).at for entry in (timed[:1] + timed[-1:])]
        if timed and spots[0] and spots[-1]:
            self._direction += (spots[-1] > spots[0]) - (spots[-1] < spots[0])
        self._known.backwards = self._direction < 0
        for entry in reversed(block) if self._known.backwards else block:
            self._formats[entry.format] += 1
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        text = entry.text
        marked = MARK.search(text) is not None
        if marked and self._known.take(text, self._spot(entry)):
            return
        if text.startswith("==> "):
            self._known.take_deployment(text, self._spot(entry))
        if not self._errors.take(entry, lambda: self._spot(entry)) and marked:
            self._known.note_not_understood(self._spot(entry))

    def _spot(self, entry: Entry) -> Spot:
        """Return where an entry is; its time is read only here, because it takes long."""
        read = entry.at(self._now)
        if read is None:
            return Spot(entry.number, None, entry.instance)
        at, zoned, dated = read
        self._unzoned += not zoned
        self._yearless += not dated
        self._first = min(self._first or at, at)
        self._last = max(self._last or at, at)
        return Spot(entry.number, at, entry.instance)

    def _report(self, reader: Reader) -> LogReport:
        spans = self._known.spans()
        other_ids, nothing = self._known.other_ids(), self._known.found_nothing(spans)
        errors = self._errors.groups()
        problems = [*_problems(spans, other_ids, nothing, errors), *self._not_understood()]
        return LogReport(
            size_bytes=reader.size_bytes,
            lines=reader.lines,
            formats=dict(self._formats.most_common()),
            first_at=self._first,
            last_at=self._last,
            zoned=not self._unzoned,
            known=self._known.known(),
            order=self._known.order(),
            spans=spans,
            deployments=self._known.deployments(),
            other_ids=other_ids,
            found_nothing=nothing,
            errors=errors,
            problems=tuple(problems),
            notes=tuple(self._notes(reader)),
        )

    def _not_understood(self) -> Iterator[Problem]:
        if tally := self._known.not_understood:
            lines = _counted(tally.count, "line", "lines")
            first = f"the first is line {tally.first.line:,}"
            yield Problem(f"{lines} with [Mem0] or [API] could not be read; {first}.")

    def _notes(self, reader: Reader) -> Iterator[str]:
        known = self._known
        if self._first is None:
            yield "No line has a time with a date; the lines are taken in their order."
        if known.backwards:
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
        if any(tallies.left_out for tallies in (known.saved, known.asked, known.empty)):
            yield f"There are more than {MOST_IDS:,} ids; those that came later are not compared."
        if known.cut:
            yield "The known lines alternate so often that the rest of them is only counted."


def _problems(
    spans: tuple[Span, ...],
    others: tuple[OtherId, ...],
    nothing: tuple[FoundNothing, ...],
    errors: tuple[ErrorGroup, ...],
) -> Iterator[Problem]:
    """Yield what is wrong, the worst first."""
    if spans and not spans[-1].persistent:
        changed = "became" if any(span.persistent for span in spans) else "is"
        after = " after a deployment" if changed == "became" and spans[-1].deployment else ""
        yield Problem(
            f"The storage {changed} temporary{after}: the next deployment deletes all memories.",
            "disk.E001",
        )
    elif any(not span.persistent for span in spans):
        yield Problem(
            "The storage was temporary for a while: what was saved then may be lost.",
            "backend.W001",
        )
    if sure := sum(pair.sure for pair in others):
        ids = _counted(sure, "id was", "ids were")
        yield Problem(
            f"{ids} asked for while memories were saved under another form.", "identity.W002"
        )
    users = _counted(len(nothing), "user", "users")
    if any(user.after_switch for user in nothing):
        yield Problem(
            f"Nothing was found for {users} who had memories in another storage before.",
            "backend.W001",
        )
    elif nothing:
        yield Problem(f"Nothing was found for {users} who had saved before.", "records.E001")
    counts: Counter[tuple[str, str]] = Counter()
    for group in errors:
        if group.level == "error":
            title = group.kind.title if group.kind else group.explanation or group.template
            counts[title.rstrip("."), group.kind.id if group.kind else ""] += group.seen.count
    for (title, finding_id), count in counts.most_common():
        yield Problem(f"{_counted(count, 'error', 'errors')}: {title}.", finding_id)


def _counted(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"
