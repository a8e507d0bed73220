"""One pass over a log: the known lines, the storage over time, the users, and what is wrong.

Memory use does not grow with the log.
"""

import io
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import BinaryIO

from ...memories.find_user import other_forms
from ...memories.log_lines import KNOWN_LINES, read_known
from ...memories.search import LOG_FOUND
from ...memories.writer import LOG_ADDED
from ...model.counting import Progress
from ...model.moments import read_log_time
from ...model.user_id import is_probe
from ...settings import survey
from ...storage.backend import LOG_CHROMA_LOST, LOG_CHROMA_READY, LOG_S3_READY, LOG_S3_USED
from ..redact import Masker
from .error_groups import MOST_GROUPS, Errors
from .report import FoundNothing, LogReport, OtherId, Seen, Span, Spot, Storage
from .unwrap import MARK, Entry, Reader, Unwrapper, documents

MOST_KEPT = 20_000
"""The most ids, and changes of line or storage, that are kept; later ones are dropped."""

_MOST_INSTANCES = 20
_BACKENDS: dict[str, Storage] = {LOG_S3_READY: "s3_vectors", LOG_S3_USED: "s3_vectors"}
_BACKENDS |= {LOG_CHROMA_READY: "chroma", LOG_CHROMA_LOST: "chroma"}
_DEPLOYMENT = re.compile(r"==> .{0,20}?(?:Deploying|Your service is live|Running ')")
# Fields that a program wrote after a message.
_FIELDS_BEHIND = re.compile(r"\s(?:[\w.]{1,40}=|\{[\"'])")


