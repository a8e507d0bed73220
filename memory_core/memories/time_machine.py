"""A user's memories at any moment, what changed between two, and bringing a state back.

All of it is read from the ledger alone; only what a change leads to is put into the vector store.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from operator import attrgetter
from typing import Any, Literal, overload

from ..errors import (
    BackendError,
    InvalidMemory,
    InvalidMove,
    InvalidSelection,
    MemoryNotFound,
    NotIndexed,
)
from ..ledger import ALL, EventDraft, Ledger, LedgerEntry, Live, UserView
from ..ledger.entries import last_ulid_at, time_in
from ..ledger.view import Replay
from ..model.counting import Progress, batches
from ..model.limits import check_payload
from ..model.past import Change, ChangeKind, ChangeReceipt, MemoryFilter, Moment
from ..model.payload import differing, with_expiry
from ..model.records import Kind, MemoryRecord
from ..model.user_id import UserId
from ..storage.vectors import Vector
from ..storage.vectors.base import PUT_BATCH
from .merge_users import Merger
from .reader import MemoryReader, is_current, to_record
from .repository import Repository
from .statistics import author_of

_READ_AT_ONCE = 1_000


class PastMemories(Sequence[MemoryRecord]):
    """The memories that a user had at a moment, newest first.

    Their number and `ids` are known without reading a text; records are read when they are asked
    for. `event_id` is the last event before the moment, empty where there was none, and `at` its
    time. `forgotten` is the time (UTC) of a FORGET after the moment: nothing from before it is
    left. A user who is forgotten later has no records any more, whatever was listed before.
    """

    def __init__(self, ledger: Ledger, view: UserView, forgotten: datetime | None) -> None:
        self._ledger = ledger
        self._live = view.live
        self.user_id = view.user_id
        self.ids = tuple(reversed([*view.live]))
        self.event_id = view.last_ulid
        self.at = view.entries[-1].at if view.entries else None
        self.forgotten = forgotten

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, place: int) -> MemoryRecord: ...
    @overload
    def __getitem__(self, place: slice) -> list[MemoryRecord]: ...
    def __getitem__(self, place: int | slice) -> MemoryRecord | list[MemoryRecord]:
        if isinstance(place, slice):
            return self._read(self.ids[place])
        return self._read([self.ids[place]])[0]

    def __iter__(self) -> Iterator[MemoryRecord]:
        for ids in batches(self.ids, _READ_AT_ONCE):
            yield from self._read(ids)

    def _read(self, ids: Sequence[str]) -> list[MemoryRecord]:
        payloads = self._ledger.payloads(self._live[memory_id].latest for memory_id in ids)
        records = (_record(memory_id, self._live[memory_id], payloads) for memory_id in ids)
        return [record for record in records if record]


@dataclass(slots=True)
class _Plan:
    """Events to be recorded, what they change, and memories that cannot be changed, and why."""

    drafts: list[EventDraft]
    changes: list[Change]
    refused: dict[str, str]


class TimeMachine:
    """Reads the past of users from the ledger, and makes it the present again."""

    def __init__(self, repository: Repository, memories: MemoryReader, merger: Merger) -> None:
        _, _, self._ledger, self._store = repository
        self._memories = memories
        self._merger = merger

    def state(self, user_id: UserId, moment: Moment) -> PastMemories:
        """Return what the user had at a moment: after the last event that is not later."""
        now = self._ledger.view(user_id)
        bound = _bound(now, moment)
        gone = bound < now.forgotten
        forgotten = time_in(now.forgotten) if gone else None
        past = UserView(user_id, (), {}, frozenset()) if gone else now.until(bound)
        return PastMemories(self._ledger, past, forgotten)

    def changes(
        self, user_id: UserId, since: Moment | None = None, until: Moment | None = None
    ) -> list[Change]:
        """Return what changed after `since` and not after `until`, oldest first."""
        view = self._ledger.view(user_id)
        place = partial(bisect_right, view.entries, key=attrgetter("ulid"))
        first = max(place(_bound(view, since)) if since else 0, place(view.forgotten) - 1, 0)
        last = place(_bound(view, until)) if until else len(view.entries)
        before = view.entries[first - 1].ulid if first else ""
        replay = Replay(user_id, view.until(before))
        steps: list[tuple[LedgerEntry, str, Live | None, Live | None]] = []
        for entry in view.entries[first:last]:
            if entry.kind is Kind.FORGET:
                replay.apply(entry)
                steps.append((entry, ALL, None, None))
                continue
            for memory_id, old in replay.apply(entry).items():
                new = replay.live.get(memory_id)
                if (old and old.latest) != (new and new.latest):
                    steps.append((entry, memory_id, old, new))
        entries = [entry for entry, *_ in steps]
        entries += [live.latest for _, _, old, new in steps for live in (old, new) if live]
        details = self._ledger.details(dict.fromkeys(entries))
        payloads = {entry: event.get("payload") or {} for entry, event in details.items()}
        return [
            _change(
                entry, details[entry], key, _record(key, old, payloads), _record(key, new, payloads)
            )
            for entry, key, old, new in steps
            if entry in details
        ]

    def restore(
        self,
        user_id: UserId,
        raw_user_id: str,
        moment: Moment,
        where: MemoryFilter,
        *,
        keep_newer: bool,
        preview: bool,
        on_progress: Progress | None = None,
    ) -> ChangeReceipt:
        """Make the chosen memories what they were at a moment.

        Raises:
            MemoryNotFound: nothing of the user or of that time is on record, or it was forgotten.
        """
        now = self._ledger.view(user_id)
        past = self._past(now, moment)
        ids = self._chosen(where, past, now.live)
        plan = self._plan_restore(now, raw_user_id, past, ids, keep_newer=keep_newer)
        return self._carry_out("restore", now, plan, preview, on_progress)

    def restore_one(
        self,
        user_id: UserId,
        raw_user_id: str,
        memory_id: str,
        moment: Moment | None,
        *,
        preview: bool,
    ) -> ChangeReceipt:
        """Make a memory what it was at a moment, or if that is None, before it was deleted.

        Raises:
            MemoryNotFound: it did not exist then, or nothing of that time is on record.
            InvalidMove: it moved to another user.
        """
        now = self._ledger.view(user_id)
        past = self._past(now, moment) if moment else {**now.deleted, **now.live}
        if memory_id not in past:
            raise MemoryNotFound(
                f"user {user_id!r} had no memory {memory_id!r} "
                f"{'at that moment' if moment else 'that is on record'}"
                + (f"; {_forgotten(now)}" if now.forgotten else "; see the history for its id")
            )
        plan = self._plan_restore(now, raw_user_id, past, [memory_id], keep_newer=True)
        for reason in plan.refused.values():
            raise InvalidMove(f"memory {memory_id!r} cannot be brought back: {reason}")
        return self._carry_out("restore", now, plan, preview, None)

    def _past(self, now: UserView, moment: Moment) -> Mapping[str, Live]:
        if not now.entries or _bound(now, moment) < now.forgotten:
            raise _gone(now)
        return now.until(_bound(now, moment)).live

    def change(
        self,
        user_id: UserId,
        raw_user_id: str,
        where: MemoryFilter,
        expires: date | str | None,
        *,
        preview: bool,
        on_progress: Progress | None = None,
    ) -> ChangeReceipt:
        """Give the chosen memories an expiry date, or delete them where that is None."""
        now, plan = self._ledger.view(user_id), _Plan([], [], {})
        ids = self._chosen(where, now.live)
        payloads = self._ledger.payloads(now.live[memory_id].latest for memory_id in ids)
        for memory_id in ids:
            payload = payloads.get(now.live[memory_id].latest)
            if payload is None:
                continue
            if expires is None:
                draft = EventDraft(Kind.DELETE, memory_id, raw_user_id)
            else:
                revised = {**with_expiry(payload, expires), "updated_at": _now().isoformat()}
                if not differing(payload, {**revised, "updated_at": payload.get("updated_at")}):
                    continue
                draft = EventDraft(Kind.UPDATE, memory_id, raw_user_id, revised)
            _add(plan, draft, payload)
        call: Literal["delete", "expire"] = "delete" if expires is None else "expire"
        return self._carry_out(call, now, plan, preview, on_progress)

    def _chosen(self, where: MemoryFilter, *states: Mapping[str, Live]) -> list[str]:
        """Return the memories that fit in one of the states."""
        if where.by_id_alone:
            every = dict.fromkeys(memory_id for state in states for memory_id in state)
            return [key for key in every if where.ids is None or key in where.ids]
        payloads: dict[LedgerEntry, dict[str, Any]] = {}
        entries = dict.fromkeys(live.latest for state in states for live in state.values())
        for part in batches(entries, _READ_AT_ONCE):
            payloads |= self._ledger.payloads(part)
        chosen: dict[str, None] = {}
        for state in states:
            for memory_id, live in state.items():
                record = _record(memory_id, live, payloads)
                if record and where.matches(record):
                    chosen[memory_id] = None
        return list(chosen)

    def _plan_restore(
        self,
        now: UserView,
        raw_user_id: str,
        past: Mapping[str, Live],
        ids: Collection[str],
        *,
        keep_newer: bool,
    ) -> _Plan:
        plan = _Plan([], [], {})
        then = {key: past[key].latest if key in past else None for key in ids}
        current = {key: now.live[key].latest if key in now.live else None for key in ids}
        differ = [key for key in ids if then[key] != current[key]]
        payloads = self._ledger.payloads(
            entry for key in differ for entry in (then[key], current[key]) if entry
        )
        movements = self._movements(
            now, [key for key in differ if not (then[key] and current[key])]
        )
        for memory_id in differ:
            source, latest = then[memory_id], current[memory_id]
            target = payloads.get(source) if source else None
            present = payloads.get(latest) if latest else None
            moved = movements.get(memory_id, {})
            if source is None:
                if "revision" in moved:
                    plan.refused[memory_id] = (
                        f"it came from user {moved.get('from')!r} since; undo the merge to give "
                        "it back"
                    )
                elif not keep_newer:
                    draft = EventDraft(Kind.DELETE, memory_id, raw_user_id, restored="")
                    _add(plan, draft, present)
                continue
            if memory_id in now.given_away and latest is None:
                plan.refused[memory_id] = (
                    f"it moved to user {moved.get('to')!r}; it can come back only there"
                )
                continue
            if target is None or (present is not None and not differing(target, present)):
                continue
            try:
                check_payload(target)
            except InvalidMemory as exc:
                plan.refused[memory_id] = str(exc)
                continue
            kind = Kind.ADD if latest is None else Kind.UPDATE
            draft = EventDraft(kind, memory_id, raw_user_id, target, restored=source.ulid)
            _add(plan, draft, present)
        return plan

    def _movements(self, now: UserView, ids: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """Return where memories moved to, if they are gone, or came from, if they are here."""
        wanted = {*ids}
        entries = {
            entry.memory_id: entry
            for entry in now.entries
            if entry.moved and entry.memory_id in wanted
        }
        events = self._ledger.details(entries.values())
        return {entry.memory_id: event["moved"] for entry, event in events.items()}

    def _carry_out(
        self,
        call: Literal["restore", "delete", "expire"],
        now: UserView,
        plan: _Plan,
        preview: bool,
        on_progress: Progress | None,
    ) -> ChangeReceipt:
        """Record the plan in one object, then make the store agree; safe to repeat."""
        failed, verified = plan.refused, None
        if not preview:
            if plan.drafts:
                entries = self._ledger.append(now, plan.drafts)
                present = self._ledger.view(now.user_id)
                if present.forgotten != now.forgotten:
                    # Nothing that was forgotten meanwhile may lie in what was just written.
                    self._ledger.erase(now.user_id, entries)
                    raise _gone(present)
            changed = {draft.memory_id for draft in plan.drafts}
            failed = failed | self._settle(now.user_id, changed, on_progress)
            verified = len(changed - failed.keys())
        return ChangeReceipt(
            user_id=now.user_id,
            call=call,
            changes=tuple(plan.changes),
            failed=tuple(failed.items()),
            verified=verified,
            before=now.last_ulid,
            preview=preview,
            at=_now(),
        )

    def _settle(
        self, user_id: UserId, changed: Collection[str], on_progress: Progress | None
    ) -> dict[str, str]:
        """Make the store hold what is on record of the changed; return which it does not, and why.

        So for what an earlier restore recorded, which may have been cut off.
        """
        view = self._ledger.view(user_id)
        earlier = {entry.memory_id for entry in view.entries if entry.restored is not None}
        ids = sorted(changed or earlier)
        put = [key for key in ids if key in view.live]
        gone = {key for key in ids if key not in view.live and key not in view.given_away}
        reason = "it is recorded, but the index was changed by others meanwhile"
        try:
            self._merger.store_all(user_id, put, on_progress)
            for batch in batches(sorted(self._memories.removable(view, gone)), PUT_BATCH):
                self._store.delete(batch)
            left = set().union(
                *(self._differing(user_id, batch) for batch in batches(ids, PUT_BATCH))
            )
        except (BackendError, NotIndexed) as exc:
            left, reason = {*ids}, f"it is recorded, but not in the index: {exc}"
        self._memories.refresh(user_id)
        advice = "run `python -m memory_core audit --repair`"
        return dict.fromkeys(sorted(left), f"{reason}; {advice}")

    def _differing(self, user_id: UserId, ids: Sequence[str]) -> set[str]:
        """Return which of the memories the store does not hold, or still holds, unlike the ledger.

        That is read first: what others change afterwards is theirs to store.
        """
        view, stored = self._ledger.view(user_id), self._store.get(ids)
        return {
            key
            for key in ids
            if not (
                is_current(stored.get(key), view, key)
                if key in view.live
                else key not in stored or (stored[key].payload or {}).get("user_id") != user_id
            )
        }


def _now() -> datetime:
    return datetime.now(UTC)


def _bound(view: UserView, moment: Moment) -> str:
    """Return the greatest ULID that an event up to the moment can have."""
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return last_ulid_at(aware)
    if all(entry.ulid != moment for entry in view.entries):
        raise InvalidSelection(
            f"user {view.user_id!r} has no event {moment!r}; take an id from the history, or a time"
        )
    return moment


def _record(
    memory_id: str, live: Live | None, payloads: Mapping[LedgerEntry, Mapping[str, Any]]
) -> MemoryRecord | None:
    payload = payloads.get(live.latest) if live else None
    return to_record(Vector(memory_id, payload)) if payload else None


def _change(
    entry: LedgerEntry,
    event: Mapping[str, Any],
    memory_id: str,
    before: MemoryRecord | None,
    after: MemoryRecord | None,
) -> Change:
    moved = event.get("moved") or {}
    kind: ChangeKind
    if entry.kind is Kind.FORGET:
        kind = "forgotten"
    elif entry.restored is not None:
        kind = "restored"
    elif "to" in moved or "revision" in moved:
        kind = "moved"
    else:
        kind = "added" if before is None else "changed" if after else "deleted"
    return Change(
        kind=kind,
        id=memory_id,
        before=before,
        after=after,
        at=entry.at,
        event_id=entry.ulid,
        other=moved.get("to") or moved.get("from"),
        **author_of(event),
    )


def _gone(view: UserView) -> MemoryNotFound:
    """Return the error for a user or a time of which nothing is on record."""
    if view.forgotten:
        return MemoryNotFound(f"{_forgotten(view)}; choose a later moment")
    return MemoryNotFound(
        f"nothing is on record of user {view.user_id!r}; look for the id with "
        "`python -m memory_core users find`"
    )


def _forgotten(view: UserView) -> str:
    at = time_in(view.forgotten)
    return (
        f"what user {view.user_id!r} had before {at:%Y-%m-%d %H:%M:%S} UTC "
        "was forgotten for privacy and cannot come back"
    )


def _add(plan: _Plan, draft: EventDraft, present: Mapping[str, Any] | None) -> None:
    """Add an event to a plan, with the memory before and after it."""
    before, after = (
        to_record(Vector(draft.memory_id, payload)) if payload else None
        for payload in (present, draft.payload)
    )
    kind: ChangeKind = "added" if before is None else "changed" if after else "deleted"
    plan.drafts.append(draft)
    plan.changes.append(Change(kind, draft.memory_id, before, after, _now()))
