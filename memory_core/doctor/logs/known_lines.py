"""The seven known lines as they go by, the storage that each start chose, and the users."""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

from ...errors import InvalidUserId
from ...memories.find_user import LOOK_ALIKE_REASONS, IdIndex
from ...memories.log_lines import KNOWN_LINES
from ...memories.search import LOG_FOUND
from ...memories.writer import LOG_ADDED
from ...model.user_id import UserId, describe_changes, is_probe, normalize_user_id
from ...storage.backend import LOG_CHROMA_LOST, LOG_CHROMA_READY, LOG_S3_READY, LOG_S3_USED
from .reader import MARK
from .report import FoundNothing, KnownLine, OtherId, Seen, Span, Spot, Storage

MOST_IDS = 20_000
MOST_RUNS = 2_000
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
DEPLOYMENT = re.compile(r"==> .{0,20}?(?:Deploying|Your service is live|Running ')")
# Ids that a program numbers differ in nothing else.
_DIGIT = re.compile(r"\d")
_CLOSING = {'"': '"', "'": "'", ">": "<"}
# Fields that a program wrote behind a message.
_FIELDS_BEHIND = re.compile(r"\s(?:[\w.]{1,40}=|\{[\"'])")


class Tallies(dict[str, Seen]):
    """Places of many ids; of those that come after the first 20,000 none are kept."""

    left_out = False

    def note(self, key: str, seen: Seen) -> None:
        if key in self:
            self[key].add(seen)
        elif len(self) < MOST_IDS:
            self[key] = replace(seen)
        else:
            self.left_out = True

    def by_user(self) -> dict[UserId, dict[str, Seen]]:
        """Return the ids as they stand in the log by canonical id, without redeploy tests."""
        users: dict[UserId, dict[str, Seen]] = defaultdict(dict)
        for raw, seen in self.items():
            try:
                user_id = normalize_user_id(raw)
            except InvalidUserId:
                continue
            if not is_probe(user_id):
                users[user_id][raw] = seen
        return users


