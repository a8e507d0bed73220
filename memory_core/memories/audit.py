"""The ledger against the store: what is not as recorded. Looking changes nothing.

Everything is compared by id and by whole payload; nothing is asked of a similarity search. The
store's keys are read before the ledger: an event is written before its vector, so what the store
holds was recorded by then, or never.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from ..errors import InvalidUserId
from ..ledger import ALL, Ledger, LedgerEntry, UserView
from ..model.batches import batches
from ..model.census import ComparedUser, StoredForm, StoreScan, Unowned
from ..model.payload import differing, owner, time_of
from ..model.progress import Steps
from ..model.records import AuditItem, AuditReport, Kind, Progress
from ..model.user_id import UserId, is_probe, normalize_user_id
from ..storage.vectors import Vector, VectorStore
from .merge_users import unfinished

BATCH = 200
NOBODY = UserId("")
"""In a pair, where a vector names no user; no user id is empty."""

Pair = tuple[UserId, str]
"""A user and the id of a memory."""


Sort = Literal["missing", "unexpected", "altered", "undeleted"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as recorded.

    `wanted` is what the store should hold, still without values, None for nothing. `stray` is the
    payload that was never recorded, None where nobody may adopt it. `taker` is who has a memory
    whose move from its user was cut off.
    """

    kind: Sort
    pair: Pair
    item: AuditItem
    wanted: Vector | None = None
    stray: Mapping[str, Any] | None = None
    taker: UserId | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What an audit found, over `checked` live memories of `users` users."""

    differences: tuple[Difference, ...]
    checked: int
    users: int

    def report(self, left: Mapping[Pair, str] | None = None) -> AuditReport:
        """Return the findings; after a repair, `left` says what was not put right, and why."""

        def of(kind: Sort) -> tuple[AuditItem, ...]:
            return tuple(_outcome(one, left) for one in self.differences if one.kind == kind)

        return AuditReport(
            missing=of("missing"),
            unexpected=of("unexpected"),
            altered=of("altered"),
            undeleted=of("undeleted"),
            checked=self.checked,
            users=self.users,
        )


class Auditor:
    """Compares store and ledger. Others may read and write meanwhile."""

    def __init__(self, ledger: Ledger, store: VectorStore) -> None:
        self._ledger = ledger
        self._store = store

    def audit(self, steps: Steps) -> Findings:
        """Compare all memories of all users."""
        keys = set(self._store.keys())
        views = {view.user_id: view for view in self._ledger.users()}
        moves = unfinished(self._ledger, views.values())
        pairs, strays = _divide(keys, views.values(), moves)
        steps.total += len(pairs) + len(strays)
        found = [*self._recorded(pairs, views, steps), *self._unrecorded(strays, views, steps)]
        found += [_unfinished(pair, taker) for pair, taker in moves.items()]
        found += [_unforgotten(view) for view in views.values() if left_behind(view)]
        return Findings(
            tuple(found),
            checked=sum(len(view.live) for view in views.values()),
            users=sum(bool(view.live) for view in views.values()),
        )

    def compare(self, pairs: Sequence[Pair]) -> list[Difference]:
        """Compare some memories with what the ledger says of them now."""
        users = {user_id for user_id, _ in pairs}
        return self._compare(pairs, {user_id: self._ledger.view(user_id) for user_id in users})

    def strays_of(self, user_id: UserId, steps: Steps) -> list[Difference]:
        """Return the vectors that name this user, in whatever form, and were never recorded."""
        keys = set(self._store.keys())
        views = {view.user_id: view for view in self._ledger.users()}
        _, strays = _divide(keys, views.values(), ())
        steps.total += len(strays)
        found = self._unrecorded(strays, views, steps)
        return [one for one in found if one.kind == "unexpected" and one.pair[0] == user_id]

    def _recorded(
        self, pairs: Iterable[Pair], views: Mapping[UserId, UserView], steps: Steps
    ) -> Iterator[Difference]:
        for batch in batches(pairs, BATCH):
            # Looked at twice: it may have been written since the views were taken.
            yield from self.compare([one.pair for one in self._compare(batch, views)])
            steps.advance(len(batch))

    def _unrecorded(
        self, keys: Iterable[str], views: Mapping[UserId, UserView], steps: Steps
    ) -> Iterator[Difference]:
        for batch in batches(sorted(keys), BATCH):
            for vector in self._read(batch, with_values=False).values():
                user_id = owner(vector.payload)
                view = views.get(user_id) if user_id else None
                if view and _was_recorded(view, vector.payload):
                    item = AuditItem(vector.key, user_id, "deleted, but still in the store")
                    yield Difference("undeleted", (view.user_id, vector.key), item)
                else:
                    item = AuditItem(vector.key, user_id, "never recorded", _text(vector))
                    pair = (user_id or NOBODY, vector.key)
                    yield Difference("unexpected", pair, item, stray=vector.payload)
            steps.advance(len(batch))

    def _compare(self, pairs: Sequence[Pair], views: Mapping[UserId, UserView]) -> list[Difference]:
        stored = self._read([one for _, one in pairs], with_values=True)
        expected = {
            (user_id, one): _expected(views[user_id], one, stored.get(one))
            for user_id, one in pairs
            if one in views[user_id].live
        }
        recorded = self._ledger.payloads(expected.values())
        found = []
        for pair in pairs:
            entry = expected.get(pair)
            if entry is None:
                difference = _compare_dead(pair[0], stored.get(pair[1]))
            elif entry in recorded:
                difference = _compare_live(pair, entry, recorded[entry], stored.get(pair[1]))
            else:
                # Forgotten since the view was taken.
                continue
            if difference:
                found.append(difference)
        return found

    def _read(self, keys: Sequence[str], *, with_values: bool) -> dict[str, Vector]:
        found = self._store.get(keys, with_values=with_values) if keys else {}
        # What others have put into a ChromaDB collection may have no payload at all.
        return {key: replace(one, payload=one.payload or {}) for key, one in found.items()}


def left_behind(view: UserView) -> tuple[LedgerEntry, ...]:
    """Return what the ledger still holds from before the user was to be forgotten."""
    last = max((at for at, one in enumerate(view.entries) if one.kind is Kind.FORGET), default=0)
    return tuple(one for one in view.entries[:last] if one.kind is not Kind.FORGET)


def _outcome(one: Difference, left: Mapping[Pair, str] | None) -> AuditItem:
    why = (left or {}).get(one.pair)
    return replace(
        one.item,
        detail=f"{one.item.detail}; {why}" if why else one.item.detail,
        repaired=left is not None and one.pair not in left,
    )


def _divide(
    keys: set[str], views: Iterable[UserView], moves: Collection[Pair]
) -> tuple[list[Pair], set[str]]:
    """Return what to compare with the ledger, and the keys of which it knows nothing."""
    live = [(v.user_id, one) for v in views for one in v.live if (v.user_id, one) not in moves]
    known = {one for _, one in live}
    strays = keys - known
    dead = {
        (view.user_id, one.memory_id): None
        for view in views
        for one in view.entries
        if one.memory_id in strays and one.memory_id not in view.given_away
    }
    return [*live, *dead], strays - {one for _, one in dead}


def _compare_live(
    pair: Pair, entry: LedgerEntry, recorded: Mapping[str, Any], found: Vector | None
) -> Difference | None:
    wanted = Vector(pair[1], {**recorded, "revision": entry.ulid})
    kind: Sort
    if found is None:
        kind, detail = "missing", "not in the store"
    elif found.values is None:
        kind, detail = "missing", "the store has lost its vector"
    elif keys := differing(wanted.payload, found.payload):
        revision = found.payload.get("revision")
        older = isinstance(revision, str) and revision < entry.ulid
        named = f"{', '.join(keys)} not as recorded"
        kind, detail = "altered", "in the store in an older revision" if older else named
    else:
        return None
    return Difference(kind, pair, AuditItem(pair[1], pair[0], detail, _text(wanted)), wanted)


def _compare_dead(user_id: UserId, found: Vector | None) -> Difference | None:
    if found is None:
        return None
    named = owner(found.payload)
    if named in (user_id, None):
        item = AuditItem(found.key, user_id, "deleted, but still in the store")
        return Difference("undeleted", (user_id, found.key), item)
    # Adopted, it would be within reach of whoever deletes by the id of their own old memory.
    detail = "never recorded, under the id of a memory that another user has deleted"
    item = AuditItem(found.key, named, detail, _text(found))
    return Difference("unexpected", (user_id, found.key), item)


def _expected(view: UserView, one: str, found: Vector | None) -> LedgerEntry:
    """Return the entry that the store should hold a memory in.

    Where a save was repeated, by two writers at once, either of its events may be the one.
    """
    live = view.live[one]
    revision = found.payload.get("revision") if found else None
    if revision in live.revisions and revision != live.latest.ulid:
        for entry in view.entries:
            if entry.memory_id == one and entry.ulid == revision:
                return entry
    return live.latest


def _was_recorded(view: UserView, payload: Mapping[str, Any]) -> bool:
    """Say whether a memory was its user's once, though the ledger does not know its id.

    Its entry is there, or was erased when the user was forgotten, while a writer was still busy.
    """
    revision = payload.get("revision")
    if any(entry.ulid == revision for entry in view.entries):
        return True
    forgotten = [entry for entry in view.entries if entry.kind is Kind.FORGET]
    if not forgotten:
        return False
    if isinstance(revision, str):
        return revision < forgotten[-1].ulid
    created_at = time_of(payload, "created_at")
    return created_at is None or created_at < forgotten[-1].at


def _unfinished(pair: Pair, taker: UserId) -> Difference:
    detail = f"moved to user {taker!r}, but the move was cut off and both have it"
    return Difference("altered", pair, AuditItem(pair[1], pair[0], detail), taker=taker)


def _unforgotten(view: UserView) -> Difference:
    count = len(left_behind(view))
    detail = f"forgotten, but {count} of the user's events are still in the ledger"
    return Difference("undeleted", (view.user_id, ALL), AuditItem(ALL, view.user_id, detail))


def _text(vector: Vector) -> str | None:
    text = vector.payload.get("data")
    return text if isinstance(text, str) else None


_BATCH = 1_000
_LONGEST = 300


@dataclass(slots=True)
class _ScanCount:
    """What was counted so far; of single vectors, only the ids that differ are kept."""

    forms: Counter[str] = field(default_factory=Counter)
    recorded: Counter[str] = field(default_factory=Counter)
    unowned: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    found: Counter[UserId] = field(default_factory=Counter)
    strays: dict[str, str] = field(default_factory=dict)
    """Ids of vectors that are not on record, with the form that they stand under."""
    probes: int = 0


class Scanner:
    """Reads the whole store and changes nothing. Others may read and write meanwhile."""

    def __init__(self, backend: str, ledger: Ledger, store: VectorStore) -> None:
        self._backend = backend
        self._ledger = ledger
        self._store = store
        self._canonical: dict[str, UserId | None] = {}

    def scan(self, on_progress: Progress | None) -> StoreScan:
        """Count what the store holds; `on_progress` is told of vectors."""
        as_of = datetime.now(UTC)
        keys = set(self._store.keys())
        views = {one.user_id: one for one in self._ledger.users() if not is_probe(one.user_id)}
        marks = {user_id: view.last_ulid for user_id, view in views.items()}
        live = {user_id: frozenset(view.live) for user_id, view in views.items()}
        del views
        steps = Steps(on_progress, len(keys))
        seen = _ScanCount()
        missing: dict[UserId, set[str]] = {one: set(ids) for one, ids in live.items()}
        self._read(keys, seen, live, missing, steps)
        # Saved since the keys were read, or lost.
        again = {one for ids in missing.values() for one in ids} - keys
        steps.total += len(again)
        self._read(again, seen, live, missing, steps)
        live = self._settle(seen, live, missing, marks)
        return self._result(seen, live, missing, as_of)

    def _read(
        self,
        keys: Iterable[str],
        seen: _ScanCount,
        live: Mapping[UserId, frozenset[str]],
        missing: Mapping[UserId, set[str]],
        steps: Steps,
    ) -> None:
        for batch in batches(keys, _BATCH):
            for key, vector in self._store.get(batch).items():
                self._note(key, vector.payload or {}, seen, live, missing)
            steps.advance(len(batch))

    def _note(
        self,
        key: str,
        payload: Mapping[str, Any],
        seen: _ScanCount,
        live: Mapping[UserId, frozenset[str]],
        missing: Mapping[UserId, set[str]],
    ) -> None:
        raw = payload.get("user_id")
        if not isinstance(raw, str):
            if raw is None:
                seen.unowned[_name(payload, "agent_id"), _name(payload, "run_id")] += 1
                return
            raw = f"{repr(raw)[:_LONGEST]} (not text)"
            self._canonical[raw] = None
        user_id = self._owner(raw)
        if user_id is not None and is_probe(user_id):
            seen.probes += 1
        else:
            seen.forms[raw] += 1
            if user_id is not None and key in live.get(user_id, ()):
                seen.recorded[raw] += 1
                missing[user_id].discard(key)
            else:
                seen.strays[key] = raw

    def _settle(
        self,
        seen: _ScanCount,
        live: Mapping[UserId, frozenset[str]],
        missing: dict[UserId, set[str]],
        marks: Mapping[UserId, str],
    ) -> dict[UserId, frozenset[str]]:
        """Look again at the users that differ and whose record changed meanwhile."""
        doubtful = {one for one, ids in missing.items() if ids}
        doubtful |= {owner for raw in set(seen.strays.values()) if (owner := self._owner(raw))}
        now = dict(live)
        strays_of: dict[UserId | None, list[str]] = defaultdict(list)
        for key, raw in seen.strays.items():
            strays_of[self._owner(raw)].append(key)
        for user_id in doubtful:
            view = self._ledger.view(user_id) if user_id in marks else None
            if view is None or view.last_ulid == marks[user_id]:
                continue
            now[user_id] = frozenset(view.live)
            missing[user_id] &= now[user_id]
            there = self._store.get(strays_of[user_id])
            for key in strays_of[user_id]:
                raw = seen.strays[key]
                if key not in there:
                    seen.forms[raw] -= 1
                elif key in now[user_id]:
                    seen.recorded[raw] += 1
        return now

    def _result(
        self,
        seen: _ScanCount,
        live: Mapping[UserId, frozenset[str]],
        missing: Mapping[UserId, set[str]],
        as_of: datetime,
    ) -> StoreScan:
        forms: dict[UserId | None, list[StoredForm]] = defaultdict(list)
        for raw, count in seen.forms.items():
            if count:
                user_id = self._owner(raw)
                forms[user_id].append(StoredForm(raw, user_id, count, seen.recorded[raw]))
        odd = forms.pop(None, [])
        users = sorted(
            self._compare(forms, live, missing),
            key=lambda one: (-one.missing - one.unexpected, -one.stored, one.user_id),
        )
        unowned = [Unowned(agent, run, count) for (agent, run), count in seen.unowned.items()]
        return StoreScan(
            backend=self._backend,
            users=tuple(users),
            odd=tuple(sorted(odd, key=lambda one: (-one.vectors, one.raw))),
            unowned=tuple(sorted(unowned, key=lambda one: -one.vectors)),
            vectors=seen.forms.total() + seen.unowned.total(),
            recorded=sum(one.recorded for one in users),
            probes=seen.probes,
            as_of=as_of,
        )

    def _compare(
        self,
        forms: Mapping[UserId | None, list[StoredForm]],
        live: Mapping[UserId, frozenset[str]],
        missing: Mapping[UserId, set[str]],
    ) -> Iterator[ComparedUser]:
        for user_id in {*live, *(one for one in forms if one is not None)}:
            own = sorted(forms.get(user_id, ()), key=lambda one: (-one.vectors, one.raw))
            recorded = len(live.get(user_id, ()))
            stored = sum(one.vectors for one in own)
            if recorded or stored:
                yield ComparedUser(
                    user_id=user_id,
                    recorded=recorded,
                    stored=stored,
                    missing=len(missing.get(user_id, ())),
                    unexpected=sum(one.unrecorded for one in own),
                    forms=tuple(own),
                )

    def _owner(self, raw: str) -> UserId | None:
        if raw not in self._canonical:
            try:
                self._canonical[raw] = normalize_user_id(raw)
            except InvalidUserId:
                self._canonical[raw] = None
        return self._canonical[raw]


def _name(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    return value if isinstance(value, str) or value is None else repr(value)[:_LONGEST]
