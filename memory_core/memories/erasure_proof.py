"""What is left of a user, looked for everywhere: the proof of a deletion.

The store is read whole and by payload, so that what stands there under any form of the id is seen;
the record, what the running service still remembers, and other places where memories may lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ..ledger import Ledger
from ..model.census import (
    CloseUser,
    ComparedUser,
    ElsewhereUser,
    OtherPlace,
    OtherPlaces,
    UserSearch,
)
from ..model.records import Kind
from ..model.user_id import UserId, is_probe
from .reader import Memories

State = Literal["forgotten", "deleted", "never there", "there"]


@dataclass(frozen=True, slots=True)
class FormerOwner:
    """A user from whom memories moved to the one looked for: the history there has their texts."""

    user_id: UserId
    memories: int


@dataclass(frozen=True, slots=True)
class Traces:
    """What is left of a user, by place, in numbers.

    `memories` are live on record, `texts` are texts that the history still holds, `events` all
    entries; `stored` is what the store holds under the id, in whatever form, None for nothing;
    `remembered` is what the running service would still list. `elsewhere` are the user's memories
    in other places. `former` are users whose history has texts of memories that moved to this one.
    `close` are users with a close id, who may be the same person: that is for a human to decide.
    """

    user_id: UserId
    memories: int
    texts: int
    events: int
    last: Kind | None
    stored: ComparedUser | None
    remembered: int
    elsewhere: tuple[tuple[OtherPlace, ElsewhereUser], ...]
    unread: tuple[OtherPlace, ...]
    former: tuple[FormerOwner, ...]
    close: tuple[CloseUser, ...]
    vectors: int
    as_of: datetime

    @property
    def state(self) -> State:
        """What has become of the user, over all places that could be read."""
        found = self.memories or self.remembered or any(one.memories for _, one in self.elsewhere)
        if found or (self.stored and self.stored.stored):
            return "there"
        if self.texts or self.former:
            return "deleted"
        return "forgotten" if self.events else "never there"

    @property
    def clean(self) -> bool:
        """Whether nothing of the content is left anywhere, and every place could be read."""
        return self.state in ("forgotten", "never there") and not self.unread


def sum_up(
    user_id: UserId, ledger: Ledger, memories: Memories, found: UserSearch, other: OtherPlaces
) -> Traces:
    """Return what is left of the user, given what was found in the store and elsewhere."""
    view = ledger.view(user_id)
    return Traces(
        user_id=user_id,
        memories=len(view.live),
        texts=sum(one.kind in (Kind.ADD, Kind.UPDATE) for one in view.entries),
        events=len(view.entries),
        last=view.entries[-1].kind if view.entries else None,
        stored=found.stored if found.stored and found.stored.stored else None,
        remembered=len(memories.records(view)),
        elsewhere=tuple((place, one) for place, one in found.elsewhere if one.user_id == user_id),
        unread=tuple(one for one in other.places if not one.looked),
        former=tuple(_former_owners(ledger, user_id)),
        close=found.close,
        vectors=found.scan.vectors if found.scan else 0,
        as_of=datetime.now(UTC),
    )


def _former_owners(ledger: Ledger, user_id: UserId) -> Iterator[FormerOwner]:
    for view in ledger.users():
        if not view.given_away or is_probe(view.user_id):
            continue
        gone = [
            one
            for one in view.entries
            if one.kind is Kind.DELETE and one.moved and one.memory_id in view.given_away
        ]
        events = ledger.details(gone).values()
        count = len({event["id"] for event in events if event["moved"].get("to") == user_id})
        if count:
            yield FormerOwner(view.user_id, count)
