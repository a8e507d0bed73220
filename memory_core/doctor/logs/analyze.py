"""One pass over a log: the known lines, the storage over time, the users, and what is wrong.

What is kept does not grow with the log.
"""

from __future__ import annotations

import io
import re
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import BinaryIO

from ...errors import InvalidUserId
from ...memories.find_user import LOOK_ALIKE_REASONS, IdIndex
from ...memories.log_lines import KNOWN_LINES
from ...memories.search import LOG_FOUND
from ...memories.writer import LOG_ADDED
from ...model.counting import Progress, counted
from ...model.user_id import UserId, describe_changes, is_probe, normalize_user_id
from ...settings import survey
from ...storage.backend import LOG_CHROMA_LOST, LOG_CHROMA_READY, LOG_S3_READY, LOG_S3_USED
from ..redact import Masker
from .error_rules import MOST_GROUPS, Errors
from .report import FoundNothing, KnownLine, LogReport, OtherId, Problem, Seen, Span, Spot, Storage
from .unwrap import MARK, Entry, Reader, Unwrapper, documents

MOST_KEPT = 20_000
"""Ids, and changes of lines or storage, that are kept; of later ones none is."""

_MOST_INSTANCES = 20
_MOST_COMPARED = 2_000
_MOST_CLOSE = 5
_BACKENDS: dict[str, Storage] = {LOG_S3_READY: "s3_vectors", LOG_S3_USED: "s3_vectors"}
_BACKENDS |= {LOG_CHROMA_READY: "chroma", LOG_CHROMA_LOST: "chroma"}
# The id may have been written by a program that did not normalize it: all that follows.
_PATTERNS = tuple(
    (line, re.compile(re.escape(line).replace("%d", r"(\d{1,9})").replace("%s", "(.{1,400})")))
    for line in KNOWN_LINES
)
# Ids that a program numbers differ in nothing else.
_DIGIT = re.compile(r"\d")
# Fields that a program wrote behind a message.
_FIELDS_BEHIND = re.compile(r"\s(?:[\w.]{1,40}=|\{[\"'])")


