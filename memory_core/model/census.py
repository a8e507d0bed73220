"""Values about users and their memories: census, store scan, other places, search, adoption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from .records import AuditItem, UserSummary
from .user_id import UserId

Origin = Literal["saved", "document", "import", "migration", "merge"]
"""How a memory arrived; a document of a single passage counts as saved."""

_NAMED = 5


def scope(left_out: Sequence[str], damaged: Sequence[str] = ()) -> str:
    """Return "complete", or why a count may not be: entries left out of a listing, or damaged."""
    reasons = []
    if left_out:
        reasons.append(
            f"the storage's listing left out entries of {_names(left_out)}, which were read from "
            "the folder of each user; whether it left out others is not known"
        )
    if damaged:
        reasons.append(f"damaged entries of {_names(damaged)} are not counted (`audit` lists them)")
    return f"perhaps not all: {'; '.join(reasons)}" if reasons else "complete"


def _names(users: Sequence[str]) -> str:
    others = f" and {len(users) - _NAMED:,} more" if len(users) > _NAMED else ""
    return ", ".join(users[:_NAMED]) + others


class _Counted:
    """A count of all users, complete unless entries were `left_out` of a listing or `damaged`."""

    __slots__ = ()
    left_out: tuple[UserId, ...]
    damaged: tuple[UserId, ...] = ()

    @property
    def complete(self) -> bool:
        return not (self.left_out or self.damaged)

    @property
    def scope(self) -> str:
        return scope(self.left_out, self.damaged)


@dataclass(frozen=True, slots=True)
class Census(_Counted):
    """Every user, counted from the ledger: exact, and complete as of the time the count began.

    `users` have memories, most first; `without` had some once. `growth` counts the present memories
    by the day (UTC) they were created, in order, and by how they arrived: imported ones keep the
    day of their source. `recent` are those created on the last seven days, by user. `left_out` are
    users whose entries the storage's listing was seen to leave out: they are counted in full, but
    there may be others. `damaged` are users with unreadable entries, counted without these.
    """

    users: tuple[UserSummary, ...]
    without: tuple[UserSummary, ...]
    memories: int
    growth: Mapping[date, Mapping[Origin, int]]
    recent: Mapping[UserId, int]
    as_of: datetime
    left_out: tuple[UserId, ...] = ()
    damaged: tuple[UserId, ...] = ()

    @property
    def since(self) -> datetime | None:
        return min((user.first_write for user in self.users), default=None)

    @property
    def last_write(self) -> datetime | None:
        return max((user.last_write for user in self.users), default=None)

    @property
    def days(self) -> dict[date, int]:
        """The present memories by the day (UTC) they were created, in order."""
        return {day: sum(origins.values()) for day, origins in self.growth.items()}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where memories are, by id alone: on record and in the store, or only in one of them.

    `missing` counts, by user, those on record only; `orphans` are in the store only. Unreadable
    entries are left out of all three.
    """

    backend: str
    both: int
    missing: Mapping[UserId, int]
    orphans: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A user's id as stored, with the number of its `vectors` and of those `recorded`.

    `user_id` is the canonical id, None if there is none.
    """

    raw: str
    user_id: UserId | None
    vectors: int
    recorded: int

    @property
    def canonical(self) -> bool:
        """The application asks for the id in this form."""
        return self.raw == self.user_id


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
        return bool(
            self.missing or self.unexpected or any(not form.canonical for form in self.forms)
        )


@dataclass(frozen=True, slots=True)
class Unowned:
    """Vectors that name no user: under an agent and a run, or under neither (both None)."""

    agent_id: str | None
    run_id: str | None
    vectors: int


@dataclass(frozen=True, slots=True)
class StoreScan(_Counted):
    """Comparison of the store, vector by vector, with the ledger.

    `users` are all users of either side. `odd` are forms that can be no user's id. `probes` are
    vectors of redeploy tests, counted here and left out of everything else. `left_out` is as in
    `Census`.
    """

    backend: str
    users: tuple[ComparedUser, ...]
    odd: tuple[StoredForm, ...]
    unowned: tuple[Unowned, ...]
    vectors: int
    recorded: int
    probes: int
    as_of: datetime
    left_out: tuple[UserId, ...] = ()

    @property
    def differing(self) -> tuple[ComparedUser, ...]:
        return tuple(user for user in self.users if user.differs)

    @property
    def nobodys(self) -> int:
        """The number of vectors that no id reaches."""
        return sum(form.vectors for form in self.odd) + sum(group.vectors for group in self.unowned)

    @property
    def clean(self) -> bool:
        """The store holds the recorded memories, under canonical ids, and nothing else."""
        return not self.differing and not self.nobodys

    def user(self, user_id: str) -> ComparedUser | None:
        return next((user for user in self.users if user.user_id == user_id), None)


@dataclass(frozen=True, slots=True)
class OtherPlaceUser:
    """A user's memories in another place: `memories` there, of which `missing` are not here.

    `deleted` of the missing were deleted here. `forms` are the ids as stored there; `user_id` is
    None for memories without a user.
    """

    user_id: UserId | None
    forms: tuple[str, ...]
    memories: int
    missing: int
    deleted: int


@dataclass(frozen=True, slots=True)
class OtherPlace:
    """Another place of memories, compared with the one in use.

    `looked` is False if it could not be read; `note` then says why and what to do.
    """

    backend: str
    where: str
    looked: bool
    note: str
    users: tuple[OtherPlaceUser, ...] = ()

    @property
    def memories(self) -> int:
        return sum(user.memories for user in self.users)

    @property
    def missing(self) -> int:
        return sum(user.missing for user in self.users)


@dataclass(frozen=True, slots=True)
class OtherPlaces:
    """The places besides the one in use, each compared with it by the ids of memories."""

    backend: str
    places: tuple[OtherPlace, ...]
    as_of: datetime

    @property
    def missing(self) -> int:
        """The number of memories that are only in other places."""
        return sum(place.missing for place in self.places)


@dataclass(frozen=True, slots=True)
class CloseUser:
    """A user whose id resembles the one asked for, and the reasons.

    `user` is None if nothing is on record, `stored` if nothing is stored, or was not scanned.
    """

    user_id: UserId
    reasons: tuple[str, ...]
    user: UserSummary | None
    stored: ComparedUser | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A user with the number of their memories whose text contains the words asked for."""

    user_id: UserId
    memories: int


