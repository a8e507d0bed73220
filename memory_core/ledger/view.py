"""The state of one user: the entries, replayed to the memories that should be stored."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from uuid import NAMESPACE_URL, uuid5

from ..model.records import Kind
from ..model.user_id import UserId
from .entries import ALL, LedgerEntry


@dataclass(frozen=True, slots=True)
class Live:
    """A memory that should be stored: the entry that added it and its newest entry.

    `revisions` are the ULIDs of all entries equal to the newest: a stored memory is up to date if
    it names one of them.
    """

    added: LedgerEntry
    latest: LedgerEntry
    revisions: frozenset[str]

    @property
    def updated(self) -> bool:
        """Its text may differ from the one it was added with."""
        return self.latest is not self.added and self.latest.restored != self.added.ulid


@dataclass(frozen=True, slots=True)
class UserView:
    """One user's entries in order, and the live memories that follow from them, oldest first."""

    user_id: UserId
    entries: tuple[LedgerEntry, ...]
    live: Mapping[str, Live]
    twins: frozenset[str]
    """Ids that no entry names; see `_add`."""
    given_away: frozenset[str] = frozenset()
    """Ids of memories that moved to another user, who has them under these ids."""
    forgotten: str = ""
    """The ULID of the last FORGET."""
    deleted: Mapping[str, Live] = field(default_factory=dict)
    """Deleted memories, in their last live state."""

    @property
    def all_ids(self) -> set[str]:
        """The ids of all the user's memories, live or not."""
        return {entry.memory_id for entry in self.entries} - {ALL} | self.twins

    @property
    def last_ulid(self) -> str:
        return self.entries[-1].ulid if self.entries else ""

    def until(self, ulid: str) -> UserView:
        """Return the view after the last entry that is not after `ulid`."""
        count = bisect_right(self.entries, ulid, key=attrgetter("ulid"))
        return replay(self.user_id, self.entries[:count])


class Replay:
    """The state of one user while entries are applied, on top of the view `before`."""

    def __init__(self, user_id: UserId, before: UserView | None = None) -> None:
        self._user_id = user_id
        self._before = before.entries if before else ()
        self.live: dict[str, Live] = dict(before.live) if before else {}
        self._deleted: dict[str, Live] = dict(before.deleted) if before else {}
        self._twins = set(before.twins) if before else set()
        self._away = set(before.given_away) if before else set()
        self._forgotten = before.forgotten if before else ""
        self._restored = False

    def apply(self, entry: LedgerEntry) -> dict[str, Live | None]:
        """Apply an entry; return, for each memory that it may have changed, its state before."""
        memory_id = entry.memory_id
        if memory_id == ALL:
            gone: dict[str, Live | None] = {**self.live}
            self._deleted |= self.live
            self.live.clear()
            if entry.kind is Kind.FORGET:
                self._forgotten = entry.ulid
                self._deleted.clear()
            return gone
        current = self.live.get(memory_id)
        if entry.kind is Kind.DELETE:
            if current:
                self._deleted[memory_id] = self.live.pop(memory_id)
            if entry.moved:
                self._away.add(memory_id)
        elif entry.restored is not None:
            # A memory forgotten, or moved to another user, while it was restored stays away.
            if memory_id in self._away or entry.restored < self._forgotten:
                return {}
            origin = current or self._deleted.pop(memory_id, None)
            added = origin.added if origin else entry
            self.live[memory_id] = Live(added, entry, frozenset({entry.ulid}))
            self._restored = True
        elif entry.kind is Kind.ADD:
            self._away.discard(memory_id)
            self._deleted.pop(memory_id, None)
            live_id = _add(self.live, entry)
            if live_id != memory_id:
                self._twins.add(live_id)
                return {live_id: None}
        elif current:
            # An update of a memory that was deleted meanwhile changes nothing.
            revisions = frozenset({entry.ulid})
            self.live[memory_id] = replace(current, latest=entry, revisions=revisions)
        return {memory_id: current}

    def view(self, added: tuple[LedgerEntry, ...]) -> UserView:
        """Return the view after the entries that were added."""
        if self._restored:
            order = sorted(self.live.items(), key=lambda pair: _place(pair[1].added))
            self.live = dict(order)
        return UserView(
            self._user_id,
            self._before + added,
            self.live,
            frozenset(self._twins),
            frozenset(self._away),
            self._forgotten,
            self._deleted,
        )


def replay(
    user_id: UserId, entries: Iterable[LedgerEntry], before: UserView | None = None
) -> UserView:
    """Replay entries on top of the view `before`."""
    added, state = tuple(entries), Replay(user_id, before)
    for entry in added:
        state.apply(entry)
    return state.view(added)


def _place(entry: LedgerEntry) -> tuple[str, int]:
    return entry.ulid, entry.line or 0


def _add(live: dict[str, Live], entry: LedgerEntry) -> str:
    """Add a memory; return the id that it is live under."""
    current = live.get(entry.memory_id)
    if current is None:
        live[entry.memory_id] = Live(entry, entry, frozenset({entry.ulid}))
    elif not current.updated:
        # A repeated save, or one of two writers at once. A save during a restore of the same text
        # gives way to the restored memory, with its times.
        if current.latest.restored is None:
            revisions = current.revisions | {entry.ulid}
            live[entry.memory_id] = replace(current, revisions=revisions)
    else:
        # Its writer did not see that the memory was updated. Both texts were acknowledged, so both
        # are kept, the later one under an id that all readers derive alike.
        twin = str(uuid5(NAMESPACE_URL, f"{entry.memory_id}/{entry.ulid}"))
        live[twin] = Live(entry, entry, frozenset({entry.ulid}))
        return twin
    return entry.memory_id
