"""The ledger itself: reading and appending entries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from threading import Lock
from typing import Any
from urllib.parse import unquote

from ..errors import BackendError, LedgerCorrupt, LedgerError
from ..model.records import Kind
from ..model.user_id import UserId
from ..storage.objects import ObjectStore, take
from .entries import (
    DIGEST_MARK,
    ROOT,
    EventDraft,
    LedgerEntry,
    check_place,
    decode_event,
    encode_event,
    entry_name,
    folder_of,
    folders_of,
    is_batch,
    match_name,
    next_ulid,
)
from .snapshots import OVERLAP, PAGE, Snapshots, keys_of, tail_of
from .view import UserView, replay

_APPEND_ATTEMPTS = 8
_VIEWS_KEPT = 2_000
_BATCHES_KEPT = 500
_EVENTS_KEPT = 50_000
"""Of the batches; about 60 MB."""
_FRUGAL_VIEWS = 20
_FRUGAL_EVENTS = 2_000
USERS_AT_ONCE = 50
_SLOW = timedelta(seconds=5)
"""After this time others may have written more than `OVERLAP` entries."""

Events = Sequence[dict[str, Any]]
"""The events that one object records."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A user's view, and the keys it was made of; the first `kept` were put into a snapshot."""

    version: str | None
    keys: tuple[str, ...]
    view: UserView
    kept: int = 0


