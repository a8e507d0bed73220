"""One pass over a log, entry by entry, in memory that does not grow with it."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO

from ...model.counting import Progress, counted
from ...settings import survey
from ..redact import Masker
from .error_rules import Errors
from .known_lines import DEPLOYMENT, KnownLines, Tallies
from .parse import Entry, Unwrapper, documents
from .reader import MARK, Reader
from .report import LogReport, Problem, Seen, Spot

_BLOCK = 200
_LONGEST_BLOCK = 400


def analyze_log(
    source: BinaryIO | bytes, *, now: datetime | None = None, on_progress: Progress | None = None
) -> LogReport:
    """Return the report on a log, which is read once, as a stream; raise InvalidLog for no log.

    `on_progress` is called about once per megabyte with bytes read and bytes in all; what it
    raises ends the work. `now` settles the year of times that name none.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    return _Pass(now or datetime.now(UTC)).over(Reader(stream, on_progress))


class _Pass:
    def __init__(self, now: datetime) -> None:
        self._now = now
        self._known, self._not_understood = KnownLines(), Tallies()
        self._errors = Errors(Masker(survey().given).hide)
        self._formats: Counter[str] = Counter()
        self._block: list[Entry] = []
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._direction = self._unzoned = 0

    def over(self, reader: Reader) -> LogReport:
        unwrapper = Unwrapper()
        for entry, value, raw in documents(reader):
            is_marked = [self._add(inner) for inner in unwrapper.unwrap(entry, value, raw)]
            if is_marked and not any(is_marked) and MARK.search(raw):
                self._miss(Spot(entry.number))
        for entry in unwrapper.rest():
            self._add(entry)
        self._take_block()
        if reader.cut_mark:
            self._miss(Spot(reader.cut_mark))
        return self._report(reader)

    def _add(self, entry: Entry) -> bool:
        """Add an entry to the block; return True if it has a mark."""
        # A traceback in a log with the newest line first should not be cut in two.
        is_apart = not entry.times or (self._block and entry.times != self._block[-1].times)
        if len(self._block) >= (_BLOCK if is_apart else _LONGEST_BLOCK):
            self._take_block()
        self._block.append(entry)
        return MARK.search(entry.text) is not None

    def _take_block(self) -> None:
        """Take entries in the order in which they were written."""
        block, self._block = self._block, []
        timed = [entry for entry in block if entry.times]
        moments = [self._spot(entry).at for entry in (timed[:1] + timed[-1:])]
        if timed and moments[0] and moments[-1]:
            self._direction += (moments[-1] > moments[0]) - (moments[-1] < moments[0])
        self._known.backwards = self._direction < 0
        for entry in reversed(block) if self._known.backwards else block:
            self._formats[entry.format] += 1
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        is_marked = MARK.search(entry.text) is not None
        if is_marked and self._known.take(entry.text, self._spot(entry)):
            return
        if DEPLOYMENT.match(entry.text):
            self._known.take_deployment(self._spot(entry))
        is_error = self._errors.take(entry, lambda: self._spot(entry))
        if is_marked and not is_error:
            self._miss(self._spot(entry))

    def _miss(self, spot: Spot) -> None:
        """Note a line with a mark that was not understood."""
        self._not_understood.note("", Seen(spot, spot))

    def _spot(self, entry: Entry) -> Spot:
        """Return where an entry is; its time is read only here, because it takes long."""
        read = entry.at(self._now)
        if read is None:
            return Spot(entry.number, None, entry.instance)
        at, is_zoned = read
        self._unzoned += not is_zoned
        self._first = min(self._first or at, at)
        self._last = max(self._last or at, at)
        return Spot(entry.number, at, entry.instance)

    def _report(self, reader: Reader) -> LogReport:
        known, spans = self._known, self._known.spans()
        report = LogReport(
            size_bytes=reader.source.size_bytes, lines=reader.lines,
            formats=dict(self._formats.most_common()), zoned=not self._unzoned,
            first_at=self._first, last_at=self._last, known=known.known(), order=known.order(),
            spans=spans, deployments=known.deployments(), other_ids=known.other_ids(),
            found_nothing=known.found_nothing(spans), errors=self._errors.groups(), problems=(),
            notes=tuple(sentence for is_so, sentence in self._notes(reader) if is_so),
        )  # fmt: skip
        return replace(report, problems=tuple(_problems(report, self._not_understood.get(""))))

    def _notes(self, reader: Reader) -> list[tuple[object, str]]:
        return [
            (self._first is None,
             "No line has a time with a date; the lines are taken in their order."),
            (self._known.backwards, "The newest line comes first; it was read from its end."),
            (self._unzoned, "Some times name no time zone, and some of them perhaps no year; "
             "they are shown as they stand, in the latest year that is not in the future."),
            (reader.not_utf8,
             f"Not in UTF-8, and read as Windows-1252: {counted(reader.not_utf8, 'line')}."),
            (reader.cut,
             f"Of {counted(reader.cut, 'line')} with over 256 KB only the beginning was read."),
            (self._known.left_out or self._errors.left_out,
             "There are too many ids, errors or changes to keep; later ones are left out."),
        ]  # fmt: skip


def _problems(report: LogReport, missed: Seen | None) -> Iterator[Problem]:
    """Yield what is wrong, the worst first."""
    persistent = [span.persistent for span in report.spans]
    is_temporary = bool(persistent) and not persistent[-1]
    became = "became" if any(persistent) else "is"
    after = " after a deployment" if any(persistent) and report.spans[-1].deployment else ""
    sure = sum(pair.sure for pair in report.other_ids)
    users = counted(len(report.found_nothing), "user")
    has_switched = any(user.after_switch for user in report.found_nothing)
    for is_so, sentence, finding_id in (
        (is_temporary,
         f"The storage {became} temporary{after}: the next deployment deletes all memories.",
         "disk.E001"),
        (not is_temporary and not all(persistent),
         "The storage was temporary for a while: what was saved then may be lost.",
         "backend.W001"),
        (sure, f"{counted(sure, 'id was', 'ids were')} asked for while memories were saved under "
         "another form.", "identity.W002"),
        (has_switched,
         f"Nothing was found for {users} who had memories in another storage before.",
         "backend.W001"),
        (report.found_nothing and not has_switched,
         f"Nothing was found for {users} who had saved before.", "records.E001"),
    ):  # fmt: skip
        if is_so:
            yield Problem(sentence, finding_id)
    counts: Counter[tuple[str, str]] = Counter()
    for group in report.errors:
        if group.level == "error":
            title = group.kind.title if group.kind else group.explanation or group.template
            counts[title.rstrip("."), group.kind.id if group.kind else ""] += group.seen.count
    for (title, finding_id), count in counts.most_common():
        yield Problem(f"{counted(count, 'error')}: {title}.", finding_id)
    if missed:
        lines, first = counted(missed.count, "line"), f"the first is line {missed.first.line:,}"
        yield Problem(f"{lines} with [Mem0] or [API] could not be read; {first}.")
