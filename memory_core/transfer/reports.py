"""Reports of exports, imports and migrations: plans, outcomes, counts and proofs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from ..errors import MigrationConflict, MigrationError, VerificationFailed
from ..ledger import Ledger
from ..model.counting import counted
from ..model.user_id import UserId
from .format import Header, Kind
from .incoming_memory import Incoming

Existing = Literal["skip", "overwrite", "keep-both"]
"""The rule for a memory whose id, or whose text, is there already.

`skip` leaves what is here as it is. `overwrite` gives a memory of the same id the text and metadata
that come in. `keep-both` keeps what is here, and what comes in beside it.
"""

Verdict = Literal["keep", "take", "both"]
"""A person's decision over an id that has another text here: keep ours, take theirs, or both."""

Vectors = Literal["kept", "made anew", "none there"]
"""The use of a source's vectors: kept if the embedder in use makes the same."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Decisions over conflicts: by the id of a memory, and for all others."""

    by_id: Mapping[str, Verdict] = field(default_factory=dict)
    others: Verdict | None = None

    def of(self, memory_id: str) -> Verdict | None:
        return self.by_id.get(memory_id, self.others)


class Outcome(StrEnum):
    """The outcome for one incoming memory."""

    ADDED = "added"
    ALREADY = "already_there"
    OVERWRITTEN = "overwritten"
    KEPT_BOTH = "kept_both"
    CONFLICT = "conflict"
    """Its id has another text here, which stays (`skip`)."""
    KEPT = "kept_here"
    """Its id has another text here, which a person chose, or which was changed here since."""
    DELETED = "deleted"
    """It was deleted here, or moved to another user, and stays so (`skip`)."""
    FORGOTTEN = "forgotten"
    """It is older than the forgetting of its user, which holds (`skip`)."""
    DUPLICATE = "duplicate"
    """The same memory came in before, in this call."""
    REFUSED = "refused"


COPIED = (Outcome.ADDED, Outcome.OVERWRITTEN, Outcome.KEPT_BOTH)
SKIPPED = (
    Outcome.ALREADY, Outcome.DUPLICATE, Outcome.KEPT, Outcome.DELETED, Outcome.FORGOTTEN,
)  # fmt: skip
FAILED = (Outcome.REFUSED, Outcome.CONFLICT)


@dataclass(frozen=True, slots=True)
class RefusedMemory:
    """One memory that was not taken as it came: its line in the source, and why."""

    line: int
    id: str | None
    user_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class UserResult:
    """The result for one user.

    `expected` memories have to be there afterwards, `found` of them were when they were read back;
    the digests are those of `Digest` over both. None if nothing was read back: in a dry run, or
    since nothing has to be there.
    """

    user_id: UserId
    counts: Mapping[Outcome, int]
    expected: int
    expected_digest: str
    found: int | None = None
    found_digest: str | None = None
    unindexed: int = 0
    """On record, but not in the store as recorded."""

    @property
    def verified(self) -> bool | None:
        """True if all that has to be there was read back; None if nothing was."""
        if self.found is None:
            return None
        return self.found_digest == self.expected_digest and not self.unindexed


@dataclass(frozen=True, slots=True)
class IntakeReport:
    """The result for everything that came in from `source`.

    `counts` has every outcome. Of those that were stored, `renamed` got an id of their own since
    theirs is another user's here, and `brought_back` had been deleted or forgotten here. Of those
    that were there already, `healed` were not in the store, and `unlike` came with other metadata
    or another expiry. `embedded` texts had no vector that could be kept. `refused` and `conflicts`
    list the first of each.
    """

    source: str
    existing: Existing
    dry_run: bool
    counts: Mapping[Outcome, int]
    renamed: int
    brought_back: int
    healed: int
    unlike: int
    embedded: int
    refused: tuple[RefusedMemory, ...]
    conflicts: tuple[RefusedMemory, ...]
    users: tuple[UserResult, ...] = field(repr=False)

    @property
    def read(self) -> int:
        """The number of memories that came in."""
        return sum(self.counts.values())

    @property
    def verified(self) -> bool | None:
        """True if everything that has to be there was read back; None for a dry run."""
        if self.dry_run:
            return None
        return all(user.verified is not False for user in self.users)


