"""The state of one user: the entries, replayed to the memories that should be stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import NAMESPACE_URL, uuid5

from ..model.records import Kind
from ..model.user_id import UserId
from .entries import ALL, LedgerEntry


@dataclass(frozen=True, slots=True)
class Live:
    """A memory that should be stored: the entry that added it and the newest one.

    `revisions` are the ULIDs of all entries equal to the newest: a stored memory is up to date if
    it names one of them.
    """

    added: LedgerEntry
    latest: LedgerEntry
    revisions: frozenset[str]

    @property
    def updated(self) -> bool:
        return self.latest is not self.added


@dataclass(frozen=True, slots=True)
class UserView:
    """One user's entries in order, and the live memories that follow from them, oldest first."""

    user_id: UserId
    entries: tuple[LedgerEntry, ...]
    live: Mapping[str, Live]
    twins: frozenset[str]
    """Ids that no entry names: see `_add`."""
    given_away: frozenset[str] = frozenset()
    """Ids of memories that went to another user, who holds them under these ids."""
    forgotten: str = ""
    """The ULID of the last FORGET."""

    @property
    def all_ids(self) -> set[str]:
        """The ids of all the user's memories, live or not."""
        return {entry.memory_id for entry in self.entries} - {ALL} | self.twins

    @property
    def last_ulid(self) -> str:
        return self.entries[-1].ulid if self.entries else ""


def replay(
    user_id: UserId, entries: Iterable[LedgerEntry], before: UserView | None = None
) -> UserView:
    """Replay entries on top of the view `before`."""
    added = tuple(entries)
    live: dict[str, Live] = dict(before.live) if before else {}
    twins = set(before.twins) if before else set()
    away = set(before.given_away) if before else set()
    forgotten = before.forgotten if before else ""
    for entry in added:
        if entry.kind is Kind.ADD:
            away.discard(entry.memory_id)
            live_id = _add(live, entry)
            if live_id != entry.memory_id:
                twins.add(live_id)
        elif entry.kind is Kind.UPDATE:
            # An update of a memory that was deleted meanwhile changes nothing.
            if current := live.get(entry.memory_id):
                revisions = frozenset({entry.ulid})
                live[entry.memory_id] = replace(current, latest=entry, revisions=revisions)
        elif entry.memory_id == ALL:
            live.clear()
            forgotten = entry.ulid if entry.kind is Kind.FORGET else forgotten
        else:
            live.pop(entry.memory_id, None)
            if entry.moved:
                away.add(entry.memory_id)
    earlier = before.entries if before else ()
    return UserView(user_id, earlier + added, live, frozenset(twins), frozenset(away), forgotten)


def _add(live: dict[str, Live], entry: LedgerEntry) -> str:
    """Add a memory; return the id that it is live under."""
    current = live.get(entry.memory_id)
    if current is None:
        live[entry.memory_id] = Live(entry, entry, frozenset({entry.ulid}))
    elif not current.updated:
        # A save that was repeated, or made by two writers at once.
        revisions = current.revisions | {entry.ulid}
        live[entry.memory_id] = replace(current, revisions=revisions)
    else:
        # Its writer did not see that the memory was updated: both texts were acknowledged, so both
        # are kept, the later one under an id that every reader derives alike.
        twin = str(uuid5(NAMESPACE_URL, f"{entry.memory_id}/{entry.ulid}"))
        live[twin] = Live(entry, entry, frozenset({entry.ulid}))
        return twin
    return entry.memory_id