class KnownLines:
    """Takes lines one by one; what it keeps does not grow with their number."""

    def __init__(self) -> None:
        self._lines, self.saved, self.asked, self.empty = (Tallies() for _ in range(4))
        self._order: list[KnownLine] = []
        self._starts: list[Span] = []
        self._deployments: list[Spot] = []
        self.backwards = False

    @property
    def left_out(self) -> bool:
        """True if something was not kept because there is too much of it."""
        is_full = max(len(self._order), len(self._starts)) >= MOST_RUNS
        return is_full or any(ids.left_out for ids in (self.saved, self.asked, self.empty))

    def take(self, text: str, spot: Spot) -> bool:
        """Take a line that has a mark; return True if all that the marks begin is known."""
        starts = [mark.start() for mark in MARK.finditer(text)]
        pieces = pairwise([*starts, len(text)])
        known = [self._take_piece(text, start, end, spot) for start, end in pieces]
        return all(known)

    def _take_piece(self, text: str, start: int, end: int, spot: Spot) -> bool:
        piece, before = text[start:end], text[start - 1 : start] if start else ""
        if before in _CLOSING:
            # Of a wrapping that could not be unwrapped.
            piece = piece.partition(_CLOSING[before])[0].rstrip("\\")
        for line, pattern in _PATTERNS:
            if match := pattern.match(piece):
                begin = match.start(match.lastindex or 0)
                behind = _FIELDS_BEHIND.search(piece, begin)
                given = piece[: behind.start()] if behind else piece
                if match.lastindex is None and given[match.end() :].strip():
                    return False
                count = int(match[1]) if line == LOG_FOUND else 0
                self._note(line, count, given[begin:].strip(), Seen(spot, spot))
                return True
        return False

    def _note(self, line: str, count: int, raw: str, seen: Seen) -> None:
        self._lines.note(line, seen)
        if self._order and self._order[-1].line == line and (last := self._order[-1].seen):
            last.add(seen)
        elif len(self._order) < MOST_RUNS:
            self._order.append(KnownLine(line, replace(seen)))
        if line in _BACKENDS:
            instances = (seen.first.instance,) if seen.first.instance else ()
            is_start = line in (LOG_S3_READY, LOG_CHROMA_READY)
            _append(self._starts, Span(_BACKENDS[line], seen, is_start, instances))
        elif line == LOG_ADDED:
            self.saved.note(raw, seen)
        elif line == LOG_FOUND:
            (self.asked if count else self.empty).note(raw, seen)

    def take_deployment(self, spot: Spot) -> None:
        if len(self._deployments) < MOST_RUNS:
            self._deployments.append(spot)

    def known(self) -> tuple[KnownLine, ...]:
        return tuple(KnownLine(line, self._lines.get(line)) for line in KNOWN_LINES)

    def order(self) -> tuple[KnownLine, ...]:
        return tuple(sorted(self._order, key=lambda run: self._when(run.seen)))

    def deployments(self) -> tuple[Spot, ...]:
        return tuple(sorted(self._deployments, key=self._when))

    def spans(self) -> tuple[Span, ...]:
        """Return which storage was in use from when on, starts of the same one together."""
        deployments = self.deployments()
        spans: list[Span] = []
        for start in sorted(self._starts, key=lambda span: self._when(span.seen)):
            before = bisect(deployments, self._when(start.seen), key=self._when)
            deployment = deployments[before - 1] if before else None
            if spans and spans[-1].deployment == deployment:
                deployment = None
            _append(spans, replace(start, seen=replace(start.seen), deployment=deployment))
        return tuple(replace(span, starts=max(1, span.starts)) for span in spans)

    def other_ids(self) -> tuple[OtherId, ...]:
        """Return ids that were asked for in vain while others that are close were saved under."""
        saved, empty, asked = (each.by_user() for each in (self.saved, self.empty, self.asked))
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
                    saves = _total(saved[close])
                    sure = bool(set(reasons) & LOOK_ALIKE_REASONS)
                    pairs.append(OtherId(user_id, close, reasons, asks, saves, sure))
        return tuple(sorted(pairs, key=lambda pair: (not pair.sure, -pair.asks.count, pair.asked)))

    def found_nothing(self, spans: tuple[Span, ...]) -> tuple[FoundNothing, ...]:
        """Return users for whom nothing was found after something was saved."""
        users = []
        for user_id, forms in self.empty.by_user().items():
            for raw, empty in forms.items():
                saves = self.saved.get(raw)
                if saves and self._when(empty.last) >= self._when(saves.first):
                    began = [self._when(span.seen) for span in spans]
                    since = {bisect(began, self._when(at)) for at in (saves.first, empty.last)}
                    users.append(FoundNothing(user_id, saves, empty, len(since) > 1))
        return tuple(sorted(users, key=lambda user: (-user.empty.count, user.user_id)))

    def _when(self, given: Seen | Spot | None) -> tuple[float, int]:
        """Return a key by which lines are in the order in which they were written."""
        spot = given.first if isinstance(given, Seen) else given or Spot(0)
        at = spot.at.timestamp() if spot.at else 0.0
        return at, -spot.line if self.backwards else spot.line


def _append(spans: list[Span], start: Span) -> None:
    """Append a start of a storage, or add it to the last one if that is of the same storage."""
    if spans and (last := spans[-1]).backend == start.backend:
        last.seen.add(start.seen)
        last.starts += start.starts
        instances = dict.fromkeys((*last.instances, *start.instances))
        last.instances = tuple(instances)[:_MOST_INSTANCES]
    elif len(spans) < MOST_RUNS:
        spans.append(start)


def _total(forms: dict[str, Seen]) -> Seen:
    total, *others = (replace(seen) for seen in forms.values())
    for seen in others:
        total.add(seen)
    return total
