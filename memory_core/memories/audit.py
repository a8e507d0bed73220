"""Reconciliation of the ledger with the vector store: every difference, or counts by user.

Everything is compared by id and by payload, never by a similarity search, and nothing is changed.
The store's keys are read before the ledger: an event is written before its vector, so whatever the
store holds was recorded by then, or never.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from ..embedders import Embedder
from ..errors import InvalidUserId
from ..ledger import ALL, Ledger, LedgerEntry, UserView
from ..model.census import ComparedUser, StoredForm, StoreScan, Unowned
from ..model.counting import Progress, Steps, batches, counted
from ..model.payload import differing, owner, time_of
from ..model.records import AuditItem, AuditReport, Kind
from ..model.user_id import UserId, is_probe, normalize_user_id
from ..storage.vectors import Vector, VectorStore
from .damaged import Damage, is_entry
from .merge_users import unfinished

BATCH = 200
"""Vectors that are compared, or repaired, together."""
NOBODY = UserId("")
"""In a pair, where a vector names no user; no user id is empty."""

_SCANNED = 1_000
_LONGEST = 300
_SAME_MEANING = 0.99
"""The least cosine of a vector to its own text embedded again: services round a little."""
_OLDER = "in the store in an older revision"
_UNDELETED = "deleted, but still in the store"

Pair = tuple[UserId, str]
"""A user and the id of a memory."""
Sort = Literal["missing", "unexpected", "altered", "undeleted", "damaged", "unlike"]
_Unowned = tuple[str | None, str | None]
"""The agent and the run of a vector that names no user."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as recorded.

    `wanted` is what the store should hold, without values. `orphan` was never recorded; only the
    user of the pair may adopt it. `taker` has a memory whose move was cut off. `key` is a damaged
    entry or snapshot of the ledger, `events` what an entry has to hold: none where the store has
    not all of it. An `unlike` vector is not that of its text.
    """

    kind: Sort
    pair: Pair
    detail: str
    wanted: Vector | None = None
    orphan: Vector | None = None
    taker: UserId | None = None
    key: str = ""
    events: tuple[Mapping[str, Any], ...] = ()

    @property
    def older(self) -> bool:
        """The store still holds the state before this one, which nobody is shown."""
        return self.detail == _OLDER

    @property
    def payload(self) -> Mapping[str, Any]:
        """The payload to be shown, or adopted; empty where there is none."""
        vector = self.wanted or self.orphan
        if len(self.events) == 1:
            return self.events[0].get("payload") or {}
        return vector.payload if vector else {}

    @property
    def item(self) -> AuditItem:
        """The line of a report; an orphan is listed under the user it names."""
        user_id = owner(self.payload) if self.orphan else self.pair[0] or None
        text = self.payload.get("data")
        memory = text if isinstance(text, str) else None
        return AuditItem(self.pair[1], user_id, self.detail, memory)


@dataclass(frozen=True, slots=True)
class Findings:
    """The differences among `checked` live memories of `users` users."""

    differences: tuple[Difference, ...]
    checked: int
    users: int
    left_out: tuple[UserId, ...] = ()

    def report(self, left: Mapping[Pair, str] | None = None) -> AuditReport:
        """Return the findings; after a repair, `left` gives what was not repaired, and why."""
        items: dict[Sort, list[AuditItem]] = defaultdict(list)
        for difference in self.differences:
            pair, detail = difference.pair, difference.detail
            if why := (left or {}).get(pair):
                detail = f"{detail}; {why}"
            repaired = left is not None and pair not in left
            item = replace(difference.item, detail=detail, repaired=repaired)
            items[difference.kind].append(item)
        return AuditReport(
            missing=tuple(items["missing"]),
            unexpected=tuple(items["unexpected"]),
            altered=tuple(items["altered"]),
            undeleted=tuple(items["undeleted"]),
            damaged=tuple(items["damaged"]),
            checked=self.checked,
            users=self.users,
            left_out=self.left_out,
        )


class Auditor:
    """Compares store and ledger. Others may read and write meanwhile.

    An entry that cannot be read stops nobody: it is listed as damaged. With an `embedder` the
    texts are embedded again, and compared with their vectors.
    """

    def __init__(
        self, ledger: Ledger, store: VectorStore, embedder: Embedder | None = None
    ) -> None:
        self._recorded_in = ledger
        self._look_into(ledger.tolerant())
        self._store = store
        self._embedder = embedder
        self._unlisted: set[UserId] = set()

    def audit(self, steps: Steps, known: Iterable[UserView] = ()) -> Findings:
        """Compare all memories of all users, by whole payload; `known` as `tolerant` has it."""
        self._unlisted.clear()
        self._look_into(self._recorded_in.tolerant(known))
        keys, views = self._snapshot()
        moves = unfinished(self._ledger, views.values())
        pairs, orphans = _divide(keys, views.values(), moves)
        steps.total += len(pairs) + len(orphans)
        differences = [*self._recorded(pairs, views, steps), *self._orphans(orphans, views, steps)]
        for pair, taker in moves.items():
            if self._damage.hides(pair[0]) or self._damage.hides(taker):
                continue
            detail = f"moved to user {taker!r}, but the move was cut off and both have it"
            differences.append(Difference("altered", pair, detail, taker=taker))
        for user_id, view in views.items():
            if (count := len(left_behind(view))) and not self._damage.hides(user_id):
                events_left = counted(count, "event")
                detail = f"forgotten, but the ledger still has {events_left} of the user"
                differences.append(Difference("undeleted", (user_id, ALL), detail))
        differences = [each for each in differences if each.kind != "damaged"]
        for key, error in (self._ledger.damaged or {}).items():
            pair, events = self._damage.recorded(key, self._store, keys, views)
            cure = "the store has what it recorded" if events else "restore it from a backup"
            detail = f"its record is damaged; {cure}: {key}" if is_entry(key) else str(error)
            differences.append(Difference("damaged", pair, detail, key=key, events=events))
        for key, detail in self._ledger.snapshots.wrong():
            differences.append(Difference("damaged", (NOBODY, "snapshot"), detail, key=key))
        real = [view for view in views.values() if view.live and not is_probe(view.user_id)]
        return Findings(
            tuple(differences),
            checked=sum(len(view.live) for view in real),
            users=len(real),
            left_out=tuple(dict.fromkeys((*self._ledger.left_out(), *sorted(self._unlisted)))),
        )

    def compare(self, pairs: Sequence[Pair]) -> list[Difference]:
        """Compare some memories with what the ledger says of them now."""
        users = {user_id for user_id, _ in pairs}
        return self._compare(pairs, {user_id: self._ledger.view(user_id) for user_id in users})

    def orphans_of(self, user_id: UserId, steps: Steps) -> list[Difference]:
        """Return the vectors that name this user, in whatever form, and were never recorded."""
        # Raises where that cannot be told.
        self._recorded_in.view(user_id)
        self._look_into(self._recorded_in.tolerant())
        keys, views = self._snapshot()
        _, orphans = _divide(keys, views.values(), ())
        steps.total += len(orphans)
        return [
            difference
            for difference in self._orphans(orphans, views, steps)
            if difference.kind == "unexpected" and difference.pair[0] == user_id
        ]

    def scan(self, backend: str, on_progress: Progress | None) -> StoreScan:
        """Count every vector under the id that it names; `on_progress` counts vectors."""
        as_of = datetime.now(UTC)
        self._unlisted.clear()
        self._look_into(self._recorded_in)
        keys, views = self._snapshot()
        real = [view for user_id, view in views.items() if not is_probe(user_id)]
        census = _StoreCensus({view.user_id: frozenset(view.live) for view in real})
        marks = {view.user_id: view.last_ulid for view in real}
        # The entries of all users take more room than the ids.
        del views, real
        steps = Steps(on_progress, len(keys))
        self._count(keys, census, steps)
        # Saved since the keys were read, or lost.
        late = {key for ids in census.live.values() for key in ids} - keys
        steps.total += len(late)
        self._count(late, census, steps)
        for user_id in census.strangers() if not self._ledger.objects.in_order else ():
            view = self._ledger.view(user_id)
            if view.live:
                self._unlisted.add(user_id)
                census.live[user_id] = frozenset(view.live)
                marks[user_id] = view.last_ulid
        for user_id, differing_ids in census.differing().items():
            view = self._ledger.view(user_id)
            if view.last_ulid != marks[user_id]:
                new = view.live.keys() - census.live[user_id]
                self._count(differing_ids | new, census, Steps(None))
                census.settle(view)
        left_out = (*self._ledger.left_out(), *sorted(self._unlisted))
        return replace(census.result(backend, as_of), left_out=tuple(dict.fromkeys(left_out)))

    def _look_into(self, ledger: Ledger) -> None:
        self._ledger, self._damage = ledger, Damage(ledger)

    def _snapshot(self) -> tuple[set[str], dict[UserId, UserView]]:
        keys = set(self._store.keys())
        return keys, {view.user_id: view for view in self._ledger.users()}

    def _count(self, keys: Iterable[str], census: _StoreCensus, steps: Steps) -> None:
        for batch in batches(keys, _SCANNED):
            stored = self._read(batch)
            for key in batch:
                census.note(key, stored.get(key))
            steps.advance(len(batch))

    def _recorded(
        self, pairs: Iterable[Pair], views: Mapping[UserId, UserView], steps: Steps
    ) -> Iterator[Difference]:
        for batch in batches(pairs, BATCH):
            # Looked at twice: it may have been written since the views were taken.
            yield from self.compare([item.pair for item in self._compare(batch, views)])
            steps.advance(len(batch))

    def _orphans(
        self, keys: Iterable[str], views: Mapping[UserId, UserView], steps: Steps
    ) -> Iterator[Difference]:
        own: dict[UserId, UserView] = {}
        for batch in batches(sorted(keys), BATCH):
            for vector in self._read(batch).values():
                user_id = owner(vector.payload)
                if user_id and user_id not in own:
                    # A listing of all may leave out what the user's own folder has.
                    own[user_id] = self._ledger.view(user_id)
                view = own[user_id] if user_id else None
                pair = (user_id or NOBODY, vector.key)
                if user_id and self._damage.hides(user_id):
                    continue
                if view and vector.key in view.live:
                    self._unlisted.add(view.user_id)
                    yield from self.compare([pair])
                elif view and _was_recorded(view, vector.payload):
                    yield Difference("undeleted", pair, _UNDELETED)
                else:
                    yield Difference("unexpected", pair, "never recorded", orphan=vector)
            steps.advance(len(batch))

    def _compare(self, pairs: Sequence[Pair], views: Mapping[UserId, UserView]) -> list[Difference]:
        stored = self._read([memory_id for _, memory_id in pairs], with_values=True)
        expected = {
            (user_id, memory_id): _expected(views[user_id], memory_id, stored.get(memory_id))
            for user_id, memory_id in pairs
            if memory_id in views[user_id].live
        }
        recorded = self._ledger.payloads(expected.values())
        differences = []
        for pair in pairs:
            entry, vector = expected.get(pair), stored.get(pair[1])
            if entry is None:
                difference = _compare_dead(pair[0], vector)
            elif entry in recorded:
                difference = _compare_live(pair, entry, recorded[entry], vector)
            elif error := (self._ledger.damaged or {}).get(entry.key):
                difference = Difference("damaged", pair, str(error), key=entry.key)
            else:
                # Forgotten since the view was taken.
                continue
            sure = difference and difference.kind in ("missing", "damaged")
            if difference and (sure or not self._damage.hides(pair[0])):
                differences.append(difference)
        if self._embedder:
            wrong = {difference.pair for difference in differences}
            same = {pair: stored[pair[1]] for pair in {*expected} - wrong if pair[1] in stored}
            differences += _unlike(same, self._embedder)
        return differences

    def _read(self, keys: Sequence[str], *, with_values: bool = False) -> dict[str, Vector]:
        stored = self._store.get(keys, with_values=with_values) if keys else {}
        # What others have put into a ChromaDB collection may have no payload at all.
        return {
            key: replace(vector, payload=vector.payload or {}) for key, vector in stored.items()
        }


def left_behind(view: UserView) -> tuple[LedgerEntry, ...]:
    """Return what the ledger still holds from before the user was to be forgotten."""
    before = [entry for entry in view.entries if entry.ulid < view.forgotten]
    return tuple(entry for entry in before if entry.kind is not Kind.FORGET)


@dataclass(slots=True)
class _StoreCensus:
    """Who each vector names, beside the memories that are `live` on record."""

    live: dict[UserId, Set[str]]
    _names: dict[str, str | _Unowned] = field(default_factory=dict)
    """By key: the user id as it stands in the payload."""
    _owners: dict[str | _Unowned | None, UserId | None] = field(default_factory=dict)

    def note(self, key: str, vector: Vector | None) -> None:
        """Keep who a vector names; None where there is no vector any more."""
        if vector is None:
            self._names.pop(key, None)
            return
        name = vector.payload.get("user_id")
        if name is None:
            name = (_shown(vector.payload, "agent_id"), _shown(vector.payload, "run_id"))
        elif not isinstance(name, str):
            name = f"{repr(name)[:_LONGEST]} (not text)"
            self._owners[name] = None
        # The same few ids again and again: kept once.
        self._names[key] = sys.intern(name) if isinstance(name, str) else name

    def differing(self) -> dict[UserId, set[str]]:
        """Return the ids that differ, by user on record: missing, or not on record."""
        ids: dict[UserId, set[str]] = defaultdict(set)
        for key, name in self._names.items():
            user_id = self._owner(name)
            if user_id in self.live and not self._is_recorded(key, user_id):
                ids[user_id].add(key)
        for user_id, live in self.live.items():
            if lost := {key for key in live if self._owner(self._names.get(key)) != user_id}:
                ids[user_id] |= lost
        return ids

    def strangers(self) -> list[UserId]:
        """Return the users whom vectors name and who are not on record."""
        named = {self._owner(name) for name in set(self._names.values())}
        return sorted(user for user in named if user and user not in self.live)

    def settle(self, view: UserView) -> None:
        """Go by a later view of a user, but for what was recorded since and is still on its way."""
        user_id, before = view.user_id, self.live[view.user_id]
        self.live[user_id] = {
            key
            for key in view.live
            if key in before or self._owner(self._names.get(key)) == user_id
        }

    def result(self, backend: str, as_of: datetime) -> StoreScan:
        """Return the counts."""
        names = Counter(self._names.values())
        recorded = Counter(
            name for key, name in self._names.items() if self._is_recorded(key, self._owner(name))
        )
        forms: dict[UserId, list[StoredForm]] = {user_id: [] for user_id in self.live}
        odd, unowned, users, probes = [], [], [], 0
        for name, count in sorted(names.items(), key=lambda item: (-item[1], str(item[0]))):
            user_id = self._owner(name)
            if isinstance(name, tuple):
                unowned.append(Unowned(*name, count))
            elif user_id is None:
                odd.append(StoredForm(name, None, count, 0))
            elif is_probe(user_id):
                probes += count
            else:
                form = StoredForm(name, user_id, count, recorded[name])
                forms.setdefault(user_id, []).append(form)
        for user_id, own in forms.items():
            on_record = len(self.live.get(user_id, ()))
            stored = sum(form.vectors for form in own)
            both = sum(form.recorded for form in own)
            if on_record or stored:
                counts = (on_record, stored, on_record - both, stored - both)
                users.append(ComparedUser(user_id, *counts, tuple(own)))
        users.sort(key=lambda user: (-user.missing - user.unexpected, -user.stored, user.user_id))
        return StoreScan(
            backend=backend,
            users=tuple(users),
            odd=tuple(odd),
            unowned=tuple(unowned),
            vectors=names.total() - probes,
            recorded=sum(user.recorded for user in users),
            probes=probes,
            as_of=as_of,
        )

    def _is_recorded(self, key: str, user_id: UserId | None) -> bool:
        return user_id is not None and key in self.live.get(user_id, ())

    def _owner(self, name: str | _Unowned | None) -> UserId | None:
        if isinstance(name, str) and name not in self._owners:
            try:
                self._owners[name] = normalize_user_id(name)
            except InvalidUserId:
                self._owners[name] = None
        return self._owners.get(name)


def _shown(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    return value if isinstance(value, str) or value is None else repr(value)[:_LONGEST]


def _divide(
    keys: set[str], views: Collection[UserView], moves: Collection[Pair]
) -> tuple[list[Pair], set[str]]:
    """Return what to compare with the ledger, and the keys of which it knows nothing."""
    live = [
        (view.user_id, memory_id)
        for view in views
        for memory_id in view.live
        if (view.user_id, memory_id) not in moves
    ]
    unknown = keys - {memory_id for _, memory_id in live}
    dead = {
        (view.user_id, entry.memory_id): None
        for view in views
        for entry in view.entries
        if entry.memory_id in unknown and entry.memory_id not in view.given_away
    }
    return [*live, *dead], unknown - {memory_id for _, memory_id in dead}


def _compare_live(
    pair: Pair, entry: LedgerEntry, recorded: Mapping[str, Any], stored: Vector | None
) -> Difference | None:
    wanted = Vector(pair[1], {**recorded, "revision": entry.ulid})
    kind: Sort
    if stored is None:
        kind, detail = "missing", "not in the store"
    elif stored.values is None:
        kind, detail = "missing", "the store has lost its vector"
    elif keys := differing(wanted.payload, stored.payload):
        revision = stored.payload.get("revision")
        older = isinstance(revision, str) and revision < entry.ulid
        named = f"{', '.join(keys)} not as recorded"
        kind, detail = "altered", _OLDER if older else named
    else:
        return None
    return Difference(kind, pair, detail, wanted)


def _unlike(stored: Mapping[Pair, Vector], embedder: Embedder) -> Iterator[Difference]:
    """Yield the memories whose vector is not that of their text, embedded again."""
    texts = [vector.payload["data"] for vector in stored.values()]
    for (pair, vector), meaning in zip(
        stored.items(), embedder.embed(texts) if texts else (), strict=True
    ):
        values = vector.values
        # Not above it is also what has no length.
        if values is None or not values @ meaning > _SAME_MEANING * (values @ values) ** 0.5:
            yield Difference("unlike", pair, "its vector does not have the meaning of its text")


def _compare_dead(user_id: UserId, stored: Vector | None) -> Difference | None:
    if stored is None:
        return None
    if owner(stored.payload) in (user_id, None):
        return Difference("undeleted", (user_id, stored.key), _UNDELETED)
    # Adopted, it would be within reach of whoever deletes by the id of their own old memory.
    unrecorded = "never recorded, under the id of a memory that another user has deleted"
    return Difference("unexpected", (user_id, stored.key), unrecorded, orphan=stored)


def _expected(view: UserView, memory_id: str, stored: Vector | None) -> LedgerEntry:
    """Return the entry that the store should hold a memory in.

    Where a save was repeated, by two writers at once, either of its events may be the one.
    """
    live = view.live[memory_id]
    revision = stored.payload.get("revision") if stored else None
    if revision not in live.revisions or revision == live.latest.ulid:
        return live.latest
    same = (entry for entry in view.entries if entry.memory_id == memory_id)
    return next((entry for entry in same if entry.ulid == revision), live.latest)


def _was_recorded(view: UserView, payload: Mapping[str, Any]) -> bool:
    """Return whether a memory was its user's once, though the ledger does not know its id.

    Its entry is there, or was erased when the user was forgotten, while a writer was still busy.
    """
    revision = payload.get("revision")
    if any(entry.ulid == revision for entry in view.entries):
        return True
    if not view.forgotten or isinstance(revision, str):
        return bool(view.forgotten) and str(revision) < view.forgotten
    created_at = time_of(payload, "created_at")
    forgotten = (entry.at for entry in view.entries if entry.kind is Kind.FORGET)
    return created_at is None or created_at < max(forgotten)