@dataclass(frozen=True, slots=True)
class MemoryOwner:
    """The owner of a memory looked up by id; `live` is False once the memory was deleted."""

    user_id: UserId
    id: str
    live: bool


@dataclass(frozen=True, slots=True)
class UserSearch:
    """Result of looking up a user by an id in any form, a name, or a memory's id.

    `user_id` is the canonical form that the application would ask for; if it is None, `problem`
    says why. `user` is None when nothing was ever recorded under it. `users` is the number
    searched. `stored` is the user in the given `scan`; `elsewhere` lists memories of the user and
    of close users in other places. `named` are the close users that the text names if it is not
    itself an id; `mentions` is None if texts were not searched.
    """

    asked: str
    user_id: UserId | None
    changes: tuple[str, ...]
    problem: str
    user: UserSummary | None
    close: tuple[CloseUser, ...]
    placeholders: tuple[UserSummary, ...]
    memories: tuple[MemoryOwner, ...]
    users: int
    stored: ComparedUser | None = None
    scan: StoreScan | None = None
    elsewhere: tuple[tuple[OtherPlace, OtherPlaceUser], ...] = ()
    named: tuple[UserId, ...] = ()
    mentions: tuple[Mention, ...] | None = None

    @property
    def answered(self) -> bool:
        """Something is on record or stored under the id, or a similar user or memory was found."""
        return bool(self.user or self.stored or self.close or self.memories)


@dataclass(frozen=True, slots=True)
class Adoption:
    """Result of adopting a user's orphan vectors (or its preview).

    `forms` are the ids they are stored under. `items` are the memories, `repaired` those that were
    adopted; the detail of the others gives the reason.
    """

    user_id: UserId
    forms: tuple[StoredForm, ...]
    items: tuple[AuditItem, ...]
    preview: bool
    at: datetime

    @property
    def taken(self) -> int:
        return sum(item.repaired for item in self.items)

    @property
    def left(self) -> tuple[AuditItem, ...]:
        return tuple(item for item in self.items if not item.repaired)