class Ledger:
    """Reads and appends; safe to share between threads, and with other processes.

    A `frugal` ledger has small caches, for work that visits each user once. `author` returns who
    appends an event, and by which call.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        frugal: bool = False,
        author: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.objects = objects
        self.snapshots = Snapshots(objects)
        self._author = author
        self._views_kept = _FRUGAL_VIEWS if frugal else _VIEWS_KEPT
        self._events_kept = _FRUGAL_EVENTS if frugal else _EVENTS_KEPT
        self._views: dict[UserId, _Known] = {}
        self._batches: dict[str, Events] = {}
        self._lock = Lock()
        self.damaged: dict[str, LedgerCorrupt] | None = None
        """By key: the entries that a tolerant ledger left out; None if each raises its error."""

    def tolerant(self, views: Iterable[UserView] = ()) -> Ledger:
        """Return a ledger for one pass that leaves out unreadable entries, and lists them.

        It replays no user anew whose entries are still those of one of the `views`.
        """
        ledger = Ledger(self.objects)
        ledger._batches, ledger._lock, ledger.damaged = self._batches, self._lock, {}
        ledger._views = {view.user_id: _Known(None, keys_of(view.entries), view) for view in views}
        return ledger

    def restore(self, key: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Rewrite a damaged entry: the events of its name, with their payloads."""
        lines = [json.dumps(event, ensure_ascii=False).encode() for event in events]
        check_place(key, events)
        self.objects.replace(key, b"\n".join(lines))

    def append(self, view: UserView, drafts: Sequence[EventDraft]) -> tuple[LedgerEntry, ...]:
        """Record the events of one call durably, in one object, after everything in `view`.

        Raises:
            LedgerError: other writers took every name that was tried.
        """
        moment, author = datetime.now(UTC), self._author()
        lines = [encode_event(view.user_id, draft, moment, author) for draft in drafts]
        ulid = next_ulid(view.last_ulid, moment)
        # A user whose entries are in the folder of an earlier release stays there.
        before = view.entries[-1].key if view.entries else folder_of(view.user_id)
        folder = before[: before.rindex("/") + 1]
        for _ in range(_APPEND_ATTEMPTS):
            key = folder + entry_name(ulid, drafts)
            data = b"\n".join(lines)
            if not take(self.objects, key, data, own_name=True):
                ulid = next_ulid(ulid, moment)
                continue
            events = [decode_event(line) for line in lines] if is_batch(key) else []
            if events:
                self._keep(key, events)
            if datetime.now(UTC) - moment > _SLOW and not self.objects.lists_freely:
                self.snapshots.remove(folder, ulid)
            return tuple(_entries(key, events))
        raise LedgerError(f"could not record an event for user {view.user_id!r}; try again")

    def view(self, user_id: UserId) -> UserView:
        """Return the user's entries as they are now; unchanged ones come from the cache."""
        known = self._views.get(user_id)
        for folder in folders_of(user_id):
            version = self.objects.version(folder)
            if known and version is not None and version == known.version:
                return known.view
            # The version is read first, so that the next call sees a change in between.
            keys, first = self._list(user_id, folder, known)
            if keys:
                break
        new, kept = (keys[len(first.keys) :], first.kept) if first else (keys, 0)
        # Entries never change: only those after the known ones have to be read.
        before = first.view if first else None
        view = before if before and not new else self._replay(user_id, new, before)
        if self._may_use_snapshots and len(keys) > max(PAGE, kept + OVERLAP):
            listed = tuple(self.objects.list(folder)) if first else keys
            if listed[: len(keys)] != keys:
                # An older key came back, perhaps from a backup: only the last are listed again.
                keys, view = listed, self._replay(user_id, listed)
            # While a user is being erased, none is kept that could outlast it.
            if (kept := len(keys)) > PAGE and view.entries[0].ulid >= view.forgotten:
                self.snapshots.keep(folder, view.entries)
        with self._lock:
            self._views.pop(user_id, None)
            self._views[user_id] = _Known(version, keys, view, kept)
            trim(self._views, self._views_kept)
        return view

    def _list(
        self, user_id: UserId, folder: str, known: _Known | None
    ) -> tuple[tuple[str, ...], _Known | None]:
        """Return the keys of a folder, and what is known of the first ones.

        Of many keys, only the last ones are listed if a listing takes requests.
        """
        listing, first, many = self.objects.list(folder), tuple[str, ...](), known
        if self._may_use_snapshots:
            if not (known and len(known.keys) > PAGE and known.keys[0].startswith(folder)):
                first, many = tuple(islice(listing, PAGE)), None
                if len(first) == PAGE and (entries := self.snapshots.newest(folder)):
                    taken = keys_of(entries)
                    many = _Known(None, taken, replay(user_id, entries), len(taken))
            if many:
                if (tail := tail_of(self.objects, folder, many.keys)) is not None:
                    return many.keys + tail, many
                with suppress(BackendError):
                    self.snapshots.remove(folder)
        keys = (*first, *listing)
        return keys, known if known and keys[: len(known.keys)] == known.keys else None

    @property
    def _may_use_snapshots(self) -> bool:
        return not self.objects.lists_freely and self.damaged is None

    def details(self, entries: Iterable[LedgerEntry]) -> dict[LedgerEntry, dict[str, Any]]:
        """Return the recorded events: kind, id, user_id, raw_user_id, at, payload.

        Entries whose user was forgotten since they were listed are left out.
        """
        wanted = list(entries)
        events = self._read(entry.key for entry in wanted)
        return {
            entry: dict(events[entry.key][entry.line or 0])
            for entry in wanted
            if entry.key in events
        }

    def payloads(self, entries: Iterable[LedgerEntry]) -> dict[LedgerEntry, dict[str, Any]]:
        """Return the payloads of ADDs and UPDATEs, under the condition of `details`."""
        return {entry: event["payload"] for entry, event in self.details(entries).items()}

    def look_again(self, user_id: UserId) -> UserView | None:
        """Return the user's present entries, None if that takes a request."""
        return self.view(user_id) if self.objects.lists_freely else None

    def is_empty(self) -> bool:
        """Return whether nothing was ever recorded."""
        return next(self.objects.list(ROOT), None) is None

    def users(self) -> Iterator[UserView]:
        """Yield every user that has an entry, in the order of their encoded ids."""
        folders = by_folder(self.objects.list(ROOT))
        at_once = 1
        while part := list(islice(folders, at_once)):
            self.read_ahead(
                key
                for folder, keys in part
                if not self._unchanged(UserId(unquote(_named(folder))), keys)
                for key in keys
            )
            for folder, keys in part:
                if view := self.look(folder, keys):
                    yield view
            at_once = USERS_AT_ONCE

    def left_out(self) -> tuple[UserId, ...]:
        """Return the users whose entries a listing was seen to leave out."""
        return self.users_in(key for key in self.objects.left_out if key.startswith(ROOT))

    def users_in(self, keys: Iterable[str]) -> tuple[UserId, ...]:
        """Return the users of keys; the folder's name if only an entry could tell, and cannot."""
        users = {
            self._user_of(name, [*self.objects.list(f"{ROOT}{name}/")]) or UserId(name)
            for name in set(map(_named, keys))
        }
        return tuple(sorted(users))

    def read_ahead(self, keys: Iterable[str]) -> None:
        """Read in one go the batches that `look` would read user by user."""
        self._read(filter(is_batch, keys))

    def look(self, folder: str, keys: Sequence[str]) -> UserView | None:
        """Return the view of the user whose folder has these keys.

        None if the user was forgotten since they were listed.
        """
        user_id = self._user_of(_named(folder), keys)
        if user_id is None:
            return None
        return self._unchanged(user_id, keys) or self._replay(user_id, keys)

    def _unchanged(self, user_id: UserId, keys: Sequence[str]) -> UserView | None:
        known = self._views.get(user_id)
        return known.view if known and known.keys == tuple(keys) else None

    def erase(self, user_id: UserId, entries: Sequence[LedgerEntry]) -> None:
        """Remove a user's entries for good, with the content that they recorded.

        Snapshots go first, so that an interrupted call is repeated for them as well.
        """
        for folder in folders_of(user_id):
            self.snapshots.remove(folder)
        self.objects.delete(dict.fromkeys(entry.key for entry in entries))
        with self._lock:
            self._views.pop(user_id, None)
            for entry in entries:
                self._batches.pop(entry.key, None)

    def _replay(
        self, user_id: UserId, keys: Sequence[str], before: UserView | None = None
    ) -> UserView:
        batches = self._read(filter(is_batch, keys))
        entries: list[LedgerEntry] = []
        for key in keys:
            try:
                entries += _entries(key, batches.get(key, ()))
            except LedgerCorrupt as exc:
                self._leave_out(exc)
        return replay(user_id, entries, before)

    def _read(self, keys: Iterable[str]) -> dict[str, Events]:
        """Return the events of the objects that exist."""
        wanted = dict.fromkeys(keys)
        events = {key: known for key in wanted if (known := self._batches.get(key)) is not None}
        for key, data in self.objects.get_many(wanted.keys() - events.keys()).items():
            try:
                events[key] = _decode(key, data)
            except LedgerCorrupt as exc:
                self._leave_out(exc)
                continue
            if is_batch(key):
                self._keep(key, events[key])
        return events

    def _leave_out(self, exc: LedgerCorrupt) -> None:
        if self.damaged is None:
            raise exc
        self.damaged[exc.key] = exc

    def _keep(self, key: str, events: Events) -> None:
        with self._lock:
            full = len(self._batches) >= _BATCHES_KEPT
            self._batches[key] = events
            trim(self._batches, _BATCHES_KEPT)
            if full and len(events) == 1:
                # It took the place of as many: nothing to add up, for each of thousands.
                return
            spare = sum(map(len, self._batches.values())) - self._events_kept
            for first in list(self._batches)[:-1]:
                if spare <= 0:
                    break
                spare -= len(self._batches.pop(first))

    def _user_of(self, name: str, keys: Sequence[str]) -> UserId | None:
        """Return the user of a folder; None for a digest whose user has just been forgotten."""
        if not name.startswith(DIGEST_MARK):
            return UserId(unquote(name))
        events = (event for key in reversed(keys) for event in self._read([key]).get(key, ()))
        return next((UserId(event["user_id"]) for event in events), None)


