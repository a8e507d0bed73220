"""The seven known lines as they go by, the storage that each start chose, and who was meant."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ...errors import InvalidUserId
from ...memories.find_user import LOOK_ALIKE_REASONS, IdIndex
from ...memories.log_lines import KNOWN_LINES
from ...memories.search import LOG_FOUND
from ...memories.writer import LOG_ADDED
from ...model.user_id import UserId, describe_changes, is_probe, normalize_user_id
from ...storage.backend import LOG_CHROMA_LOST, LOG_CHROMA_READY, LOG_S3_READY, LOG_S3_USED
from .report import FoundNothing, KnownLine, OtherId, Run, Seen, Span, Spot, Storage
from .structure import MARK

MOST_IDS = 20_000
MOST_RUNS = 2_000
_MOST_INSTANCES = 20
_MOST_COMPARED = 2_000
_MOST_CLOSE = 5
_BACKENDS: dict[str, Storage] = {
    LOG_S3_READY: "s3_vectors",
    LOG_S3_USED: "s3_vectors",
    LOG_CHROMA_READY: "chroma",
    LOG_CHROMA_LOST: "chroma",
}
# The id may have been written by a program that did not normalize it: all that follows.
_PATTERNS = tuple(
    (line, re.compile(re.escape(line).replace("%d", r"(\d{1,9})").replace("%s", "(.{1,400})")))
    for line in KNOWN_LINES
)
_DEPLOYMENT = re.compile(r"==> .{0,20}?(?:Deploying|Your service is live|Running ')")
_CLOSING = {'"': '"', "'": "'", ">": "<"}
# Fields that a program wrote behind a message.
_FIELDS_BEHIND = re.compile(r"\s(?:[\w.]{1,40}=|\{[\"'])")


@dataclass(slots=True)
class Tally:
    """How often something was seen, where it was first and last."""

    first: Spot
    last: Spot
    count: int = 1
    instances: dict[str, None] = field(default_factory=dict)
    starts: int = 0

    def add(self, other: Tally) -> Tally:
        self.count += other.count
        if other.first.at and self.first.at and other.first.at < self.first.at:
            self.first = other.first
        if not (other.last.at and self.last.at and other.last.at < self.last.at):
            self.last = other.last
        return self

    def seen(self) -> Seen:
        return Seen(self.count, self.first, self.last)


class Tallies(dict[str, Tally]):
    """A tally for each of many ids; those that come after the first 20,000 are left out."""

    left_out = False

    def note(self, key: str, spot: Spot) -> None:
        if key in self:
            self[key].add(Tally(spot, spot))
        elif len(self) < MOST_IDS:
            self[key] = Tally(spot, spot)
        else:
            self.left_out = True

    def by_user(self) -> Iterator[tuple[UserId, str, Tally]]:
        """Yield canonical id, id as it stands in the log, and its tally; no redeploy tests."""
        for raw, tally in self.items():
            try:
                user_id = normalize_user_id(raw)
            except InvalidUserId:
                continue
            if not is_probe(user_id):
                yield user_id, raw, tally

    def merged(self) -> dict[UserId, Tally]:
        """Return the tallies by canonical id."""
        merged: dict[UserId, Tally] = {}
        for user_id, _, tally in self.by_user():
            known = merged.get(user_id)
            merged[user_id] = known.add(tally) if known else replace(tally)
        return merged


class Runs(list[tuple[str, Tally]]):
    """What follows upon itself, together; after 2,000 changes the rest is cut off."""

    cut = False

    def note(self, key: str, spot: Spot) -> Tally | None:
        if self and self[-1][0] == key:
            return self[-1][1].add(Tally(spot, spot))
        if len(self) >= MOST_RUNS:
            self.cut = True
            return None
        self.append((key, Tally(spot, spot)))
        return self[-1][1]

    def in_order(self) -> list[tuple[str, Tally]]:
        return sorted(self, key=lambda run: _when(run[1].first))


class KnownLines:
    """Takes lines one by one; what it keeps does not grow with their number."""

    def __init__(self) -> None:
        self._seen, self.saved, self.asked, self.empty = (Tallies() for _ in range(4))
        self._runs, self._starts, self._deployments = Runs(), Runs(), Runs()
        self.not_understood: Tally | None = None
        self.backwards = False

    def take(self, text: str, spot: Spot) -> bool:
        """Take a line that has a mark; say whether all that the marks begin is known."""
        starts = [found.start() for found in MARK.finditer(text)]
        pieces = zip(starts, [*starts[1:], len(text)], strict=True)
        known = [self._take_piece(text, start, end, spot) for start, end in pieces]
        return all(known)

    def _take_piece(self, text: str, start: int, end: int, spot: Spot) -> bool:
        piece, before = text[start:end], text[start - 1 : start] if start else ""
        if before in _CLOSING:
            # Of a wrapping that could not be unwrapped.
            piece = piece.partition(_CLOSING[before])[0].rstrip("\\")
        for line, pattern in _PATTERNS:
            if found := pattern.match(piece):
                behind = _FIELDS_BEHIND.search(piece, found.start(found.lastindex or 0))
                given = piece[: behind.start()] if behind else piece
                if found.lastindex is None and given[found.end() :].strip():
                    return False
                self._note(line, found, given[found.start(found.lastindex or 0) :].strip(), spot)
                return True
        return False

    def take_deployment(self, text: str, spot: Spot) -> None:
        """Take a line that the host may have written about a deployment."""
        if _DEPLOYMENT.match(text):
            self._deployments.note(str(len(self._deployments)), spot)

    def note_not_understood(self, spot: Spot) -> None:
        tally = Tally(spot, spot)
        self.not_understood = self.not_understood.add(tally) if self.not_understood else tally

    @property
    def cut(self) -> bool:
        return self._runs.cut or self._starts.cut

    def known(self) -> tuple[KnownLine, ...]:
        seen = {line: tally.seen() for line, tally in self._seen.items()}
        return tuple(KnownLine(line, seen.get(line)) for line in KNOWN_LINES)

    def order(self) -> tuple[Run, ...]:
        return tuple(Run(line, tally.seen()) for line, tally in self._runs.in_order())

    def deployments(self) -> tuple[Spot, ...]:
        return tuple(tally.first for _, tally in self._deployments.in_order())

    def spans(self) -> tuple[Span, ...]:
        """Return which storage was in use from when on, starts of the same one together."""
        deployments = self.deployments()
        moments = [_when(spot) for spot in deployments]
        spans: list[Span] = []
        for backend, tally in self._starts.in_order():
            before = bisect(moments, _when(tally.first))
            deployment = deployments[before - 1] if before else None
            seen, starts, instances = tally.seen(), max(1, tally.starts), tuple(tally.instances)
            if spans and spans[-1].backend == backend:
                last = spans.pop()
                seen = Seen(last.seen.count + seen.count, last.seen.first, seen.last)
                instances = tuple(dict.fromkeys((*last.instances, *instances)))[:_MOST_INSTANCES]
                starts, deployment = starts + last.starts, last.deployment
            elif spans and spans[-1].deployment == deployment:
                # That deployment was the other's.
                deployment = None
            name: Storage = "s3_vectors" if backend == "s3_vectors" else "chroma"
            spans.append(Span(name, starts, seen, instances, deployment))
        return tuple(spans)

    def other_ids(self) -> tuple[OtherId, ...]:
        """Return ids that were asked for in vain while others that are close were saved under."""
        pairs = list(self._other_forms())
        saved, empty = self.saved.merged(), self.empty.merged()
        known = {user_id for user_id, _, _ in self.asked.by_user()} | saved.keys()
        index = IdIndex().holding(saved.keys())
        for asked in [user_id for user_id in empty if user_id not in known][:_MOST_COMPARED]:
            for other, reasons in sorted(index.close_to(asked, [asked]).items())[:_MOST_CLOSE]:
                if other in saved and reasons and _letters(asked) != _letters(other):
                    sure = bool(set(reasons) & LOOK_ALIKE_REASONS)
                    asks, saves = empty[asked].seen(), saved[other].seen()
                    pairs.append(OtherId(asked, other, reasons, asks, saves, sure))
        return tuple(sorted(pairs, key=lambda pair: (not pair.sure, -pair.asks.count, pair.asked)))

    def found_nothing(self, spans: tuple[Span, ...]) -> tuple[FoundNothing, ...]:
        """Return users for whom nothing was found after something was saved."""
        users = []
        for user_id, raw, tally in self.empty.by_user():
            if raw in self.saved:
                saves, empty = self.saved[raw].seen(), tally.seen()
                if self._follows(empty.last, saves.first):
                    began = [
                        sum(self._follows(spot, span.seen.first) for span in spans)
                        for spot in (saves.first, empty.last)
                    ]
                    users.append(FoundNothing(user_id, saves, empty, began[0] != began[1]))
        return tuple(sorted(users, key=lambda user: (-user.empty.count, user.user_id)))

    def _other_forms(self) -> Iterator[OtherId]:
        """Yield ids that stand in the log in two forms which are one id today."""
        saved: dict[UserId, dict[str, Tally]] = {}
        for user_id, raw, tally in self.saved.by_user():
            saved.setdefault(user_id, {})[raw] = tally
        for user_id, raw, tally in self.empty.by_user():
            forms = saved.get(user_id, {})
            if forms and raw not in forms:
                other, saves = max(forms.items(), key=lambda form: form[1].count)
                changes = "; ".join(describe_changes(raw) or describe_changes(other))
                reasons = (f"the same id in another form: {changes}",)
                yield OtherId(raw, other, reasons, tally.seen(), saves.seen(), True)

    def _note(self, line: str, found: re.Match[str], raw: str, spot: Spot) -> None:
        self._seen.note(line, spot)
        self._runs.note(line, spot)
        if line in _BACKENDS:
            if start := self._starts.note(_BACKENDS[line], spot):
                start.starts += line in (LOG_S3_READY, LOG_CHROMA_READY)
                if spot.instance and len(start.instances) < _MOST_INSTANCES:
                    start.instances[spot.instance] = None
        elif line == LOG_ADDED:
            self.saved.note(raw, spot)
        elif line == LOG_FOUND:
            (self.asked if int(found[1]) else self.empty).note(raw, spot)

    def _follows(self, later: Spot, earlier: Spot) -> bool:
        """Say whether a line was written after another, by their times or else their order."""
        if later.at and earlier.at and later.at != earlier.at:
            return later.at > earlier.at
        return later.line <= earlier.line if self.backwards else later.line >= earlier.line


def _letters(user_id: str) -> list[str]:
    """Return an id without digits: those that a program numbers differ in nothing else."""
    return [char for char in user_id if not char.isdigit()]


def _when(spot: Spot) -> float:
    return spot.at.timestamp() if spot.at else 0.0
