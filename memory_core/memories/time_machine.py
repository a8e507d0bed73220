"""A user's memories at any moment, the changes between two, and the return to a state.

Everything is read from the ledger; the vector store is only written, to follow a change.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any

from ..errors import BackendError, InvalidMove, InvalidSelection, MemoryNotFound, NotIndexed
from ..ledger import ALL, EventDraft, Ledger, LedgerEntry, Live, UserView
from ..ledger.entries import last_ulid_at, time_in
from ..ledger.view import Replay
from ..model.census import Origin
from ..model.counting import Progress, Steps, batches
from ..model.past import BulkCall, Change, ChangeKind, ChangeReceipt, MemoryFilter, Moment
from ..model.payload import differing, with_expiry
from ..model.records import Kind, MemoryRecord
from ..model.user_id import UserId
from ..storage.vectors import Vector
from ..storage.vectors.base import PUT_BATCH
from .merge_users import Merger
from .reader import to_record
from .repair import Repairer
from .statistics import author_of, origin_of

_READ_AT_ONCE = 1_000
_Payload = Mapping[str, Any]
_Planned = tuple[EventDraft, _Payload | None]
"""An event to be recorded, and the payload before it."""


class PastMemories(Sequence[MemoryRecord]):
    """The memories that a user had at a moment, newest first.

    Their number and `ids` are known without reading a text; records are read when they are asked
    for. `event_id` and `at` are the last event before the moment and its time, if there was one.
    `forgotten` is the time (UTC) of a FORGET after the moment: nothing from before it is left.
    """

    def __init__(self, ledger: Ledger, view: UserView, forgotten: datetime | None) -> None:
        self._ledger = ledger
        self._live = view.live
        self.user_id = view.user_id
        self.ids = tuple(reversed([*view.live]))
        self.event_id = view.last_ulid
        self.at = view.entries[-1].at if view.entries else None
        self.forgotten = forgotten
        self._entries = view.entries

    @property
    def events(self) -> tuple[str, ...]:
        """The ids of the events up to the moment, oldest first; each is the moment after it."""
        return tuple(dict.fromkeys(entry.ulid for entry in self._entries))

    def moves(self) -> dict[str, Origin]:
        """Return, by event, how memories came or left: by a merge, migration or import."""
        moved = {entry.ulid: entry for entry in self._entries if entry.moved}
        details = self._ledger.details(moved.values())
        return {
            entry.ulid: origin_of(details[entry]) for entry in moved.values() if entry in details
        }

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return self.read(self.ids[place])
        return self.read([self.ids[place]])[0]

    def __iter__(self) -> Iterator[MemoryRecord]:
        for ids in batches(self.ids, _READ_AT_ONCE):
            yield from self.read(ids)

    def read(self, ids: Sequence[str]) -> list[MemoryRecord]:
        """Return memories of the state by their ids, in this order."""
        payloads = self._ledger.payloads(self._live[memory_id].latest for memory_id in ids)
        records = (_record(key, payloads.get(self._live[key].latest)) for key in ids)
        return [record for record in records if record]


class TimeMachine:
    """Reads the past of users from the ledger, and restores it."""

    def __init__(self, ledger: Ledger, merger: Merger, repairer: Repairer) -> None:
        self._ledger = ledger
        self._merger = merger
        self._repairer = repairer

    def state(self, user_id: UserId, moment: Moment) -> PastMemories:
        """Return the user's memories at a moment: after the last event that is not later."""
        now = self._ledger.view(user_id)
        bound = _bound(now, moment)
        if bound < now.forgotten:
            return PastMemories(self._ledger, now.until(""), time_in(now.forgotten))
        return PastMemories(self._ledger, now.until(bound), None)

    def changes(self, user_id: UserId, since: Moment | None, until: Moment | None) -> list[Change]:
        """Return what changed after `since` and not after `until`, oldest first."""
        view = self._ledger.view(user_id)
        first, last = (_bound(view, at) if at else "" for at in (since, until))
        if first > last > "":
            raise InvalidSelection(f"{since} is after {until}; start from an earlier moment")
        base = view.until(first)
        replay = Replay(user_id, base)
        steps: list[tuple[LedgerEntry, str, Live | None, Live | None]] = []
        for entry in view.until(last or "~").entries[len(base.entries) :]:
            former = replay.apply(entry)
            if entry.kind is Kind.FORGET:
                # Everything before it is gone for good, even if the erasure was cut off.
                steps = [(entry, ALL, None, None)]
                continue
            for key, old in former.items():
                new = replay.live.get(key)
                if (old and old.latest) != (new and new.latest):
                    steps.append((entry, key, old, new))
        lives = (live for _, _, old, new in steps for live in (old, new) if live)
        wanted = dict.fromkeys([*(entry for entry, *_ in steps), *(live.latest for live in lives)])
        events = self._ledger.details(wanted)
        return [
            _change(
                memory_id,
                events.get(old.latest, {}).get("payload") if old else None,
                events.get(new.latest, {}).get("payload") if new else None,
                entry,
                events[entry],
            )
            for entry, memory_id, old, new in steps
            if entry in events
        ]

    def restore(
        self,
        user_id: UserId,
        raw_user_id: str,
        moment: Moment | None,
        where: MemoryFilter,
        memory_id: str | None = None,
        *,
        keep_newer: bool = False,
        preview: bool,
        on_progress: Progress | None = None,
    ) -> ChangeReceipt:
        """Return the chosen memories, or one, to a moment; None for just before the deletion."""
        now = self._ledger.view(user_id)
        bound = _bound(now, moment) if moment else ""
        if not now.entries or (moment and bound < now.forgotten):
            raise _not_there(now, "nothing")
        past = now.until(bound).live if moment else {**now.deleted, **now.live}
        if memory_id and memory_id not in past:
            raise _not_there(now, f"no memory {memory_id!r}")
        ids = [memory_id] if memory_id else self._chosen(where, past, now.live)
        then = {key: past[key].latest if key in past else None for key in ids}
        current = {key: now.live[key].latest if key in now.live else None for key in ids}
        differ = [key for key in ids if then[key] != current[key]]
        entries = (entry for key in differ for entry in (then[key], current[key]) if entry)
        payloads = self._ledger.payloads(entries)
        planned: list[_Planned] = []
        refused = self._moved(now, bound, then, current)
        for key in differ:
            source, latest = then[key], current[key]
            target = payloads.get(source) if source else None
            present = payloads.get(latest) if latest else None
            if key in refused or (target is None and (keep_newer or source)):
                continue
            if target is not None and present is not None and not differing(target, present):
                continue
            kind = Kind.DELETE if target is None else Kind.UPDATE if latest else Kind.ADD
            mark = (source.restored or source.ulid) if source else ""
            planned.append((EventDraft(kind, key, raw_user_id, target, restored=mark), present))
        if memory_id and refused:
            raise InvalidMove(f"memory {memory_id!r} cannot be brought back: {refused[memory_id]}")
        return self._carry_out("restore", now, ids, planned, refused, preview, on_progress)

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
        """Give the chosen memories an expiry date, or delete them if that is None."""
        with_expiry({}, expires)  # Checks the date, even if no memory fits.
        now = self._ledger.view(user_id)
        ids = self._chosen(where, now.live)
        entries = {now.live[key].latest: key for key in ids}
        planned: list[_Planned] = []
        for entry, payload in self._ledger.payloads(entries).items():
            draft = EventDraft(Kind.DELETE, entries[entry], raw_user_id)
            if expires is not None:
                revised = with_expiry(payload, expires)
                if not differing(payload, revised):
                    continue
                revised["updated_at"] = datetime.now(UTC).isoformat()
                draft = EventDraft(Kind.UPDATE, entries[entry], raw_user_id, revised)
            planned.append((draft, payload))
        call: BulkCall = "delete" if expires is None else "expire"
        return self._carry_out(call, now, ids, planned, {}, preview, on_progress)

    def _chosen(self, where: MemoryFilter, *states: Mapping[str, Live]) -> list[str]:
        """Return the ids of the memories that fit the filter in any of the states."""
        pairs = [
            (key, live.latest)
            for state in states
            for key, live in state.items()
            if where.ids is None or key in where.ids
        ]
        if not where.by_id_alone:
            payloads = self._ledger.payloads(dict.fromkeys(entry for _, entry in pairs))
            records = ((_record(key, payloads.get(entry)), entry) for key, entry in pairs)
            pairs = [(record.id, at) for record, at in records if record and where.matches(record)]
        return [*dict.fromkeys(key for key, _ in pairs)]

    def _moved(
        self,
        now: UserView,
        since: str,
        then: Mapping[str, LedgerEntry | None],
        current: Mapping[str, LedgerEntry | None],
    ) -> dict[str, str]:
        """Return the memories that moved to another user, or came from one, with a sentence."""
        apart = {key for key in then if bool(then[key]) != bool(current[key])}
        moves = {
            entry.memory_id: entry
            for entry in now.entries
            if entry.moved and entry.ulid > since and entry.memory_id in apart
        }
        refused = {}
        for entry, event in self._ledger.details(moves.values()).items():
            key, moved = entry.memory_id, event["moved"]
            if key in now.given_away and not current[key]:
                refused[key] = f"it moved to user {moved.get('to')!r}; it can come back only there"
            elif "revision" in moved and not then[key]:
                refused[key] = f"it came from user {moved.get('from')!r}; undo the merge instead"
        return refused

    def _carry_out(
        self,
        call: BulkCall,
        now: UserView,
        chosen: Sequence[str],
        planned: Sequence[_Planned],
        failed: dict[str, str],
        preview: bool,
        on_progress: Progress | None,
    ) -> ChangeReceipt:
        """Record the events in one object, then make the store agree; safe to repeat."""
        changes = [_change(draft.memory_id, old, draft.payload) for draft, old in planned]
        changed = {change.id for change in changes}
        unchanged = tuple(key for key in chosen if key not in changed and key not in failed)
        verified = None
        if not preview:
            if planned:
                entries = self._ledger.append(now, [draft for draft, _ in planned])
                present = self._ledger.view(now.user_id)
                if present.forgotten != now.forgotten:
                    # What was just written may hold memories that were forgotten meanwhile.
                    self._ledger.erase(now.user_id, entries)
                    raise _not_there(present, "nothing")
            left = self._settle(now.user_id, [change.id for change in changes], on_progress)
            verified = len(changed - left.keys())
            failed = failed | left
        return ChangeReceipt(
            user_id=now.user_id,
            call=call,
            changes=tuple(changes),
            failed=tuple(failed.items()),
            verified=verified,
            before=now.last_ulid,
            unchanged=unchanged,
            preview=preview,
            at=datetime.now(UTC),
        )

    def _settle(
        self, user_id: UserId, changed: Sequence[str], on_progress: Progress | None
    ) -> dict[str, str]:
        """Make the store hold the changed memories; return those it does not hold, and why.

        Where nothing changed, complete an earlier restore that may have been cut off here.
        """
        entries = self._ledger.view(user_id).entries
        ids = changed or [entry.memory_id for entry in entries if entry.restored is not None]
        left: dict[tuple[UserId, str], str] = {}
        steps = Steps(on_progress, len(ids))
        try:
            for batch in batches(dict.fromkeys(ids), PUT_BATCH):
                # This keeps the vector of an unchanged text.
                self._merger.store_all(user_id, batch)
                left |= self._repairer.settle([(user_id, memory_id) for memory_id in batch])
                steps.advance(len(batch))
        except (BackendError, NotIndexed) as exc:
            cause = (exc.__cause__ or exc) if isinstance(exc, NotIndexed) else exc
            rest, reason = list(dict.fromkeys(ids))[steps.done :], f"not in the index yet: {cause}"
            left |= {(user_id, memory_id): reason for memory_id in rest}
        advice = "it is recorded; run `python -m memory_core audit --repair`"
        return {memory_id: f"{reason}; {advice}" for (_, memory_id), reason in left.items()}


