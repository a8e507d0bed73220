"""The seven known lines as they go by, the storage that each start chose, and who was meant."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..backend import LOG_CHROMA_LOST, LOG_CHROMA_READY, LOG_S3_READY, LOG_S3_USED
from ..errors import InvalidUserId
from ..identity import UserId, is_probe, normalize_user_id
from ..logs import KNOWN_LINES
from ..saving import LOG_ADDED
from ..searching import LOG_FOUND
from .tallies import Tallies, Tally
from .values import KnownLine, Run, Seen, Span, Spot, Storage

MOST_IDS = 20_000
MOST_RUNS = 2_000
_MOST_INSTANCES = 20
_BACKENDS: dict[str, Storage] = {
    LOG_S3_READY: "s3_vectors",
    LOG_S3_USED: "s3_vectors",
    LOG_CHROMA_READY: "chroma",
    LOG_CHROMA_LOST: "chroma",
}
# The id may have been written by a program that did not bring it to one form: all that follows.
_PATTERNS = tuple(
    (line, re.compile(pattern + r"\s*$"))
    for line in KNOWN_LINES
    for pattern in [re.escape(line).replace("%d", r"(\d+)").replace("%s", "(.{1,400}?)")]
)
_DEPLOYMENT = re.compile(r"==> .{0,20}?(?:Deploying|Your service is live|Running ')")


@dataclass(slots=True)
class _Run:
    line: str
    tally: Tally


@dataclass(slots=True)
class _Start:
    backend: Storage
    tally: Tally
    instances: dict[str, None] = field(default_factory=dict)
    starts: int = 0
    deployment: Spot | None = None


class KnownLines:
    """Takes lines one by one; what it keeps does not grow with their number."""

    def __init__(self) -> None:
        self._seen: Tallies[str] = Tallies(len(KNOWN_LINES))
        self._runs: list[_Run] = []
        self._starts: list[_Start] = []
        self._deployments: list[Spot] = []
        self.cut = False
        self.saved: Tallies[str] = Tallies(MOST_IDS)
        self.asked: Tallies[str] = Tallies(MOST_IDS)
        self.empty: Tallies[str] = Tallies(MOST_IDS)

    def take(self, text: str, spot: Spot) -> bool:
        """Take a line that may be one of the seven; say whether it is."""
        for line, pattern in _PATTERNS:
            if found := pattern.search(text):
                self._note(line, found, spot)
                return True
        return False

    def take_deployment(self, text: str, spot: Spot) -> bool:
        """Take a line that the host may have written about a deployment."""
        if not _DEPLOYMENT.match(text):
            return False
        if len(self._deployments) < MOST_RUNS:
            self._deployments.append(spot)
        return True

    def known(self, *, backwards: bool) -> tuple[KnownLine, ...]:
        seen = {line: tally.seen(backwards=backwards) for line, tally in self._seen.of.items()}
        return tuple(KnownLine(line, seen.get(line)) for line in KNOWN_LINES)

    def order(self, *, backwards: bool) -> tuple[Run, ...]:
        runs = (Run(one.line, one.tally.seen(backwards=backwards)) for one in self._runs)
        return tuple(sorted(runs, key=lambda one: _when(one.seen.first, backwards)))

    def deployments(self, *, backwards: bool) -> tuple[Spot, ...]:
        return tuple(sorted(self._deployments, key=lambda one: _when(one, backwards)))

    def spans(self, *, backwards: bool) -> tuple[Span, ...]:
        """Return which storage was in use from when on, starts of the same one together."""
        starts = sorted(
            self._starts,
            key=lambda one: _when(one.tally.seen(backwards=backwards).first, backwards),
        )
        deployments = self.deployments(backwards=backwards)
        moments = [_when(one, backwards) for one in deployments]
        spans: list[Span] = []
        for one in starts:
            seen = one.tally.seen(backwards=backwards)
            before = bisect(moments, _when(seen.first, backwards))
            span = Span(
                one.backend, max(1, one.starts), seen, tuple(one.instances),
                deployments[before - 1] if before else None,
            )  # fmt: skip
            if spans and spans[-1].backend == span.backend:
                spans[-1] = _joined(spans[-1], span)
            else:
                if spans and spans[-1].deployment == span.deployment:
                    # That deployment was the other's.
                    span = Span(span.backend, span.starts, span.seen, span.instances)
                spans.append(span)
        return tuple(spans)

    def _note(self, line: str, found: re.Match[str], spot: Spot) -> None:
        self._seen.add(line, spot)
        if self._runs and self._runs[-1].line == line:
            self._runs[-1].tally.add(spot)
        elif len(self._runs) < MOST_RUNS:
            self._runs.append(_Run(line, Tally(spot, spot)))
        else:
            self.cut = True
        if line in _BACKENDS:
            self._start(line, spot)
        elif line == LOG_ADDED:
            self.saved.add(found[1], spot)
        elif line == LOG_FOUND:
            (self.asked if int(found[1]) else self.empty).add(found[2], spot)

    def _start(self, line: str, spot: Spot) -> None:
        backend = _BACKENDS[line]
        last = self._starts[-1] if self._starts else None
        if last is None or last.backend != backend:
            if len(self._starts) >= MOST_RUNS:
                self.cut = True
                return
            last = _Start(backend, Tally(spot, spot))
            self._starts.append(last)
        else:
            last.tally.add(spot)
        last.starts += line in (LOG_S3_READY, LOG_CHROMA_READY)
        if spot.instance and len(last.instances) < _MOST_INSTANCES:
            last.instances[spot.instance] = None


def canonical(raw: str) -> UserId | None:
    """Return the canonical id, None for what can be none and for users of redeploy tests."""
    try:
        user_id = normalize_user_id(raw)
    except InvalidUserId:
        return None
    return None if is_probe(user_id) else user_id


def by_user(tallies: Tallies[str]) -> Iterator[tuple[UserId, str, Tally]]:
    """Yield canonical id, id as it stands in the log, and its tally."""
    for raw, tally in tallies.of.items():
        if user_id := canonical(raw):
            yield user_id, raw, tally


def _when(spot: Spot, backwards: bool) -> tuple[float, int]:
    at = spot.at.timestamp() if spot.at else 0.0
    return at, -spot.line if backwards else spot.line


def _joined(one: Span, other: Span) -> Span:
    instances = tuple(dict.fromkeys((*one.instances, *other.instances)))[:_MOST_INSTANCES]
    seen = Seen(one.seen.count + other.seen.count, one.seen.first, other.seen.last)
    return Span(one.backend, one.starts + other.starts, seen, instances, one.deployment)
