"""What a migration finds, plans, does and proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Literal

from ..errors import MigrationConflict, MigrationError, VerificationFailed
from ..memories.repository import Here
from ..model.user_id import UserId
from ..storage.vectors.base import PUT_BATCH
from .incoming import IntakeReport, Outcome

COPIED = (Outcome.ADDED, Outcome.OVERWRITTEN, Outcome.KEPT_BOTH)
SKIPPED = (
    Outcome.ALREADY, Outcome.DUPLICATE, Outcome.KEPT, Outcome.DELETED, Outcome.FORGOTTEN,
)  # fmt: skip
FAILED = (Outcome.REFUSED, Outcome.CONFLICT)

Vectors = Literal["kept", "made anew", "none there"]
"""What becomes of the vectors of a source: kept where the embedder in use makes the same."""


@dataclass(frozen=True, slots=True)
class Part:
    """One collection, index or file of a source; `skipped` says why it is left out, if it is."""

    name: str
    rows: int
    dimensions: int | None = None
    metric: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One id with two texts: what is here, and what the source has; times as they stand there."""

    id: str
    user_id: UserId
    here: str
    theirs: str
    here_at: str = ""
    theirs_at: str = ""


@dataclass(frozen=True, slots=True)
class UserPlan:
    """What the source has of one user, in which `forms` of the id, and what becomes of it."""

    user_id: UserId
    forms: Mapping[str, int]
    counts: Mapping[Outcome, int]
    to_embed: int

    @property
    def normalised(self) -> int:
        """How many memories stand under another form of the id than the canonical one."""
        return sum(count for raw, count in self.forms.items() if raw != self.user_id)


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long it takes and how many requests, and what both were worked out from."""

    seconds: float
    requests: int
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceSurvey:
    """What was found in a source before anything was decided.

    `split` texts were too long for one memory, `with_history` bring earlier events along. Of
    `sampled` vectors `agreed` are what the embedder in use makes of the text. `digest` differs
    when anything in the source does.
    """

    parts: tuple[Part, ...]
    rows: int
    split: int
    with_history: int
    vectors: Vectors
    sampled: int
    agreed: int
    digest: str
    embed_seconds: float = 0.0
    """How long one text took to embed, 0 where none was."""


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What `apply` would do; nothing was written. `intake` has counts, refused and users."""

    source: str
    target: str
    as_of: datetime
    survey: SourceSurvey
    intake: IntakeReport
    users: tuple[UserPlan, ...]
    conflicts: tuple[Conflict, ...]
    estimate: Estimate

    @property
    def planned(self) -> int:
        """How many memories would be written."""
        return count(self.intake, COPIED)

    @property
    def skipped(self) -> int:
        return count(self.intake, SKIPPED)

    @property
    def failed(self) -> int:
        """How many cannot be taken: refused, or in conflict and not decided."""
        return count(self.intake, FAILED)

    @property
    def to_embed(self) -> int:
        return sum(user.to_embed for user in self.users)

    @property
    def normalised(self) -> int:
        return sum(user.normalised for user in self.users)


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What `apply` did. Everything that has to be there was read back by count and digest."""

    source: str
    target: str
    started_at: datetime
    finished_at: datetime
    survey: SourceSurvey
    intake: IntakeReport
    conflicts: tuple[Conflict, ...] = ()

    @property
    def copied(self) -> int:
        return count(self.intake, COPIED)

    @property
    def skipped(self) -> int:
        return count(self.intake, SKIPPED)

    @property
    def failed(self) -> int:
        return count(self.intake, FAILED)

    @property
    def ok(self) -> bool:
        """Whether nothing was refused or undecided, and all of it was read back."""
        return not self.failed and self.intake.verified is not False

    def check(self) -> None:
        """Raise MigrationConflict where somebody has to decide, MigrationError where not all is ok.

        For callers that go on only with everything there.
        """
        if undecided := self.intake.counts[Outcome.CONFLICT]:
            raise MigrationConflict(
                f"{undecided:,} memories of {self.source!r} have another text under their id here; "
                "decide with verdicts and apply again",
                self,
            )
        if not self.ok:
            raise MigrationError(
                f"{self.failed:,} memories of {self.source!r} were refused, or not all was read "
                "back; the report says which and why"
            )


@dataclass(frozen=True, slots=True)
class MigrationDifference:
    """A memory of the source that is not there as it is in the source, and how it differs."""

    id: str | None
    user_id: UserId
    detail: str


@dataclass(frozen=True, slots=True)
class VerifiedUser:
    """One user: `expected` memories of the source, `found` of them the same; digests of both."""

    user_id: UserId
    expected: int
    found: int
    expected_digest: str
    found_digest: str
    left_out: int = 0
    """Deleted or forgotten here, or decided against; they stay so."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Every memory of a source beside what the service has of it, by id and content."""

    source: str
    target: str
    as_of: datetime
    survey: SourceSurvey
    intake: IntakeReport = field(repr=False)
    users: tuple[VerifiedUser, ...] = field(repr=False, default=())
    differences: tuple[MigrationDifference, ...] = ()
    differing: int = 0

    @property
    def expected(self) -> int:
        return sum(user.expected for user in self.users)

    @property
    def found(self) -> int:
        return sum(user.found for user in self.users)

    @property
    def failed(self) -> int:
        return count(self.intake, FAILED)

    @property
    def verified(self) -> bool:
        """Whether everything that can be there is there, the same in every part."""
        return not self.differing and not self.failed and self.found == self.expected

    def check(self) -> None:
        """Raise VerificationFailed, which carries this, where it is not verified."""
        if not self.verified:
            raise VerificationFailed(
                f"{self.differing:,} memories of {self.source!r} differ in {self.target!r} and "
                f"{self.failed:,} could not be taken; migrate again, or see what differs",
                self,
            )


def count(intake: IntakeReport, outcomes: tuple[Outcome, ...]) -> int:
    """Return how many memories had one of the outcomes."""
    return sum(intake.counts[outcome] for outcome in outcomes)


_KEYS_A_READ = 100
# What one took against Amazon from the same region, rounded up.
_PUT_S, _REQUEST_S, _LOCAL_S = 1.0, 0.05, 0.002


def estimate(parts: Here, survey: SourceSurvey, users: Sequence[UserPlan]) -> Estimate:
    """Return what writing the planned memories and reading them back takes."""
    planned_by_user = [sum(user.counts.get(kind, 0) for kind in COPIED) for user in users]
    planned = sum(planned_by_user)
    embedded = sum(user.to_embed for user in users)
    seconds = embedded * (survey.embed_seconds or _LOCAL_S)
    measured = f" at {survey.embed_seconds * 1000:.1f} ms each, as measured"
    assumptions = [
        f"{planned:,} memories to write, of which {embedded:,} are embedded"
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
        f"{entries:,} ledger objects, {lists:,} lists and {reads:,} GetVectors, about "
        f"{_REQUEST_S * 1000:.0f} ms each",
    ]
    return Estimate(round(seconds, 1), puts + entries + lists + reads, tuple(assumptions))