def _bound(view: UserView, moment: Moment) -> str:
    """Return the greatest ULID that an event up to the moment can have."""
    if isinstance(moment, datetime):
        return last_ulid_at(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    at = bisect_right(view.entries, moment, key=attrgetter("ulid"))
    known = at and view.entries[at - 1].ulid == moment
    if not known and moment > view.forgotten:
        raise InvalidSelection(
            f"user {view.user_id!r} has no event {moment!r}; take an id from the history, or a time"
        )
    return moment


def _record(memory_id: str, payload: _Payload | None) -> MemoryRecord | None:
    return to_record(Vector(memory_id, payload)) if payload else None


def _change(
    memory_id: str,
    before: _Payload | None,
    after: _Payload | None,
    entry: LedgerEntry | None = None,
    event: _Payload | None = None,
) -> Change:
    """Return a change that an entry recorded, or that is about to be recorded."""
    event = event or {}
    moved = event.get("moved") or {}
    kind: ChangeKind = "added" if not before else "changed" if after else "deleted"
    if memory_id == ALL:
        kind = "forgotten"
    elif entry and entry.restored is not None:
        kind = "restored"
    elif "to" in moved or "revision" in moved:
        kind = "moved"
    return Change(
        kind=kind,
        id=memory_id,
        before=_record(memory_id, before),
        after=_record(memory_id, after),
        at=entry.at if entry else datetime.now(UTC),
        event_id=entry.ulid if entry else "",
        other=moved.get("to") or moved.get("from"),
        **author_of(event),
    )


def _not_there(view: UserView, what: str) -> MemoryNotFound:
    """Return the error for a moment of which nothing, or not this memory, is on record."""
    advice = "look for the id and the moment in the history"
    if view.forgotten:
        at = f"{time_in(view.forgotten):%Y-%m-%d %H:%M:%S} UTC"
        advice = f"what was there before {at} was forgotten for privacy and cannot come back"
    return MemoryNotFound(
        f"{what} of user {view.user_id!r} is on record as of that moment; {advice}"
    )
