"""Moving memories between users."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..embedders import Embedder
from ..errors import BackendError, InvalidMemory, InvalidMove, NotIndexed
from ..ledger import EventDraft, Ledger, LedgerEntry, UserView
from ..model.batches import batches
from ..model.limits import check_payload
from ..model.payload import fingerprint
from ..model.records import Kind, Progress
from ..model.user_id import UserId, is_probe, normalize_user_id
from ..storage.vectors import Vector, VectorStore
from ..storage.vectors.base import PUT_BATCH
from .reader import Memories, is_current

FORMAT = "holdfast reunion"
VERSION = 1


@dataclass(frozen=True, slots=True)
class ReunionPlan:
    """What a reunion would do: move the memories `ids` of `former` to `user_id`, who has `theirs`.

    `doubles` of them say, in the same scope, what `user_id` has already; both are kept.
    `unfinished` arrived by an earlier reunion that was cut off. `refused` names memories that
    cannot be moved, and why.
    """

    former: UserId
    user_id: UserId
    ids: tuple[str, ...]
    theirs: int
    doubles: int
    unfinished: int
    refused: tuple[tuple[str, str], ...]

    @property
    def memories(self) -> int:
        """How many memories it would move."""
        return len(self.ids)

    def as_undo(self) -> Reunion:
        """Return what undoes the reunion, also where it is cut off and nobody learns its result."""
        now = datetime.now(UTC)
        return Reunion(self.former, self.user_id, self.ids, None, self.refused, now)


@dataclass(frozen=True, slots=True)
class Reunion:
    """What a reunion did: the memories with these ids, of `former`, are now of `user_id`.

    `verified` of them were read back from the store by their ids, as they should be; None in what
    is told of an earlier reunion.
    """

    former: UserId
    user_id: UserId
    ids: tuple[str, ...]
    verified: int | None
    refused: tuple[tuple[str, str], ...]
    at: datetime


def reunion_document(reunion: Reunion) -> dict[str, Any]:
    """Return the reunion as what its undo file holds: `read_reunion` reads it again."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "from": reunion.former,
        "to": reunion.user_id,
        "at": reunion.at.isoformat(timespec="seconds"),
        "moved": len(reunion.ids),
        "verified": reunion.verified,
        "refused": [{"id": one, "why": why} for one, why in reunion.refused],
        "ids": list(reunion.ids),
    }


def read_reunion(content: bytes) -> Reunion:
    """Return the reunion that an undo file tells of.

    Raises:
        InvalidMove: it is no undo file, was cut off, or is of another version.
    """
    try:
        found = json.loads(content)
        if found["format"] != FORMAT:
            raise ValueError("another format")
        if found["version"] != VERSION:
            raise InvalidMove(
                f"the undo file is of version {found['version']!r}, and this Holdfast reads "
                f"version {VERSION}; undo it with the Holdfast that wrote it"
            )
        ids = tuple(found["ids"])
        if not all(isinstance(one, str) for one in ids) or len(ids) != found["moved"]:
            raise ValueError("not the ids of memories")
        verified = found["verified"]
        return Reunion(
            former=normalize_user_id(found["from"]),
            user_id=normalize_user_id(found["to"]),
            ids=ids,
            verified=None if verified is None else int(verified),
            refused=tuple((one["id"], one["why"]) for one in found["refused"]),
            at=datetime.fromisoformat(found["at"]),
        )
    except (ValueError, KeyError, TypeError) as exc:
        if isinstance(exc, InvalidMove):
            raise
        raise InvalidMove(
            "this is no undo file of a reunion, or it was changed or cut off; "
            "use the file that `users reunite` wrote"
        ) from exc


