"""The proof: every memory of the source beside what the service has of it, by id and content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from ..ledger import Ledger
from ..memories.reader import Memories
from ..memories.repository import Here, Service
from ..model.payload import differing, time_of
from ..model.records import Progress
from ..model.user_id import UserId
from .incoming import Checked, Digest, IntakeReport, Outcome, Verdicts
from .ingest import Intake
from .migrate import LISTED, read_source, refuse_all, windows
from .migration_report import COPIED, MigrationDifference, Verification, VerifiedUser
from .resolve import Decision
from .sources import address_of
from .staging import Spool

_INCIDENTAL = {"hash", "revision"}
_LEFT_OUT = (Outcome.DELETED, Outcome.FORGOTTEN, Outcome.KEPT)


@dataclass
class _User:
    expected: Digest = field(default_factory=Digest)
    found: Digest = field(default_factory=Digest)
    left_out: int = 0


class _Comparison:
    """What was compared so far."""

    def __init__(self) -> None:
        self.users: dict[UserId, _User] = {}
        self.differences: list[MigrationDifference] = []
        self.differing = 0

    def user(self, user_id: UserId) -> _User:
        return self.users.setdefault(user_id, _User())

    def differs(self, memory_id: str | None, user_id: UserId, detail: str) -> None:
        self.differing += 1
        if len(self.differences) < LISTED:
            self.differences.append(MigrationDifference(memory_id, user_id, detail))

    def result(self) -> tuple[VerifiedUser, ...]:
        return tuple(
            VerifiedUser(
                user_id,
                one.expected.count,
                one.found.count,
                str(one.expected),
                str(one.found),
                one.left_out,
            )
            for user_id, one in sorted(self.users.items())
        )


def verify(
    service: Service,
    source: str,
    *,
    user: str | None = None,
    history: Path | None = None,
    verdicts: Verdicts | None = None,
    on_progress: Progress | None = None,
) -> Verification:
    """Compare every memory of the source with the target; arguments as for `apply`.

    Text, metadata, times, agent, run and role have to be the same. What was changed here
    since it came, or deleted, is no difference. Nothing is written.

    Raises:
        MigrationError: there is no such source.
        BackendError: something did not answer.
    """
    tally = _Comparison()
    with read_source(service, source, user, history) as (spool, survey):
        report = _compare(
            service.parts, spool, source, verdicts or Verdicts(), tally, survey.rows, on_progress
        )
    return Verification(
        source=source,
        target=address_of(service.parts.backend),
        as_of=datetime.now(UTC),
        survey=survey,
        intake=report,
        users=tally.result(),
        differences=tuple(tally.differences),
        differing=tally.differing,
    )


def _compare(
    parts: Here,
    spool: Spool,
    source: str,
    verdicts: Verdicts,
    tally: _Comparison,
    total: int,
    on_progress: Progress | None,
) -> IntakeReport:
    # A ledger that knows nothing yet: what was written does not vouch for itself.
    ledger = Ledger(parts.backend.objects, frugal=True)
    memories = Memories(ledger, parts.store, parts.embedder)
    decided: list[Decision] = []
    with Intake(
        ledger,
        parts.store,
        parts.embedder,
        source,
        dry_run=True,
        verdicts=verdicts,
        watch=decided.append,
    ) as intake:
        refuse_all(intake, spool)
        done = 0
        for batch in windows(spool.rows()):
            intake.take(batch)
            for user_id, group in groupby(decided, key=lambda one: one.checked.user_id):
                _compare_user(ledger, memories, user_id, list(group), tally)
            decided.clear()
            done += len(batch)
            if on_progress:
                on_progress(done, max(total, done))
        return intake.finish(ledger)


def _compare_user(
    ledger: Ledger, memories: Memories, user_id: UserId, decided: list[Decision], tally: _Comparison
) -> None:
    view, user = ledger.view(user_id), tally.user(user_id)
    there = {one.kept for one in decided if one.outcome is Outcome.ALREADY and one.kept}
    found, missing = memories.read(view, [one for one in there if one in view.live])
    for one in decided:
        memory_id, checked = one.checked.carried.id, one.checked
        if one.outcome in _LEFT_OUT:
            user.left_out += 1
        elif one.outcome in COPIED:
            user.expected.add(one.kept or memory_id or "", checked.text)
            tally.differs(memory_id, user_id, "it is not there")
        elif one.outcome is Outcome.ALREADY and one.kept:
            user.expected.add(one.kept, checked.text)
            if one.kept not in found:
                tally.differs(memory_id, user_id, "it was forgotten meanwhile")
                continue
            payload = found[one.kept].payload
            changed = view.live[one.kept].updated or memory_id not in (None, one.kept)
            keys = _differing(one.checked, payload)
            keys &= {"data"} if changed else keys
            # What has no id may have been saved here before.
            if memory_id is None:
                keys -= {"created_at", "updated_at"}
            if one.kept in missing:
                tally.differs(memory_id, user_id, "it is on record, and not searchable")
            elif keys:
                tally.differs(memory_id, user_id, f"{', '.join(sorted(keys))} differ")
            user.found.add(one.kept, payload["data"])


def _differing(checked: Checked, ours: Mapping[str, Any]) -> set[str]:
    theirs = checked.payload
    keys = set(differing(theirs, ours)) - _INCIDENTAL
    for name in {"created_at", "updated_at"} & keys:
        # One moment may be written in several time zones; what had none was given one here.
        moment = time_of(checked.carried.payload, name)
        if moment == time_of(ours, name) or (moment is None and name == "created_at"):
            keys.discard(name)
    return keys
