"""The proof: every memory of the source beside what the target has of it, by id and content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from ..elsewhere import Here
from ..errors import InvalidMemory, InvalidUserId
from ..identity import UserId
from ..intake import (
    Checked,
    Decision,
    Digest,
    Intake,
    IntakeReport,
    Outcome,
    Problem,
    Verdicts,
    check,
)
from ..ledger import Ledger
from ..memories import Memories
from ..payloads import adopt, differing, time_of
from ..records import Progress
from .sources import Service, open_source
from .spool import Spool
from .targets import file_of, open_target
from .values import COPIED, Difference, Verification, VerifiedUser
from .work import LISTED, read_source, refuse_all, windows
from .writing import key_of

_INCIDENTAL = {"hash", "revision"}
_LEFT_OUT = (Outcome.DELETED, Outcome.FORGOTTEN, Outcome.KEPT)


@dataclass
class _User:
    expected: Digest = field(default_factory=Digest)
    found: Digest = field(default_factory=Digest)
    left_out: int = 0


class _Tally:
    """What was compared so far."""

    def __init__(self) -> None:
        self.users: dict[UserId, _User] = {}
        self.differences: list[Difference] = []
        self.differing = 0

    def user(self, user_id: UserId) -> _User:
        return self.users.setdefault(user_id, _User())

    def differs(self, memory_id: str | None, user_id: UserId, detail: str) -> None:
        self.differing += 1
        if len(self.differences) < LISTED:
            self.differences.append(Difference(memory_id, user_id, detail))

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
    target: str | None = None,
    user: str | None = None,
    history: Path | None = None,
    verdicts: Verdicts | None = None,
    on_progress: Progress | None = None,
) -> Verification:
    """Compare every memory of the source with the target; arguments as for `apply`.

    Text, metadata, times, agent, run and role have to be the same. What was changed in the target
    since it came, or deleted there, is no difference. Nothing is written.

    Raises:
        MigrationError: the source or the target is none.
        BackendError: something did not answer.
    """
    tally = _Tally()
    with read_source(service, source, user, history) as (spool, survey):
        if file := file_of(target):
            name, report = f"jsonl:{file}", _compare_file(service, spool, source, file, tally)
        else:
            with open_target(service, target, writes=False) as (name, parts):
                report = _compare(
                    parts, spool, source, verdicts or Verdicts(), tally, survey.rows, on_progress
                )
    return Verification(
        source=source,
        target=name,
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
    tally: _Tally,
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
    ledger: Ledger, memories: Memories, user_id: UserId, decided: list[Decision], tally: _Tally
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


def _compare_file(
    service: Service, spool: Spool, source: str, file: Path, tally: _Tally
) -> IntakeReport:
    """Compare with the lines of a file."""
    counts: Counter[Outcome] = Counter()
    refused: list[Problem] = [Problem(*problem) for problem in spool.problems()]
    with Spool(service.parts.embedder, None) as theirs:
        with open_source(service, f"jsonl:{file}") as opened:
            theirs.fill(opened)
        for one in spool.rows():
            try:
                checked = check(one)
            except (InvalidMemory, InvalidUserId) as exc:
                refused.append(Problem(one.line, one.id, one.user_id, str(exc)))
                continue
            key, user = key_of(checked), tally.user(checked.user_id)
            user.expected.add(key, checked.text)
            counts[Outcome.ALREADY] += 1
            found = theirs.payload_of(checked.user_id, key)
            if found is None:
                tally.differs(key, checked.user_id, "it is not in the file")
                continue
            user.found.add(key, str(found.get("data")))
            ours = adopt({**found, "user_id": checked.user_id})
            if keys := _differing(checked, ours):
                tally.differs(key, checked.user_id, f"{', '.join(sorted(keys))} differ")
    counts[Outcome.REFUSED] = len(refused)
    return IntakeReport(
        source, "skip", True, {one: counts[one] for one in Outcome}, 0, 0, 0, 0,
        tuple(refused[:LISTED]), (), (),
    )  # fmt: skip


def _differing(checked: Checked, ours: Mapping[str, Any]) -> set[str]:
    theirs = checked.payload
    keys = set(differing(theirs, ours)) - _INCIDENTAL
    for name in {"created_at", "updated_at"} & keys:
        # One moment may be written in several time zones; what had none was given one here.
        moment = time_of(checked.carried.payload, name)
        if moment == time_of(ours, name) or (moment is None and name == "created_at"):
            keys.discard(name)
    return keys