def _named(folder: str) -> str:
    """Return the name of a user's folder, given the folder or a key in it."""
    return folder[len(ROOT) :].partition("/")[0]


def by_folder(keys: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Group sorted keys by the folder of their user; a key outside of any is its own folder."""

    def folder(key: str) -> str:
        name, slash, _ = key[len(ROOT) :].partition("/")
        return ROOT + name + slash

    return ((name, tuple(group)) for name, group in groupby(keys, key=folder))


def _entries(key: str, events: Events) -> Iterator[LedgerEntry]:
    """Yield the entries of one object; `events` are those of a BATCH."""
    name = match_name(key)
    if name["kind"]:
        yield LedgerEntry(key, Kind(name["kind"]), unquote(name["id"]))
    for line, event in enumerate(events):
        moved, restored = bool(event.get("moved")), event.get("restored")
        yield LedgerEntry(key, Kind(event["kind"]), event["id"], line, moved, restored)


def _decode(key: str, data: bytes) -> Events:
    try:
        events = [decode_event(line) for line in data.splitlines()]
        check_place(key, events)
    except (ValueError, KeyError, TypeError) as exc:
        raise LedgerCorrupt(
            f"ledger entry {key!r} is damaged; `python -m memory_core audit --repair` rewrites it "
            "if the store still has what it recorded; otherwise restore it from a backup, or move "
            "it away to continue without it",
            key,
        ) from exc
    return events


def trim(cache: dict[Any, Any], size: int) -> None:
    """Drop the oldest items of a cache, down to `size`."""
    for key in list(islice(cache, max(0, len(cache) - size))):
        del cache[key]