_DEPLOYMENT = re.compile(r"==> .{0,20}?(?:Deploying|Your service is live|Running ')")


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
        self._now, self._zoned = now, True
        self._errors = Errors(Masker(survey().given).hide)
        self._formats: Counter[str] = Counter()
        self._lines: dict[str, Seen] = {}
        self._order: list[KnownLine] = []
        self._starts: list[Span] = []
        self._deployments: list[Spot] = []
        # By the id as it stands in the log; under "" the lines that were not understood.
        self._saved: dict[str, Seen] = {}
        self._asked: dict[str, Seen] = {}
        self._empty: dict[str, Seen] = {}
        self._missed: dict[str, Seen] = {}
        self._times: list[datetime] = []
        self._latest: Entry | None = None

    def over(self, reader: Reader) -> LogReport:
        unwrapper = Unwrapper()
        for number, text in documents(reader):
            is_marked = [self._take(entry) for entry in unwrapper.unwrap(number, text)]
            if is_marked and not any(is_marked) and MARK.search(text):
                _add(self._missed, "", Seen(Spot(number), Spot(number)))
        for entry in unwrapper.rest():
            self._take(entry)
        if self._latest:
            self._spot(self._latest)
        deployments = sorted(self._deployments, key=_when)
        spans, errors = self._spans(deployments), self._errors.groups()
        report = LogReport(
            size_bytes=reader.size_bytes, lines=reader.lines, zoned=self._zoned,
            formats=dict(self._formats.most_common()), deployments=tuple(deployments), spans=spans,
            first_at=min(self._times, default=None), last_at=max(self._times, default=None),
            known=tuple(KnownLine(line, self._lines.get(line)) for line in KNOWN_LINES),
            order=tuple(sorted(self._order, key=lambda run: _when(run.seen))),
            other_ids=self._other_ids(), found_nothing=self._found_nothing(spans),
            errors=errors, notes=tuple(self._notes(reader, len(errors))),
        )  # fmt: skip
        return replace(report, problems=tuple(_problems(report, self._missed.get(""))))

    def _notes(self, reader: Reader, groups: int) -> Iterator[str]:
        if not self._times:
            yield "No line has a time with a date; the lines are taken in their order."
        if not self._zoned:
            yield "Some times name no time zone, perhaps no year; they are shown as they stand."
        if reader.too_long:
            parts = counted(reader.too_long, "part of lines", "parts of lines")
            yield f"{parts} beyond 8 MB was read like a line of its own."
        kept = (self._saved, self._asked, self._empty, self._order, self._starts)
        if groups >= MOST_GROUPS or max(map(len, kept)) >= MOST_KEPT:
            yield "There are too many ids, errors or changes to keep; later ones are left out."

    def _take(self, entry: Entry) -> bool:
        """Take an entry; return True if it has a mark."""
        self._formats[entry.format] += 1
        if entry.times:
            self._latest = entry
            if not self._times:
                self._spot(entry)
        is_marked = MARK.search(entry.text) is not None
        if is_marked and self._take_known(entry.text, self._spot(entry)):
            return True
        if _DEPLOYMENT.match(entry.text) and len(self._deployments) < MOST_KEPT:
            self._deployments.append(self._spot(entry))
        is_error = self._errors.take(entry, lambda: self._spot(entry))
        if is_marked and not is_error:
            spot = self._spot(entry)
            _add(self._missed, "", Seen(spot, spot))
        return is_marked

    def _spot(self, entry: Entry) -> Spot:
        """Return where an entry is; its time is read only here, because it takes long."""
        at, is_zoned = entry.at(self._now)
        if at:
            self._zoned = self._zoned and is_zoned
            self._times = [min([*self._times, at]), max([*self._times, at])]
        return Spot(entry.number, at, entry.instance)

    def _take_known(self, text: str, spot: Spot) -> bool:
        """Take a line that has marks; return True if all that they begin is known."""
        starts = [mark.start() for mark in MARK.finditer(text)]
        pieces = pairwise([*starts, len(text)])
        known = [self._take_piece(text[start:end], text[:start], spot) for start, end in pieces]
        return all(known)

    def _take_piece(self, piece: str, before: str, spot: Spot) -> bool:
        if before.endswith(('"', "'")):
            # Of a wrapping that could not be unwrapped.
            piece = piece.partition(before[-1])[0].rstrip("\\")
        if behind := _FIELDS_BEHIND.search(piece):
            piece = piece[: behind.start()]
        matches = ((line, pattern.fullmatch(piece.rstrip())) for line, pattern in _PATTERNS)
        line, match = next((pair for pair in matches if pair[1]), ("", None))
        if not match:
            return False
        seen = Seen(spot, spot)
        _add(self._lines, line, seen)
        if self._order and self._order[-1].line == line and (last := self._order[-1].seen):
            last.add(seen)
        elif len(self._order) < MOST_KEPT:
            self._order.append(KnownLine(line, replace(seen)))
        if line in _BACKENDS:
            instances = (spot.instance,) if spot.instance else ()
            is_start = line in (LOG_S3_READY, LOG_CHROMA_READY)
            _append(self._starts, Span(_BACKENDS[line], seen, is_start, instances))
        elif line == LOG_ADDED:
            _add(self._saved, match[1], seen)
        elif line == LOG_FOUND:
            _add(self._asked if int(match[1]) else self._empty, match[2], seen)
        return True

    def _spans(self, deployments: list[Spot]) -> tuple[Span, ...]:
        """Return which storage was in use from when on, starts of the same one together."""
        spans: list[Span] = []
        for start in sorted(self._starts, key=lambda span: _when(span.seen)):
            before = bisect(deployments, _when(start.seen), key=_when)
            deployment = deployments[before - 1] if before else None
            if spans and spans[-1].deployment == deployment:
                deployment = None
            _append(spans, replace(start, seen=replace(start.seen), deployment=deployment))
        return tuple(replace(span, starts=max(1, span.starts)) for span in spans)

    def _other_ids(self) -> tuple[OtherId, ...]:
        """Return ids that were asked for in vain while others that are close were saved under."""
        saved, empty, asked = map(_by_user, (self._saved, self._empty, self._asked))
        pairs = []
        for user_id in empty.keys() & saved.keys():
            # Two forms in the log that are one id today.
            other, saves = max(saved[user_id].items(), key=lambda form: form[1].count)
            for raw in empty[user_id].keys() - saved[user_id].keys():
                changes = "; ".join(describe_changes(raw) or describe_changes(other))
                reason = f"the same id in another form: {changes}"
                pairs.append(OtherId(raw, other, (reason,), empty[user_id][raw], saves, sure=True))
        index = IdIndex().holding(saved.keys())
        unknown = [user_id for user_id in empty if user_id not in saved and user_id not in asked]
        for user_id in unknown[:_MOST_COMPARED]:
            asks = _total(empty[user_id])
            for close, reasons in sorted(index.close_to(user_id, [user_id]).items())[:_MOST_CLOSE]:
                if close in saved and reasons and _DIGIT.sub("", user_id) != _DIGIT.sub("", close):
                    sure = bool(set(reasons) & LOOK_ALIKE_REASONS)
                    saves = _total(saved[close])
                    pairs.append(OtherId(user_id, close, reasons, asks, saves, sure))
        return tuple(sorted(pairs, key=lambda pair: (not pair.sure, -pair.asks.count, pair.asked)))

    def _found_nothing(self, spans: tuple[Span, ...]) -> tuple[FoundNothing, ...]:
        """Return users for whom nothing was found after something was saved."""
        users = []
        for user_id, forms in _by_user(self._empty).items():
            for raw, empty in forms.items():
                saves = self._saved.get(raw)
                if saves and _when(empty.last) >= _when(saves.first):
                    began = [_when(span.seen) for span in spans]
                    since = {bisect(began, _when(at)) for at in (saves.first, empty.last)}
                    users.append(FoundNothing(user_id, saves, empty, len(since) > 1))
        return tuple(sorted(users, key=lambda user: (-user.empty.count, user.user_id)))


