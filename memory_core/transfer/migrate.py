"""plan and apply: both read the source once, and ask the same desk what becomes of each memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..activity import memories, noted, recording
from ..ledger import Ledger
from ..memories.repository import Here, Service
from ..model.batches import batches
from ..model.progress import after
from ..model.records import Progress
from ..model.user_id import UserId
from ..storage.vectors.base import PUT_BATCH
from .incoming import Carried, IntakeReport, Outcome, Verdicts
from .ingest import Intake
from .lease import TTL_S, Lease, note_done
from .migration_report import (
    COPIED,
    Conflict,
    MigrationPlan,
    MigrationReport,
    SourceSurvey,
    UserPlan,
    estimate,
)
from .resolve import Decision
from .sources import address_of, open_source
from .staging import Spool

_WINDOW = 4 * PUT_BATCH
_WINDOW_BYTES = 16 * 1024**2
_SLACK = 100
"""A window may be so much shorter, so that it ends with a user."""
LISTED = 1_000
"""How many conflicts a plan or a report lists."""


@dataclass
class _Decisions:
    """Notes what the desk decides."""

    conflicts: list[Conflict] = field(default_factory=list)
    to_embed: Counter[UserId] = field(default_factory=Counter)

    def __call__(self, decision: Decision) -> None:
        one = decision.checked
        if decision.outcome in COPIED and one.carried.values is None:
            self.to_embed[one.user_id] += 1
        if decision.here is not None and len(self.conflicts) < LISTED:
            self.conflicts.append(
                Conflict(
                    id=one.carried.id or "",
                    user_id=one.user_id,
                    here=str(decision.here["data"]),
                    theirs=one.text,
                    here_at=_when(decision.here),
                    theirs_at=_when(one.payload),
                )
            )


def plan(
    service: Service,
    source: str,
    *,
    user: str | None = None,
    history: Path | None = None,
    verdicts: Verdicts | None = None,
    on_progress: Progress | None = None,
) -> MigrationPlan:
    """Say what `apply` would do with the same arguments; nothing is written.

    `user` owns what names nobody; `history` is mem0's history.db, whose events come along. Every
    memory is decided as `apply` would decide it, for which the service is read.

    Raises:
        MigrationError: there is no such source.
        BackendError: the source, the service or the embedder did not answer.
    """
    parts, reading = service.parts, _reading(on_progress)
    with read_source(service, source, user, history, reading) as (spool, survey):
        watch = _Decisions()
        with _intake(parts, source, verdicts, watch, dry_run=True) as intake:
            _take(intake, spool, on_progress)
            report = intake.finish(Ledger(parts.backend.objects, frugal=True))
        users = tuple(_plans(spool, report, watch))
        return MigrationPlan(
            source=source,
            target=address_of(parts.backend),
            as_of=datetime.now(UTC),
            survey=survey,
            intake=report,
            users=users,
            conflicts=tuple(watch.conflicts),
            estimate=estimate(parts, survey, users),
        )


@noted("migrate", lambda report: memories(report.copied), of=None)
def apply(
    service: Service,
    source: str,
    *,
    user: str | None = None,
    history: Path | None = None,
    verdicts: Verdicts | None = None,
    lease_ttl_s: float = TTL_S,
    on_progress: Progress | None = None,
) -> MigrationReport:
    """Copy what is not there yet, and read all of it back; arguments as for `plan`.

    The source is not changed. Nothing is copied twice: a call that was cut off, or that ended
    since `on_progress` raised, which it is called for between two batches, is finished by the next.
    What was deleted or forgotten here stays so. Other texts under an id that is there
    stay where they are unless `verdicts` say otherwise; they are in the report.

    Raises:
        MigrationError: there is no such source.
        BackendUnavailable: another process is migrating to the same place.
        NotIndexed, BackendError: something did not answer; repeat the call to go on.
    """
    report = apply_unless(
        service,
        source,
        None,
        user=user,
        history=history,
        verdicts=verdicts,
        lease_ttl_s=lease_ttl_s,
        on_progress=on_progress,
    )
    assert report is not None
    return report


def apply_unless(
    service: Service,
    source: str,
    unless: Callable[[SourceSurvey], bool] | None,
    *,
    user: str | None = None,
    history: Path | None = None,
    verdicts: Verdicts | None = None,
    lease_ttl_s: float = TTL_S,
    on_progress: Progress | None = None,
) -> MigrationReport | None:
    """As `apply`; None, and nothing is done, where `unless` says so of what was found.

    By itself it is noted from the moment on at which it begins to copy.
    """
    started = datetime.now(UTC)
    with read_source(service, source, user, history, _reading(on_progress)) as (spool, survey):
        if unless and unless(survey):
            return None
        parts, watch = service.parts, _Decisions()
        objects = parts.backend.objects
        with (
            Lease(objects, source, ttl_s=lease_ttl_s) as lease,
            recording(service.activity, "migrate") as operation,
        ):

            def advance(done: int, total: int) -> None:
                lease.renew(done, total)
                if on_progress:
                    on_progress(done, total)

            with _intake(parts, source, verdicts, watch) as intake:
                done = _take(intake, spool, advance, survey.rows)
                taken = intake.finish(Ledger(objects, frugal=True), after(advance, done))
            report = MigrationReport(
                source=source,
                target=address_of(parts.backend),
                started_at=started,
                finished_at=datetime.now(UTC),
                survey=survey,
                intake=taken,
                conflicts=tuple(watch.conflicts),
            )
            operation.detail = memories(report.copied)
        if taken.verified:
            note_done(objects, report)
        return report


def _reading(on_progress: Progress | None) -> Callable[[int], None] | None:
    """Return what tells how much of a source was read; how much it has is not known yet."""
    return (lambda count: on_progress(0, count)) if on_progress else None


@contextmanager
def read_source(
    service: Service,
    source: str,
    user: str | None,
    history: Path | None,
    told: Callable[[int], None] | None = None,
) -> Iterator[tuple[Spool, SourceSurvey]]:
    """Yield everything that the source has; it is closed by then."""
    with Spool(service.parts.embedder, user) as spool:
        with open_source(service, source, user=user, history=history) as opened:
            survey = spool.fill(opened, told)
        yield spool, survey


def _intake(
    parts: Here, source: str, verdicts: Verdicts | None, watch: _Decisions, *, dry_run: bool = False
) -> Intake:
    return Intake(
        Ledger(parts.backend.objects, frugal=True),
        parts.store,
        parts.embedder,
        source,
        dry_run=dry_run,
        verdicts=verdicts or Verdicts(),
        watch=watch,
    )


def _take(intake: Intake, spool: Spool, on_progress: Progress | None, total: int = 0) -> int:
    """Take every memory in; return how many there were."""
    refuse_all(intake, spool)
    done = 0
    for batch in windows(spool.rows()):
        intake.take(batch)
        done += len(batch)
        if on_progress:
            on_progress(done, max(total * 2, done))
    return done


def refuse_all(intake: Intake, spool: Spool) -> None:
    """Count everything that cannot be taken as a memory."""
    for number, one, user, reason in spool.problems():
        intake.refuse(number, reason, memory_id=one, user_id=user)


def windows(rows: Iterator[Carried]) -> Iterator[list[Carried]]:
    """Return memories in batches that fit into memory and fill requests, cut between users."""
    return batches(
        rows,
        _WINDOW,
        max_bytes=_WINDOW_BYTES,
        size_of=Carried.size_bytes,
        slack=_SLACK,
        group_of=lambda carried: carried.user_id,
    )


def _plans(spool: Spool, report: IntakeReport, watch: _Decisions) -> Iterator[UserPlan]:
    forms: dict[UserId, dict[str, int]] = {}
    for user_id, raw, count in spool.forms():
        forms.setdefault(user_id, {})[raw] = count
    counts = {user.user_id: user.counts for user in report.users}
    for user_id, found in forms.items():
        none: Counter[Outcome] = Counter()
        yield UserPlan(user_id, found, counts.get(user_id, none), watch.to_embed[user_id])


def _when(payload: object) -> str:
    found = dict(payload) if isinstance(payload, dict) else {}
    return str(found.get("updated_at") or found.get("created_at") or "")
