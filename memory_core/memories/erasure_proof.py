"""Proof of a deletion: what is left of a user in any place that can hold it.

The whole store is read, by payload, so that vectors under any form of the id count; then the
ledger, the cache of the running service, and other places that may have memories.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ..ledger import Ledger
from ..model.census import (
    CloseUser,
    ComparedUser,
    OtherPlace,
    OtherPlaces,
    OtherPlaceUser,
    UserSearch,
)
from ..model.records import Kind
from ..model.user_id import UserId, is_probe
from .reader import MemoryReader

State = Literal["forgotten", "deleted", "traces", "never there", "there"]


@dataclass(frozen=True, slots=True)
class FormerOwner:
    """A user whose history has the texts of `memories` that moved to the one looked for."""

    user_id: UserId
    memories: int


@dataclass(frozen=True, slots=True)
class Traces:
    """Everything left of a user, by place, in numbers.

    `memories` are live on record, `texts` are still in the history, `events` counts all entries;
    `stored` is what the store has under any form of the id, None for nothing; `remembered` is what
    the running service would still list. `receipts` are recall receipts, `snapshots` those of the
    record: both hold ids only, and have to go with the last text. `elsewhere` are the user's
    memories in other places. `former` are users whose history has texts of memories that moved to
    this one. `close` are users with a similar id: a human decides if one is the same person.
    """

    user_id: UserId
    memories: int
    texts: int
    events: int
    last: Kind | None
    stored: ComparedUser | None
    remembered: int
    snapshots: int
    elsewhere: tuple[tuple[OtherPlace, OtherPlaceUser], ...]
    unread: tuple[OtherPlace, ...]
    former: tuple[FormerOwner, ...]
    close: tuple[CloseUser, ...]
    vectors: int
    as_of: datetime
    receipts: int = 0

    @property
    def state(self) -> State:
        """Sum up all places that could be read."""
        away = any(user.memories for _, user in self.elsewhere)
        if self.memories or self.remembered or away or (self.stored and self.stored.stored):
            return "there"
        if self.texts or self.former:
            return "deleted"
        if self.receipts or self.snapshots:
            return "traces"
        return "forgotten" if self.events else "never there"

    @property
    def clean(self) -> bool:
        """True if nothing of the content is left anywhere, and every place could be read."""
        return self.state in ("forgotten", "never there") and not self.unread


def find_traces(
    ledger: Ledger, user_id: UserId, memories: MemoryReader, search: UserSearch, others: OtherPlaces
) -> Traces:
    """Return what is left of the user, given a search of the store and of other places."""
    view = ledger.view(user_id)
    return Traces(
        user_id=user_id,
        memories=len(view.live),
        texts=sum(entry.kind in (Kind.ADD, Kind.UPDATE) for entry in view.entries),
        events=len(view.entries),
        last=view.entries[-1].kind if view.entries else None,
        stored=search.stored if search.stored and search.stored.stored else None,
        remembered=len(memories.records(view)),
        snapshots=ledger.snapshots.count(user_id),
        elsewhere=tuple(
            (place, user) for place, user in search.elsewhere if user.user_id == user_id
        ),
        unread=tuple(place for place in others.places if not place.looked),
        former=tuple(_former_owners(ledger, user_id)),
        close=search.close,
        vectors=search.scan.vectors if search.scan else 0,
        as_of=datetime.now(UTC),
    )


def _former_owners(ledger: Ledger, user_id: UserId) -> Iterator[FormerOwner]:
    for view in ledger.users():
        if not view.given_away or is_probe(view.user_id):
            continue
        gone = (
            entry
            for entry in view.entries
            if entry.kind is Kind.DELETE and entry.moved and entry.memory_id in view.given_away
        )
        events = ledger.details(gone).values()
        if ids := {event["id"] for event in events if event["moved"].get("to") == user_id}:
            yield FormerOwner(view.user_id, len(ids))