def analyze_log(
    source: BinaryIO | bytes, *, now: datetime | None = None, on_progress: Progress | None = None
) -> LogReport:
    """Read a log once, as a stream, and return the report on it; raise InvalidLog if it is none.

    `on_progress` is called about once per megabyte with the bytes read and their total; an error
    that it raises ends the work. `now` settles the year of times without one.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    return _Pass(now or datetime.now(UTC)).over(Reader(stream, on_progress))


class _Pass:
    def __init__(self, now: datetime) -> None:
        self._now, self._zoned = now, True
        self._errors = Errors(self._place, Masker(survey().given).hide_named)
        self._formats: Counter[str] = Counter()
        # By the format given to `logging`; under "" the lines that were not understood.
        self._lines: dict[str, Seen] = {}
        self._order: list[tuple[str, Seen]] = []
        self._starts: list[Span] = []
        self._deployments: list[Seen] = []
        # By the id as written in the log.
        self._saved: dict[str, Seen] = {}
        self._asked: dict[str, Seen] = {}
        self._empty: dict[str, Seen] = {}
        self._times: list[datetime] = []
        self._latest = Entry(0)

    def over(self, reader: Reader) -> LogReport:
        unwrapper = Unwrapper()
        for number, text in documents(reader):
            is_marked = [self._take(entry) for entry in unwrapper.unwrap(Entry(number), text)]
            if is_marked and not any(is_marked) and MARK.search(text):
                _add(self._lines, "", self._place(Entry(number)))
        for entry in unwrapper.rest():
            self._take(entry)
        self._place(self._latest)
        self._deployments.sort(key=_when)
        spans, errors = self._spans(), self._errors.groups()
        return LogReport(
            size_bytes=reader.size_bytes, lines=reader.lines, zoned=self._zoned,
            formats=dict(self._formats.most_common()),
            first_at=min(self._times, default=None), last_at=max(self._times, default=None),
            known={line: self._lines.get(line) for line in KNOWN_LINES},
            order=tuple(sorted(self._order, key=lambda run: _when(run[1]))),
            deployments=tuple(start.first for start in self._deployments), spans=spans,
            other_ids=self._other_ids(), found_nothing=self._found_nothing(spans),
            errors=errors, unread=self._lines.get(""), notes=tuple(self._notes(len(errors))),
        )  # fmt: skip

    def _notes(self, groups: int) -> Iterator[str]:
        if not self._times:
            yield "No line has a time with a date; the lines are taken in their order."
        if not self._zoned:
            yield "Some times have no time zone, perhaps no year; they are shown as written."
        kept = (self._saved, self._asked, self._empty, self._order, self._starts)
        if groups >= MOST_GROUPS or max(map(len, kept)) >= MOST_KEPT:
            yield "There are too many ids, errors or changes to keep; later ones are left out."

    def _take(self, entry: Entry) -> bool:
        """Take an entry; return True if it has a mark."""
        self._formats[entry.format or ("timed" if entry.times else "plain")] += 1
        if entry.times:
            self._latest = entry
            if not self._times:
                self._place(entry)
        is_marked = MARK.search(entry.text) is not None
        if is_marked and self._take_known(entry):
            return True
        if _DEPLOYMENT.match(entry.text) and len(self._deployments) < MOST_KEPT:
            self._deployments.append(self._place(entry))
        if not self._errors.take(entry) and is_marked:
            _add(self._lines, "", self._place(entry))
        return is_marked

    def _place(self, entry: Entry) -> Seen:
        """Return the place of an entry; its time is parsed only here, because that is slow."""
        times = [read for given in entry.times if (read := read_log_time(given, self._now))]
        at, is_zoned = max(times, key=lambda read: read[1], default=(None, False))
        if at:
            self._zoned = self._zoned and is_zoned
            self._times = [min([*self._times, at]), max([*self._times, at])]
        spot = Spot(entry.number, at, entry.instance)
        return Seen(spot, spot)

    def _take_known(self, entry: Entry) -> bool:
        """Take an entry that has marks; return True if every line they begin is known."""
        text, seen, is_known = entry.text, self._place(entry), True
        for start, end in pairwise([*(mark.start() for mark in MARK.finditer(text)), len(text)]):
            piece = text[start:end]
            if text[:start].endswith(('"', "'")):
                # The rest belongs to a wrapping that could not be removed.
                piece = piece.partition(text[start - 1])[0].rstrip("\\")
            line, values = read_known(_FIELDS_BEHIND.split(piece, 1)[0].rstrip())
            if line:
                self._take_line(line, values, seen)
            is_known = is_known and bool(line)
        return is_known

    def _take_line(self, line: str, values: tuple[str, ...], seen: Seen) -> None:
        _add(self._lines, line, seen)
        if self._order and self._order[-1][0] == line:
            self._order[-1][1].add(seen)
        elif len(self._order) < MOST_KEPT:
            self._order.append((line, replace(seen)))
        if line in _BACKENDS:
            is_start, instance = line in (LOG_S3_READY, LOG_CHROMA_READY), seen.first.instance
            instances = (instance,) if instance else ()
            _append(self._starts, Span(_BACKENDS[line], replace(seen), is_start, instances))
        elif line == LOG_ADDED:
            _add(self._saved, values[0], seen)
        elif line == LOG_FOUND:
            _add(self._asked if int(values[0]) else self._empty, values[1], seen)

    def _spans(self) -> tuple[Span, ...]:
        """Return the storage in use over time; consecutive starts of the same one are joined."""
        spans: list[Span] = []
        for start in sorted(self._starts, key=lambda span: _when(span.seen)):
            before = bisect(self._deployments, _when(start.seen), key=_when)
            deployment = self._deployments[before - 1].first if before else None
            if spans and spans[-1].deployment == deployment:
                deployment = None
            _append(spans, replace(start, seen=replace(start.seen), deployment=deployment))
        return tuple(replace(span, starts=max(1, span.starts)) for span in spans)

    def _other_ids(self) -> tuple[OtherId, ...]:
        """Return ids asked for in vain while memories were saved under a similar one."""
        often_first = sorted(self._saved, key=lambda form: -self._saved[form].count)
        pairs = []
        for form in other_forms(self._empty, often_first, self._asked):
            seen = self._empty[form.asked], self._saved[form.saved]
            pairs.append(OtherId(form.asked, form.saved, form.reasons, form.sure, *seen))
        return tuple(sorted(pairs, key=lambda pair: (not pair.sure, -pair.asks.count, pair.asked)))

    def _found_nothing(self, spans: Iterable[Span]) -> tuple[FoundNothing, ...]:
        """Return users for whom nothing was found after something was saved."""
        users, began = [], [_when(span.seen) for span in spans]
        for user_id, empty in self._empty.items():
            saves, last = self._saved.get(user_id), replace(empty, first=empty.last)
            if saves and _when(last) >= _when(saves) and not is_probe(user_id):
                has_switched = bisect(began, _when(saves)) != bisect(began, _when(last))
                users.append(FoundNothing(user_id, saves, empty, has_switched))
        return tuple(sorted(users, key=lambda user: (-user.empty.count, user.user_id)))


def _when(seen: Seen) -> tuple[float, int]:
    """Return a sort key: the order in which lines were written."""
    return seen.first.at.timestamp() if seen.first.at else 0.0, seen.first.line


def _add(places: dict[str, Seen], key: str, seen: Seen) -> None:
    if key in places:
        places[key].add(seen)
    elif len(places) < MOST_KEPT:
        places[key] = replace(seen)


def _append(spans: list[Span], start: Span) -> None:
    """Append a start of a storage, or add it to the last span if that has the same storage."""
    if spans and (last := spans[-1]).backend == start.backend:
        last.seen.add(start.seen)
        last.starts += start.starts
        instances = dict.fromkeys((*last.instances, *start.instances))
        last.instances = tuple(instances)[:_MOST_INSTANCES]
    elif len(spans) < MOST_KEPT:
        spans.append(start)