@dataclass(frozen=True, slots=True)
class UserPart:
    """One user's part of an export; the digest is that of `incoming_memory.Digest`."""

    memories: int
    digest: str


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A written export; `path` and `manifest` are None for a stream.

    `resumed` counts the memories that an earlier, interrupted call had written. `left_out` are
    users of whom the storage's listing left out entries: they are complete in the file, but the
    listing may have left out other users too.
    """

    path: Path | None
    manifest: Path | None
    kind: Kind
    header: Header
    memories: int
    bytes: int
    sha256: str
    resumed: int
    users: Mapping[str, UserPart] = field(repr=False)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import.

    `whole` is true for a complete and unchanged file, and None for one of another system, which
    cannot be checked. `unit` is what a line number counts. `left_out` counts by state the memories
    that are not in use in the other system, `not_carried` by name the fields that did not fit.
    """

    path: Path
    kind: Kind
    header: Header | None
    whole: bool | None
    intake: IntakeReport
    unit: Literal["line", "memory"] = "line"
    left_out: Mapping[str, int] = field(default_factory=dict)
    not_carried: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True if nothing was refused, and all of it was read back."""
        return not self.intake.refused and self.intake.verified is not False


@dataclass(frozen=True, slots=True)
class Part:
    """One collection, index or file of a source; `skipped` says why it is left out, if it is."""

    name: str
    rows: int
    dimensions: int | None = None
    metric: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class MigrationSource:
    """An opened source of memories; reading it changes nothing.

    `stored` yields everything that the store holds; `parts` lists its collections or files, and is
    complete after that. `ledger` is the record beside the store, if there is one: it decides what
    should be there.
    """

    stored: Callable[[], Iterator[Incoming]]
    parts: Callable[[], list[Part]]
    ledger: Ledger | None = None


@dataclass(frozen=True, slots=True)
class SourceSurvey:
    """The contents of a source, before anything was decided.

    `split` texts were too long for one memory, `with_history` have earlier events. Of `sampled`
    vectors, `agreed` are the same as the embedder in use makes. `digest` differs when anything in
    the source does.
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
    """The time that one text took to embed, 0 if none was."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One id with two texts: ours, and that of the source; times as written there."""

    id: str
    user_id: UserId
    here: str
    theirs: str
    here_at: str = ""
    theirs_at: str = ""


@dataclass(frozen=True, slots=True)
class UserPlan:
    """One user in the source: the `forms` of the id, and the outcomes."""

    user_id: UserId
    forms: Mapping[str, int]
    counts: Mapping[Outcome, int]
    to_embed: int

    @property
    def normalised(self) -> int:
        """The number of memories under another form of the id than the canonical one."""
        return sum(count for raw, count in self.forms.items() if raw != self.user_id)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The time and the requests that a migration takes, and the assumptions behind both."""

    seconds: float
    requests: int
    assumptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Migrated:
    """The fields that all reports of a migration have, and the counts in three groups."""

    source: str
    target: str
    survey: SourceSurvey
    intake: IntakeReport

    @property
    def skipped(self) -> int:
        return self._count(SKIPPED)

    @property
    def failed(self) -> int:
        """The number that cannot be taken: refused, or in conflict and not decided."""
        return self._count(FAILED)

    def _count(self, outcomes: tuple[Outcome, ...]) -> int:
        return sum(self.intake.counts[outcome] for outcome in outcomes)


@dataclass(frozen=True, slots=True)
class MigrationPlan(_Migrated):
    """A preview of `apply`; nothing was written. `intake` has counts, refused and users."""

    as_of: datetime
    users: tuple[UserPlan, ...]
    conflicts: tuple[Conflict, ...]
    estimate: Estimate

    @property
    def planned(self) -> int:
        """The number of memories that would be written."""
        return self._count(COPIED)

    @property
    def to_embed(self) -> int:
        return sum(user.to_embed for user in self.users)

    @property
    def normalised(self) -> int:
        return sum(user.normalised for user in self.users)


@dataclass(frozen=True, slots=True)
class MigrationReport(_Migrated):
    """The result of `apply`. Everything that has to be there was read back by count and digest."""

    started_at: datetime
    finished_at: datetime
    conflicts: tuple[Conflict, ...] = ()

    @property
    def copied(self) -> int:
        return self._count(COPIED)

    @property
    def ok(self) -> bool:
        """True if nothing was refused or undecided, and all of it was read back."""
        return not self.failed and self.intake.verified is not False

    def check(self) -> None:
        """Raise MigrationConflict if a decision is needed, MigrationError if not all is ok.

        For callers that continue only if everything was copied.
        """
        if undecided := self.intake.counts[Outcome.CONFLICT]:
            raise MigrationConflict(
                f"another text is here under the id of {counted(undecided, 'memory')} of "
                f"{self.source!r}; decide with verdicts and apply again",
                self,
            )
        if not self.ok:
            raise MigrationError(
                f"{self.source!r}: {counted(self.failed, 'memory')} refused, or not all was read "
                "back; the report says which and why"
            )


@dataclass(frozen=True, slots=True)
class MigrationDifference:
    """A memory that is not here as in the source, and how it differs."""

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
class Verification(_Migrated):
    """Every memory of a source compared with the service, by id and content."""

    as_of: datetime
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
    def verified(self) -> bool:
        """True if everything that can be there is there, the same in every part."""
        return not self.differing and not self.failed and self.found == self.expected

    def check(self) -> None:
        """Raise VerificationFailed, which carries this, unless it is verified."""
        if not self.verified:
            raise VerificationFailed(
                f"of {self.source!r}, {counted(self.differing, 'memory')} not the same in "
                f"{self.target!r} and {self.failed:,} not taken; migrate again, or read the "
                "differences in the report",
                self,
            )
