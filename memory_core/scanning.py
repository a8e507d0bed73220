"""A second opinion: what the store itself holds, vector by vector, beside what is on record.

Keys and payloads are read by id, never by a similarity search, and of a payload only whose it is.
The keys are read before the ledger: an event is written before its vector, so what the store
holds was recorded by then, or never. Where they differ it is looked again, since others may write.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .batches import batches
from .errors import InvalidUserId
from .identity import UserId, is_probe, normalize_user_id
from .ledger import Ledger
from .people import ComparedUser, StoredForm, StoreScan, Unowned
from .progress import Steps
from .records import Progress
from .stores import VectorStore

_BATCH = 1_000
_LONGEST = 300


@dataclass(slots=True)
class _Seen:
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
        seen = _Seen()
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
        seen: _Seen,
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
        seen: _Seen,
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
        seen: _Seen,
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
        seen: _Seen,
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