class Reuniter:
    """Moves memories between users."""

    def __init__(
        self, ledger: Ledger, store: VectorStore, embedder: Embedder, memories: Memories
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._memories = memories

    def plan(self, former: UserId, user_id: UserId) -> ReunionPlan:
        """Say what `reunite` would do; changes nothing.

        Raises:
            InvalidMove: the ids are one, belong to a redeploy test, or nothing is there to move.
        """
        theirs, ours = self._views(former, user_id)
        arrived = self._arrived(theirs, ours)
        payloads, refused = self._payloads(theirs, ours, theirs.live.keys() - arrived)
        known = {
            fingerprint(vector.payload)
            for one, vector in self._memories.read(ours, ours.live)[0].items()
            if one not in arrived
        }
        return ReunionPlan(
            former=former,
            user_id=user_id,
            ids=tuple(one for one in theirs.live if one not in refused),
            theirs=len(ours.live) - len(arrived),
            doubles=sum(fingerprint(payload) in known for payload in payloads.values()),
            unfinished=len(arrived),
            refused=tuple(refused.items()),
        )

    def reunite(
        self,
        former: UserId,
        user_id: UserId,
        ids: Collection[str] | None = None,
        on_progress: Progress | None = None,
    ) -> Reunion:
        """Move all memories of `former`, or those with the ids; repeat it if it was cut off.

        Raises:
            InvalidMove: as `plan`.
            NotIndexed: recorded and safe, but the store could not be written.
        """
        theirs, ours = self._views(former, user_id)
        wanted = [one for one in theirs.live if ids is None or one in ids]
        going = set(wanted) - self._arrived(theirs, ours)
        payloads, refused = self._payloads(theirs, ours, going)
        if payloads:
            # In one batch: all of them arrive, or none.
            self._ledger.append(
                ours,
                [
                    EventDraft(Kind.ADD, one, former, payload, moved=_from(theirs, one))
                    for one, payload in payloads.items()
                ],
            )
        moved = [one for one in wanted if one not in refused]
        self._store_all(user_id, moved, on_progress)
        self.let_go(former, user_id, moved)
        self._follow(former, user_id)
        for one in (former, user_id):
            self._memories.refresh(one)
        verified = self._count(user_id, moved)
        left_out = tuple(refused.items())
        return Reunion(former, user_id, tuple(moved), verified, left_out, datetime.now(UTC))

    def undo(self, reunion: Reunion, on_progress: Progress | None = None) -> Reunion:
        """Give memories back to their former owner, as they are now; those deleted since stay so.

        Raises:
            InvalidMove: none of them is with the new owner any more.
        """
        former, user_id = reunion.former, reunion.user_id
        theirs, ours = self._ledger.view(former), self._ledger.view(user_id)
        came = self._origins(ours, reunion.ids)
        back = {one for one, origin in came.items() if origin == former}
        if not back and not (ours.given_away & theirs.live.keys()).intersection(reunion.ids):
            raise InvalidMove(
                f"none of the {len(reunion.ids)} memories that came from {former!r} is with user "
                f"{user_id!r} any more; there is nothing to undo"
            )
        return self.reunite(user_id, former, back, on_progress)

    def reunions(self, user_id: UserId) -> list[Reunion]:
        """Return what moved to the user from others and is there still, oldest first."""
        view = self._ledger.view(user_id)
        live = [one.added for one in view.live.values() if one.added.moved]
        found: defaultdict[tuple[str, str], list[LedgerEntry]] = defaultdict(list)
        for entry, event in self._ledger.details(live).items():
            if "revision" in event["moved"]:
                found[entry.key, _origin(event)].append(entry)
        return [
            Reunion(
                UserId(former), user_id, tuple(one.memory_id for one in came), None, (), came[0].at
            )
            for (_, former), came in sorted(found.items())
        ]

    def let_go(self, former: UserId, user_id: UserId, ids: Collection[str]) -> None:
        """Record that memories went to another user, who has them on record already."""
        theirs = self._ledger.view(former)
        gone = [one for one in ids if one in theirs.live]
        if gone:
            moved = {"to": user_id}
            self._ledger.append(
                theirs, [EventDraft(Kind.DELETE, one, former, moved=moved) for one in gone]
            )

    def _follow(self, former: UserId, user_id: UserId) -> None:
        """Take along what was written under the former id while its memories were moved."""
        theirs, ours = self._ledger.view(former), self._ledger.view(user_id)
        written = {one.memory_id: one for one in theirs.entries if one.kind is not Kind.DELETE}
        here = [
            ours.live[one].added
            for one in theirs.given_away & written.keys() & ours.live.keys()
            if ours.live[one].added.moved and not ours.live[one].updated
        ]
        late: list[LedgerEntry] = []
        for entry, event in self._ledger.details(here).items():
            newest = written[entry.memory_id]
            if event["moved"].get("revision") != newest.ulid and _origin(event) == former:
                late.append(newest)
        for newest, payload in self._ledger.payloads(late).items():
            ours = self._ledger.view(user_id)
            changed = {**payload, "user_id": user_id}
            self._ledger.append(ours, [EventDraft(Kind.UPDATE, newest.memory_id, former, changed)])
            self._store_all(user_id, [newest.memory_id], None)

    def _views(self, former: UserId, user_id: UserId) -> tuple[UserView, UserView]:
        if former == user_id:
            raise InvalidMove(f"both ids are the user {user_id!r}; there is nothing to move")
        for one in (former, user_id):
            if is_probe(one):
                raise InvalidMove(f"{one!r} belongs to a redeploy test; name a user")
        theirs = self._ledger.view(former)
        if not theirs.live and not theirs.given_away:
            raise InvalidMove(
                f"user {former!r} has no memories to move; find the id they are under first"
            )
        return theirs, self._ledger.view(user_id)

    def _payloads(
        self, theirs: UserView, ours: UserView, ids: Collection[str]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """Return what the new owner is to have, and which memories cannot be moved and why."""
        payloads: dict[str, dict[str, Any]] = {}
        refused: dict[str, str] = {}
        found = self._memories.read(theirs, ids)[0]
        for one, vector in ((one, found[one]) for one in theirs.live if one in found):
            payload = {key: value for key, value in vector.payload.items() if key != "revision"}
            payload["user_id"] = ours.user_id
            try:
                check_payload(payload)
            except InvalidMemory as exc:
                refused[one] = str(exc)
                continue
            if one in ours.live:
                refused[one] = f"user {ours.user_id!r} has another memory under this id"
                continue
            payloads[one] = payload
        return payloads, refused

    def _store_all(self, user_id: UserId, ids: Sequence[str], on_progress: Progress | None) -> None:
        done = 0
        for batch in batches(ids, PUT_BATCH):
            view = self._ledger.view(user_id)
            live = [one for one in batch if one in view.live]
            try:
                self._store_some(view, live)
            except BackendError as exc:
                raise NotIndexed(
                    f"the move to user {user_id!r} is recorded and nothing is lost, but it is "
                    f"not finished: {exc}; repeat it",
                    batch[0],
                ) from exc
            done += len(batch)
            if on_progress:
                on_progress(done, len(ids))

    def _store_some(self, view: UserView, ids: Sequence[str]) -> None:
        stored = self._store.get(ids, with_values=True)
        recorded = self._ledger.payloads(view.live[one].latest for one in ids)
        wanted = []
        for one in ids:
            latest, found = view.live[one].latest, stored.get(one)
            is_there = found is not None and found.values is not None
            if latest not in recorded or (is_there and is_current(found, view, one)):
                continue
            payload = {**recorded[latest], "revision": latest.ulid}
            # The vector follows from the text: what the store has of the same text is kept.
            same = found is not None and (found.payload or {}).get("data") == payload["data"]
            wanted.append(Vector(one, payload, found.values if found and same else None))
        without = [one for one in wanted if one.values is None]
        rows = iter(
            self._embedder.embed([one.payload["data"] for one in without]) if without else ()
        )
        self._store.put(
            [
                Vector(one.key, one.payload, next(rows)) if one.values is None else one
                for one in wanted
            ]
        )

    def _count(self, user_id: UserId, ids: Sequence[str]) -> int:
        """Return how many of the memories the store holds as recorded."""
        view = self._ledger.view(user_id)
        return sum(
            one in view.live and is_current(found.get(one), view, one)
            for batch in batches(ids, PUT_BATCH)
            for found in [self._store.get(batch)]
            for one in batch
        )

    def _arrived(self, theirs: UserView, ours: UserView) -> set[str]:
        """Return which of their memories came to us by a move that was cut off."""
        moves = unfinished(self._ledger, (theirs, ours))
        return {one for giver, one in moves if giver == theirs.user_id}

    def _origins(self, view: UserView, ids: Iterable[str]) -> dict[str, str]:
        """Return where the live ones among the memories came from, for those that came."""
        added = [view.live[one].added for one in ids if one in view.live]
        events = self._ledger.details(entry for entry in added if entry.moved)
        return {entry.memory_id: _origin(event) for entry, event in events.items()}


def unfinished(ledger: Ledger, views: Iterable[UserView]) -> dict[tuple[UserId, str], UserId]:
    """Return the memories that two users have on record since a move was cut off.

    The keys name the former owner and the memory; the values are who has it now.
    """
    holders: defaultdict[str, list[UserView]] = defaultdict(list)
    for view in views:
        for one in view.live:
            holders[one].append(view)
    shared = {one: found for one, found in holders.items() if len(found) > 1}
    came = {view.live[one].added: view for one, found in shared.items() for view in found}
    events = ledger.details(entry for entry in came if entry.moved)
    return {
        (view.user_id, entry.memory_id): came[entry].user_id
        for entry, event in events.items()
        for view in shared[entry.memory_id]
        # Given back meanwhile, it would have been added there after what was taken.
        if view.user_id == _origin(event)
        and view.live[entry.memory_id].added.ulid <= event["moved"].get("revision", "")
    }


def _origin(event: dict[str, Any]) -> str:
    return str(event["moved"].get("from", ""))


def _from(theirs: UserView, memory_id: str) -> dict[str, str]:
    return {"from": theirs.user_id, "revision": theirs.live[memory_id].latest.ulid}


__all__ = [
    "Reunion",
    "ReunionPlan",
    "Reuniter",
    "read_reunion",
    "reunion_document",
    "unfinished",
]