def _when(given: Seen | Spot | None) -> tuple[float, int]:
    """Return a key by which lines are in the order in which they were written."""
    spot = given.first if isinstance(given, Seen) else given or Spot(0)
    return spot.at.timestamp() if spot.at else 0.0, spot.line


def _add(places: dict[str, Seen], key: str, seen: Seen) -> None:
    if key in places:
        places[key].add(seen)
    elif len(places) < MOST_KEPT:
        places[key] = replace(seen)


def _append(spans: list[Span], start: Span) -> None:
    """Append a start of a storage, or add it to the last one if that is of the same storage."""
    if spans and (last := spans[-1]).backend == start.backend:
        last.seen.add(start.seen)
        last.starts += start.starts
        instances = dict.fromkeys((*last.instances, *start.instances))
        last.instances = tuple(instances)[:_MOST_INSTANCES]
    elif len(spans) < MOST_KEPT:
        spans.append(start)


def _by_user(places: Mapping[str, Seen]) -> dict[UserId, dict[str, Seen]]:
    """Return the ids as they stand in the log by canonical id, without redeploy tests."""
    users: dict[UserId, dict[str, Seen]] = defaultdict(dict)
    for raw, seen in places.items():
        try:
            user_id = normalize_user_id(raw)
        except InvalidUserId:
            continue
        if not is_probe(user_id):
            users[user_id][raw] = seen
    return users


def _total(forms: dict[str, Seen]) -> Seen:
    total, *others = (replace(seen) for seen in forms.values())
    for seen in others:
        total.add(seen)
    return total


def _problems(report: LogReport, missed: Seen | None) -> Iterator[Problem]:
    """Yield what is wrong, the worst first."""
    persistent = [span.persistent for span in report.spans]
    was_persistent = any(persistent)
    became = "became" if was_persistent else "is"
    after = " after a deployment" if was_persistent and report.spans[-1].deployment else ""
    sure = counted(sum(pair.sure for pair in report.other_ids), "id was", "ids were")
    users = counted(len(report.found_nothing), "user")
    has_switched = any(user.after_switch for user in report.found_nothing)
    lines, first = (missed.count, missed.first.line) if missed else (0, 0)
    sentences: list[tuple[object, str, str]] = [
        (persistent and not persistent[-1], "disk.E001",
         f"The storage {became} temporary{after}: the next deployment deletes all memories."),
        (persistent and persistent[-1] and not all(persistent), "backend.W001",
         "The storage was temporary for a while: what was saved then may be lost."),
        (any(pair.sure for pair in report.other_ids), "identity.W002",
         f"{sure} asked for while memories were saved under another form."),
        (has_switched, "backend.W001",
         f"Nothing was found for {users} who had memories in another storage before."),
        (report.found_nothing and not has_switched, "records.E001",
         f"Nothing was found for {users} who had saved before."),
    ]  # fmt: skip
    counts: Counter[tuple[str, str]] = Counter()
    for group in report.errors:
        if group.level == "error":
            title = group.kind.title if group.kind else group.explanation or group.template
            counts[title.rstrip("."), group.kind.id if group.kind else ""] += group.seen.count
    for (title, finding_id), count in counts.most_common():
        sentences.append((True, finding_id, f"{counted(count, 'error')}: {title}."))
    not_read = f"{counted(lines, 'line')} with [Mem0] or [API] could not be read"
    sentences.append((missed, "", f"{not_read}; the first is line {first:,}."))
    return (Problem(sentence, finding_id) for is_so, finding_id, sentence in sentences if is_so)
