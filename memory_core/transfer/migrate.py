"""Migrating into the service: `plan` and `apply` read the source once and decide alike."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from ..activity import noted, recording
from ..ledger import Ledger
from ..memories.repository import Repository, Service
from ..model.counting import Progress, after, counted
from ..model.user_id import UserId
from ..storage.vectors.base import PUT_BATCH
from .conflict_resolver import Decision
from .incoming_writer import Intake
from .lease import TTL_S, Lease, note_done
from .migration_source import address_of, open_source
from .reports import (
    COPIED,
    Estimate,
    IntakeReport,
    MigrationPlan,
    MigrationReport,
    Outcome,
    SourceSurvey,
    UserPlan,
    Verdicts,
)
from .staging import Staging

_KEYS_A_READ = 100
# As measured against Amazon from the same region, rounded up.
_PUT_S, _REQUEST_S, _LOCAL_S = 1.0, 0.05, 0.002


def plan(
    service: Service,
    source: str,
    *,
    user: str | None = None,
    history: Path | None = None,
    verdicts: Verdicts | None = None,
    on_progress: Progress | None = None,
) -> MigrationPlan:
    """Return what `apply` would do with the same arguments; nothing is written.

    `user` owns memories that name nobody; `history` is mem0's history.db, whose events are kept.
    Every memory is decided as `apply` would decide it, for which the service is read.

    Raises:
        MigrationError: there is no such source.
        BackendError: the source, the service or the embedder did not answer.
    """
    parts = service.parts
    with (
        read_source(service, source, user, history, on_progress) as (staging, survey),
        open_intake(parts, source, verdicts, dry_run=True) as intake,
    ):
        intake.take_all(staging.memories(), on_progress)
        report = intake.finish()
        users = tuple(_plans(staging, report, intake.totals.to_embed))
    return MigrationPlan(
        source=source,
        target=address_of(parts.backend),
        as_of=datetime.now(UTC),
        survey=survey,
        intake=report,
        users=users,
        conflicts=tuple(intake.totals.conflicts),
        estimate=_estimate(parts, survey, users),
    )


@noted("migrate", lambda report: counted(report.copied, "memory"), of=None)
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

    The source is not changed, and nothing is copied twice: the next call finishes one that was cut
    off, or that `on_progress`, which is called between batches, ended by raising. Memories that
    were deleted or forgotten here stay so. Where an id has another text here, that stays unless
    `verdicts` say otherwise; the report lists these conflicts.

    Raises:
        MigrationError: there is no such source.
        BackendUnavailable: another process is migrating to the same place.
        NotIndexed, BackendError: something did not answer; repeat the call to go on.
    """
    started = datetime.now(UTC)
    with read_source(service, source, user, history, on_progress) as (staging, survey):
        return copy(service, source, staging, survey, started, verdicts, lease_ttl_s, on_progress)


def copy(
    service: Service,
    source: str,
    staging: Staging,
    survey: SourceSurvey,
    started: datetime,
    verdicts: Verdicts | None = None,
    lease_ttl_s: float = TTL_S,
    on_progress: Progress | None = None,
) -> MigrationReport:
    """Copy a source that was read, as `apply` does; notes itself unless the caller is noted."""
    parts = service.parts
    objects = parts.backend.objects
    with (
        Lease(objects, source, ttl_s=lease_ttl_s) as lease,
        recording(service.activity, "migrate") as operation,
    ):

        def advance(done: int, total: int) -> None:
            lease.renew(done, total)
            if on_progress:
                on_progress(done, total)

        with open_intake(parts, source, verdicts) as intake:
            done = intake.take_all(staging.memories(), advance, survey.rows, rounds=2)
            report = intake.finish(after(advance, done))
        migrated = MigrationReport(
            source=source,
            target=address_of(parts.backend),
            started_at=started,
            finished_at=datetime.now(UTC),
            survey=survey,
            intake=report,
            conflicts=tuple(intake.totals.conflicts),
        )
        operation.detail = counted(migrated.copied, "memory")
    if report.verified:
        note_done(objects, migrated)
    return migrated


@contextmanager
def read_source(
    service: Service,
    source: str,
    user: str | None = None,
    history: Path | None = None,
    on_progress: Progress | None = None,
    *,
    sample: bool = True,
) -> Iterator[tuple[Staging, SourceSurvey]]:
    """Yield all memories of the source and a survey of it; the source is closed by then.

    `on_progress` gets the number of memories read so far; the total is not known yet. Without the
    `sample` no vector is compared, and nothing is embedded.
    """
    with Staging(service.parts.embedder, user) as staging:
        with open_source(service, source, user=user, history=history) as opened:
            survey = staging.fill(opened, on_progress, sample=sample)
        yield staging, survey


def open_intake(
    parts: Repository,
    source: str,
    verdicts: Verdicts | None,
    watch: Callable[[Decision], None] | None = None,
    *,
    dry_run: bool = False,
) -> Intake:
    """Return an intake with a ledger whose caches are empty; `watch` gets every decision."""
    return Intake(
        Ledger(parts.backend.objects, frugal=True),
        parts.store,
        parts.embedder,
        source,
        dry_run=dry_run,
        verdicts=verdicts or Verdicts(),
        watch=watch,
    )


def _plans(
    staging: Staging, report: IntakeReport, to_embed: Mapping[UserId, int]
) -> Iterator[UserPlan]:
    forms: dict[UserId, dict[str, int]] = {}
    for user_id, raw, count in staging.forms():
        forms.setdefault(user_id, {})[raw] = count
    counts = {user.user_id: user.counts for user in report.users}
    for user_id, of_user in forms.items():
        none: Counter[Outcome] = Counter()
        yield UserPlan(user_id, of_user, counts.get(user_id, none), to_embed.get(user_id, 0))


def _estimate(parts: Repository, survey: SourceSurvey, users: Sequence[UserPlan]) -> Estimate:
    """Return what writing the planned memories and reading them back takes."""
    planned_by_user = [sum(user.counts.get(kind, 0) for kind in COPIED) for user in users]
    planned = sum(planned_by_user)
    embedded = sum(user.to_embed for user in users)
    seconds = embedded * (survey.embed_seconds or _LOCAL_S)
    measured = f" at {survey.embed_seconds * 1000:.1f} ms each, as measured"
    assumptions = [
        f"{counted(planned, 'memory')} to write, {embedded:,} to embed"
        + (measured if survey.sampled else "")
    ]
    if parts.backend.name != "s3_vectors":
        assumptions.append(f"a local store takes {_LOCAL_S * 1000:.0f} ms for a memory")
        return Estimate(round(seconds + planned * _LOCAL_S, 1), 0, tuple(assumptions))
    already_there = sum(user.counts.get(Outcome.ALREADY, 0) for user in users)
    puts = ceil(planned / PUT_BATCH)
    entries = sum(ceil(count / PUT_BATCH) for count in planned_by_user)
    reads = ceil((2 * planned + already_there) / _KEYS_A_READ) * 2
    lists = 2 * len(users)
    seconds += puts * _PUT_S + (entries + lists + reads) * _REQUEST_S
    assumptions += [
        f"{puts:,} PutVectors of up to {PUT_BATCH}, about {_PUT_S:.0f} s each",
        f"{counted(entries, 'ledger object')}, {counted(lists, 'list')} and {reads:,} GetVectors, "
        f"about {_REQUEST_S * 1000:.0f} ms each",
    ]
    return Estimate(round(seconds, 1), puts + entries + lists + reads, tuple(assumptions))
