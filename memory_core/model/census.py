"""Values about whose memories there are: counted, looked for in the store, found, taken up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from .records import AuditItem, UserSummary
from .user_id import UserId


@dataclass(frozen=True, slots=True)
class Census:
    """Every user, counted from the ledger: exact, and complete as of the time it began.

    `users` have memories, most first; `without` had some once. `days` says how many of today's
    memories were saved on which day (UTC), in order.
    """

    users: tuple[UserSummary, ...]
    without: tuple[UserSummary, ...]
    memories: int
    days: Mapping[date, int]
    as_of: datetime
    complete: bool = True


@dataclass(frozen=True, slots=True)
class StoredForm:
    """An id of a user as it stands in the store: `vectors`, of which `recorded` are on record.

    `user_id` is whom it belongs to, None where it can be no id.
    """

    raw: str
    user_id: UserId | None
    vectors: int
    recorded: int

    @property
    def canonical(self) -> bool:
        """Whether the application would ask for the id as it stands."""
        return self.raw == self.user_id

    @property
    def unrecorded(self) -> int:
        return self.vectors - self.recorded


@dataclass(frozen=True, slots=True)
class ComparedUser:
    """One user in ledger and store: `recorded` memories, and `stored` vectors in all `forms`.

    `missing` are recorded and not stored as this user's; `unexpected` are stored and not on
    record: never recorded, or deleted since.
    """

    user_id: UserId
    recorded: int
    stored: int
    missing: int
    unexpected: int
    forms: tuple[StoredForm, ...]

    @property
    def differs(self) -> bool:
        return bool(self.missing or self.unexpected or any(not one.canonical for one in self.forms))


@dataclass(frozen=True, slots=True)
class Unowned:
    """Vectors that name no user: under an agent and a run, or under neither (both None)."""

    agent_id: str | None
    run_id: str | None
    vectors: int


@dataclass(frozen=True, slots=True)
class StoreScan:
    """What the store itself holds, vector by vector, beside what the ledger says.

    `users` are all users of either side. `odd` are forms that can be no user's id. `probes` are
    vectors of redeploy tests, counted here and left out of everything else.
    """

    backend: str
    users: tuple[ComparedUser, ...]
    odd: tuple[StoredForm, ...]
    unowned: tuple[Unowned, ...]
    vectors: int
    recorded: int
    probes: int
    as_of: datetime
    complete: bool = True

    @property
    def differing(self) -> tuple[ComparedUser, ...]:
        return tuple(one for one in self.users if one.differs)

    @property
    def nobodys(self) -> int:
        """How many vectors nobody can reach by an id."""
        return sum(one.vectors for one in self.odd) + sum(one.vectors for one in self.unowned)

    @property
    def clean(self) -> bool:
        """Whether the store holds what is on record, under canonical ids, and nothing else."""
        return not self.differing and not self.nobodys

    def user(self, user_id: str) -> ComparedUser | None:
        return next((one for one in self.users if one.user_id == user_id), None)


@dataclass(frozen=True, slots=True)
class ElsewhereUser:
    """A user's memories in another place: `memories` there, and how many of them are not here.

    `deleted` of those that are not here were here and were deleted. `forms` are the ids as they
    stand there; `user_id` is None for memories that name nobody.
    """

    user_id: UserId | None
    forms: tuple[str, ...]
    memories: int
    missing: int
    deleted: int


@dataclass(frozen=True, slots=True)
class OtherPlace:
    """Another place where memories may lie, and what of them is not in the one in use.

    `looked` is False where it could not be read; `note` then says why and what to do.
    """

    backend: str
    where: str
    looked: bool
    note: str
    users: tuple[ElsewhereUser, ...] = ()

    @property
    def memories(self) -> int:
        return sum(one.memories for one in self.users)

    @property
    def missing(self) -> int:
        return sum(one.missing for one in self.users)


@dataclass(frozen=True, slots=True)
class OtherPlaces:
    """The places besides the one in use, each compared with it by the ids of memories."""

    backend: str
    places: tuple[OtherPlace, ...]
    as_of: datetime

    @property
    def missing(self) -> int:
        """How many memories lie elsewhere only."""
        return sum(one.missing for one in self.places)


@dataclass(frozen=True, slots=True)
class CloseUser:
    """A user whose id is close to the one that was asked for, and in what they agree.

    `user` is None where nothing is on record, `stored` where the store was not scanned or holds
    nothing.
    """

    user_id: UserId
    reasons: tuple[str, ...]
    user: UserSummary | None
    stored: ComparedUser | None = None


@dataclass(frozen=True, slots=True)
class FoundMemory:
    """The owner of a memory that was asked for by its id; not live once it was deleted."""

    user_id: UserId
    id: str
    live: bool


@dataclass(frozen=True, slots=True)
class UserSearch:
    """What is known of something typed: an id in any form, a name, or a memory's id.

    `user_id` is the canonical form that the application would ask for, None with `problem` saying
    why there is none. `user` is None when nothing was ever recorded under it. `users` is how many
    were looked through. `stored` is what the `scan` that was given saw of the user, and
    `elsewhere` are those of the user's and close users' memories that lie in another place.
    """

    asked: str
    user_id: UserId | None
    changes: tuple[str, ...]
    problem: str
    user: UserSummary | None
    close: tuple[CloseUser, ...]
    placeholders: tuple[UserSummary, ...]
    memories: tuple[FoundMemory, ...]
    users: int
    stored: ComparedUser | None = None
    scan: StoreScan | None = None
    elsewhere: tuple[tuple[OtherPlace, ElsewhereUser], ...] = ()


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What of a user's unrecorded vectors was recorded, or with `preview` would be.

    `forms` are the ids that they stand under. `items` are the memories, `repaired` those that
    were taken up; the detail of others says why not.
    """

    user_id: UserId
    forms: tuple[StoredForm, ...]
    items: tuple[AuditItem, ...]
    preview: bool
    at: datetime

    @property
    def taken(self) -> int:
        return sum(one.repaired for one in self.items)

    @property
    def left(self) -> tuple[AuditItem, ...]:
        return tuple(one for one in self.items if not one.repaired)
