"""The record of the standing proof: one small object after each check, which continues the last.

Each holds the whole state, with the receipt of the probes, so that the newest is enough; a few
older ones are kept in case it is damaged.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal, get_args
from uuid import uuid4

from ..model.counting import counted
from ..model.encoder import decode, encode
from ..settings import Deployment
from ..storage.objects import ObjectStore, take
from .probes import ReadBack, StandingProbe

_PROOF: Final = "watch/v1/proof/"
_LOSSES_KEPT: Final = 100
_READ_BACK: Final = 5
KEPT: Final = 20
"""The number of records that stay when older ones are deleted."""

Outcome = Literal["begun", "proven", "missed", "removed", "lost"]
"""Stored, not yet checked; all there; stored, but not found by a question; deleted by a call; lost.

The worst of the probes counts.
"""
Wrong = Literal["lost", "removed", "missed"]
_WORST_FIRST: Final[Sequence[Wrong]] = get_args(Wrong)


@dataclass(frozen=True, slots=True)
class Loss:
    """Probes that were not as they should be, reported once. Times are ISO 8601 in UTC, or empty.

    It happened after `passed_at`, the last good check, which ran on `commit_before`, and before
    `at`, on `commit` and `instance`.
    """

    at: str
    outcome: Wrong
    probes: tuple[int, ...]
    detail: str
    passed_at: str
    commit_before: str
    commit: str
    instance: str

    def sentence(self, of: int) -> str:
        """Return what happened, and between which checks, in a sentence."""
        words = {"missed": "not found by questions", "removed": "deleted by a call", "lost": "lost"}
        were = "was" if len(self.probes) == 1 else "were"
        after = f" after {_utc(self.passed_at)}" if self.passed_at else ""
        if self.commit_before and self.commit_before != self.commit:
            after += f", between commits {self.commit_before[:8]} and {self.commit[:8] or 'none'}"
        elif self.commit:
            after += f", on commit {self.commit[:8]}"
        return (
            f"{len(self.probes)} of {counted(of, 'probe')} {were} {words[self.outcome]}"
            f"{after}, found at {_utc(self.at)}: {self.detail}."
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """The state after a check. Times are ISO 8601 in UTC, or empty; the `id` is its own.

    `proven_since` is the first of the good checks that nothing has interrupted since, `passed_at`
    the last good one, on `passed_commit`. `noted` are the probes of this receipt whose loss is on
    record. `losses` has the newest 100, oldest first.
    """

    number: int
    at: str
    outcome: Outcome
    receipt: tuple[StandingProbe, ...]
    id: str = field(default_factory=lambda: uuid4().hex)
    checks: int = 0
    failed: int = 0
    begun_at: str = ""
    proven_since: str = ""
    passed_at: str = ""
    passed_commit: str = ""
    commit: str = ""
    instance: str = ""
    noted: tuple[int, ...] = ()
    losses: tuple[Loss, ...] = ()

    @property
    def well(self) -> bool:
        """True unless the last check found something wrong."""
        return self.outcome in ("begun", "proven")

    @property
    def sentence(self) -> str:
        """The state in one sentence."""
        if self.outcome == "begun":
            return "The probes are stored, and are checked from now on."
        if self.outcome == "proven":
            probes, checks = counted(len(self.receipt), "probe"), counted(self.checks, "check")
            return f"Each of {probes} is there and found by the last of {checks}."
        return self.losses[-1].sentence(len(self.receipt))


def continued(before: Proof, results: Sequence[ReadBack], here: Deployment) -> Proof:
    """Return the state after a check of the probes of `before`."""
    now, host = datetime.now(UTC).isoformat(timespec="seconds"), here.instance or here.host or ""
    bad = [result for result in results if result.outcome != "ok"]
    proof = replace(
        before,
        number=before.number + 1,
        id=uuid4().hex,
        at=now,
        checks=before.checks + 1,
        commit=here.commit or "",
        instance=host,
    )
    if not bad:
        since = before.proven_since if before.outcome == "proven" else now
        return replace(
            proof,
            outcome="proven",
            proven_since=since,
            passed_at=now,
            passed_commit=proof.commit,
            noted=(),
        )
    # A probe that was only missed before, and is lost now, is reported again.
    new = [
        each
        for each in bad
        if each.number not in before.noted or before.outcome == "missed" != each.outcome
    ]
    place, losses = (before.passed_at, before.passed_commit, proof.commit, host), before.losses
    for outcome in reversed(_WORST_FIRST):
        if same := [each for each in new if each.outcome == outcome]:
            numbers = tuple(each.number for each in same)
            detail = f"probe {numbers[0]}, {same[0].detail}"
            losses = (*losses, Loss(now, outcome, numbers, detail, *place))
    return replace(
        proof,
        outcome=next(word for word in _WORST_FIRST if any(word == each.outcome for each in bad)),
        failed=before.failed + 1,
        losses=losses[-_LOSSES_KEPT:],
        noted=tuple(sorted({each.number for each in bad}.union(before.noted))),
    )


def begin(number: int, receipt: tuple[StandingProbe, ...], before: Proof | None) -> Proof:
    """Return the state with newly stored probes: the first one, or in place of lost ones."""
    if before is None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Proof(number, now, "begun", receipt, begun_at=now)
    return replace(before, number=number, id=uuid4().hex, receipt=receipt, noted=())


def read_proof(objects: ObjectStore, latest: Proof | None = None) -> tuple[int, Proof | None]:
    """Return the newest number and state, those of `latest` if there is none after it.

    The state is None before the first check. One request, and one more to read a new state;
    damaged objects are skipped.
    """
    after = _key(latest.number) if latest else ""
    keys = sorted(
        key
        for key in objects.list(_PROOF, after)
        if key > after and key[len(_PROOF) :].removesuffix(".json").isdecimal()
    )
    newest = int(keys[-1][len(_PROOF) :].partition(".")[0]) if keys else 0
    for key in reversed(keys[-_READ_BACK:]):
        try:
            return newest, replace(_decode(objects.get(key) or b""), number=newest)
        except (ValueError, RecursionError):
            continue
    return (newest or latest.number, latest) if latest else (newest, None)


def keep(objects: ObjectStore, proof: Proof) -> bool:
    """Write the state; return False if another instance wrote one of that number before."""
    data = json.dumps(encode(proof), ensure_ascii=False).encode()
    return take(objects, _key(proof.number), data)


def keys_before(number: int) -> list[str]:
    """Return the keys of the states of earlier rounds, most of which are deleted already."""
    return [_key(old) for old in range(max(1, number - 3 * KEPT), number - KEPT)]


def _utc(moment: str) -> str:
    return moment.replace("T", " ").replace("+00:00", " UTC")


def _key(number: int) -> str:
    return f"{_PROOF}{number:012d}.json"


def _decode(data: bytes) -> Proof:
    proof = decode(Proof, json.loads(data))
    if not proof.receipt:
        raise ValueError("no state of a standing proof")
    return proof
