"""Merging users: all memories of one become another's, with their ids, texts and times."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ..errors import BackendError, InvalidMemory, InvalidMove, NotIndexed
from ..ledger import EventDraft, Ledger, LedgerEntry, UserView
from ..model.counting import Progress, Steps, batches, counted
from ..model.limits import check_payload
from ..model.payload import fingerprint
from ..model.records import Kind
from ..model.user_id import UserId, is_probe, normalize_user_id
from ..storage.vectors import Vector
from ..storage.vectors.base import PUT_BATCH
from .reader import MemoryReader, is_current
from .repository import Repository

FORMAT = "holdfast reunion"
VERSION = 1


@dataclass(frozen=True, slots=True)
class MergePlan:
    """The memories `ids` of `former` that a merge moves to `user_id`, who has `theirs`.

    `doubles` of them have the text and scope of a memory of `user_id`; both are kept.
    `unfinished` arrived by an earlier merge that was cut off. `refused` names memories that
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
        """The number of memories to be moved."""
        return len(self.ids)

    def as_undo(self) -> Merge:
        """Return the record that undoes the merge, even if that is cut off and returns nothing."""
        now = datetime.now(UTC)
        return Merge(self.former, self.user_id, self.ids, None, self.refused, now)


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge that took place: the memories `ids`, once of `former`, are now of `user_id`.

    `verified` of them were read back from the store by their ids, as they should be; None in the
    record of an earlier merge.
    """

    former: UserId
    user_id: UserId
    ids: tuple[str, ...]
    verified: int | None
    refused: tuple[tuple[str, str], ...]
    at: datetime


class Merger:
    """Moves memories between users."""

    def __init__(self, repository: Repository, memories: MemoryReader) -> None:
        _, self._embedder, self._ledger, self._store = repository
        self._memories = memories

    def plan(self, former: UserId, user_id: UserId) -> MergePlan:
        """Preview a merge; changes nothing.

        Raises:
            InvalidMove: both ids are the same, one belongs to a redeploy test, or there is nothing
                to move.
        """
        theirs, ours = self._views(former, user_id)
        arrived = self._arrived(theirs, ours)
        payloads, refused = self._payloads(theirs, ours, theirs.live.keys() - arrived)
        known = {
            fingerprint(vector.payload)
            for memory_id, vector in self._memories.read(ours, ours.live)[0].items()
            if memory_id not in arrived
        }
        return MergePlan(
            former=former,
            user_id=user_id,
            ids=tuple(memory_id for memory_id in theirs.live if memory_id not in refused),
            theirs=len(ours.live) - len(arrived),
            doubles=sum(fingerprint(payload) in known for payload in payloads.values()),
            unfinished=len(arrived),
            refused=tuple(refused.items()),
        )

    def merge(
        self,
        former: UserId,
        user_id: UserId,
        on_progress: Progress | None = None,
        *,
        only: Collection[str] | None = None,
    ) -> Merge:
        """Move all memories of `former`, or `only` some; repeat it if it was cut off.

        Raises:
            InvalidMove: as `plan`.
            NotIndexed: recorded and safe, but the store could not be written.
        """
        theirs, ours = self._views(former, user_id)
        wanted = [memory_id for memory_id in theirs.live if only is None or memory_id in only]
        payloads, refused = self._payloads(theirs, ours, set(wanted) - self._arrived(theirs, ours))
        if payloads:
            # In one batch: all of them arrive, or none.
            drafts = []
            for memory_id, payload in payloads.items():
                origin = {"from": former, "revision": theirs.live[memory_id].latest.ulid}
                drafts.append(EventDraft(Kind.ADD, memory_id, former, payload, moved=origin))
            self._ledger.append(ours, drafts)
        moved = tuple(memory_id for memory_id in wanted if memory_id not in refused)
        self.store_all(user_id, moved, on_progress)
        self.release(former, user_id, moved)
        self._move_late_changes(former, user_id)
        self._memories.refresh(former)
        self._memories.refresh(user_id)
        verified = self.count_stored(user_id, moved)
        return Merge(former, user_id, moved, verified, tuple(refused.items()), datetime.now(UTC))

    def undo(self, merge: Merge, on_progress: Progress | None = None) -> Merge:
        """Give memories back to their former owner, as they are now; deleted ones stay deleted.

        Raises:
            InvalidMove: none of them is with the new owner any more.
        """
        former, user_id = merge.former, merge.user_id
        theirs, ours = self._ledger.view(former), self._ledger.view(user_id)
        added = [ours.live[key].added for key in merge.ids if key in ours.live]
        events = self._ledger.details(entry for entry in added if entry.moved)
        back = {entry.memory_id for entry, event in events.items() if _origin(event) == former}
        if not back and not (ours.given_away & theirs.live.keys()).intersection(merge.ids):
            raise InvalidMove(
                f"of {counted(len(merge.ids), 'memory')} that came from {former!r}, none is with "
                f"user {user_id!r} any more; there is nothing to undo"
            )
        return self.merge(user_id, former, on_progress, only=back)

    def merges(self, user_id: UserId) -> list[Merge]:
        """Return the merges of which the user still has memories, oldest first."""
        view = self._ledger.view(user_id)
        added = [live.added for live in view.live.values() if live.added.moved]
        groups: defaultdict[tuple[str, str], list[LedgerEntry]] = defaultdict(list)
        for entry, event in self._ledger.details(added).items():
            if "revision" in event["moved"]:
                groups[entry.key, _origin(event)].append(entry)
        merges = []
        for (_, former), entries in sorted(groups.items()):
            ids = tuple(entry.memory_id for entry in entries)
            merges.append(Merge(UserId(former), user_id, ids, None, (), entries[0].at))
        return merges

    def release(self, former: UserId, user_id: UserId, ids: Collection[str]) -> None:
        """Record that memories went to another user, who has them on record already."""
        theirs = self._ledger.view(former)
        drafts = [
            EventDraft(Kind.DELETE, memory_id, former, moved={"to": user_id})
            for memory_id in ids
            if memory_id in theirs.live
        ]
        if drafts:
            self._ledger.append(theirs, drafts)

    def _move_late_changes(self, former: UserId, user_id: UserId) -> None:
        """Move what was written under the former id while its memories were moved."""
        theirs, ours = self._ledger.view(former), self._ledger.view(user_id)
        written = {
            entry.memory_id: entry for entry in theirs.entries if entry.kind is not Kind.DELETE
        }
        moved = (
            live.added
            for memory_id, live in ours.live.items()
            if memory_id in theirs.given_away and live.added.moved and not live.updated
        )
        late = [
            written[entry.memory_id]
            for entry, event in self._ledger.details(moved).items()
            if _origin(event) == former
            and entry.memory_id in written
            and written[entry.memory_id].ulid != event["moved"].get("revision")
        ]
        for newest, payload in self._ledger.payloads(late).items():
            changed = {**payload, "user_id": user_id}
            draft = EventDraft(Kind.UPDATE, newest.memory_id, former, changed)
            self._ledger.append(self._ledger.view(user_id), [draft])
            self.store_all(user_id, [newest.memory_id])

    def _views(self, former: UserId, user_id: UserId) -> tuple[UserView, UserView]:
        if former == user_id:
            raise InvalidMove(f"both ids are the user {user_id!r}; there is nothing to move")
        for given in (former, user_id):
            if is_probe(given):
                raise InvalidMove(f"{given!r} belongs to a redeploy test; name a user")
        theirs = self._ledger.view(former)
        if not theirs.live and not theirs.given_away:
            raise InvalidMove(
                f"user {former!r} has no memories to move; find the id that has them first"
            )
        return theirs, self._ledger.view(user_id)

    def _payloads(
        self, theirs: UserView, ours: UserView, ids: Collection[str]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """Return the payloads for the new owner, and why other memories cannot be moved."""
        payloads: dict[str, dict[str, Any]] = {}
        refused: dict[str, str] = {}
        vectors = self._memories.read(theirs, ids)[0]
        for memory_id in filter(vectors.__contains__, theirs.live):
            payload = {**vectors[memory_id].payload, "user_id": ours.user_id}
            payload.pop("revision", None)
            try:
                check_payload(payload)
            except InvalidMemory as exc:
                refused[memory_id] = str(exc)
                continue
            if memory_id in ours.live:
                refused[memory_id] = f"user {ours.user_id!r} has another memory under this id"
            else:
                payloads[memory_id] = payload
        return payloads, refused

    def store_all(
        self, user_id: UserId, ids: Sequence[str], on_progress: Progress | None = None
    ) -> None:
        """Put the memories that are live, as recorded; repeat it if it was cut off.

        Raises:
            NotIndexed: the store could not be written.
        """
        steps = Steps(on_progress, len(ids))
        for batch in batches(ids, PUT_BATCH):
            view = self._ledger.view(user_id)
            try:
                self._store_some(view, [memory_id for memory_id in batch if memory_id in view.live])
            except BackendError as exc:
                raise NotIndexed(
                    f"memories of user {user_id!r} are recorded and safe, but not all are stored: "
                    f"{exc}; repeat the call",
                    batch[0],
                ) from exc
            steps.advance(len(batch))

    def _store_some(self, view: UserView, ids: Sequence[str]) -> None:
        stored = self._store.get(ids, with_values=True)
        recorded = self._ledger.payloads(view.live[memory_id].latest for memory_id in ids)
        ready, without = [], []
        for memory_id in ids:
            latest, vector = view.live[memory_id].latest, stored.get(memory_id)
            if latest not in recorded:
                continue
            payload = {**recorded[latest], "revision": latest.ulid}
            if vector and vector.values is not None:
                if is_current(vector, view, memory_id):
                    continue
                # The vector follows from the text: that of the same text is kept.
                if (vector.payload or {}).get("data") == payload["data"]:
                    ready.append(Vector(memory_id, payload, vector.values))
                    continue
            without.append(Vector(memory_id, payload))
        if without:
            rows = self._embedder.embed([vector.payload["data"] for vector in without])
            ready += [
                replace(vector, values=row) for vector, row in zip(without, rows, strict=True)
            ]
        self._store.put(ready)

    def count_stored(self, user_id: UserId, ids: Sequence[str]) -> int:
        """Return how many of the memories the store holds as recorded."""
        view = self._ledger.view(user_id)
        return sum(
            memory_id in view.live and is_current(stored.get(memory_id), view, memory_id)
            for batch in batches(ids, PUT_BATCH)
            for stored in [self._store.get(batch)]
            for memory_id in batch
        )

    def _arrived(self, theirs: UserView, ours: UserView) -> set[str]:
        """Return which memories of theirs came to us by a move that was cut off."""
        moves = unfinished(self._ledger, (theirs, ours))
        return {memory_id for giver, memory_id in moves if giver == theirs.user_id}


def unfinished(ledger: Ledger, views: Iterable[UserView]) -> dict[tuple[UserId, str], UserId]:
    """Return the memories that two users have on record since a move was cut off.

    The keys name the former owner and the memory; the values are who has it now.
    """
    holders: defaultdict[str, list[UserView]] = defaultdict(list)
    for view in views:
        for memory_id in view.live:
            holders[memory_id].append(view)
    added = {
        view.live[memory_id].added: view
        for memory_id, sharing in holders.items()
        if len(sharing) > 1
        for view in sharing
    }
    events = ledger.details(entry for entry in added if entry.moved)
    return {
        (view.user_id, entry.memory_id): added[entry].user_id
        for entry, event in events.items()
        for view in holders[entry.memory_id]
        # Given back meanwhile, it would have been added there after the revision that was taken.
        if view.user_id == _origin(event)
        and view.live[entry.memory_id].added.ulid <= event["moved"].get("revision", "")
    }


def merge_document(merge: Merge) -> dict[str, Any]:
    """Return the content of the undo file of a merge, which `read_merge` reads."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "from": merge.former,
        "to": merge.user_id,
        "at": merge.at.isoformat(timespec="seconds"),
        "moved": len(merge.ids),
        "verified": merge.verified,
        "refused": [{"id": memory_id, "why": why} for memory_id, why in merge.refused],
        "ids": list(merge.ids),
    }


def read_merge(content: bytes) -> Merge:
    """Return the merge that an undo file describes.

    Raises:
        InvalidMove: it is not an undo file, was cut off, or is of another version.
    """
    try:
        document = json.loads(content)
        if document["format"] != FORMAT:
            raise ValueError("another format")
        if document["version"] == VERSION:
            return _to_merge(document)
    except (ValueError, KeyError, TypeError) as exc:
        raise InvalidMove(
            "this is not the undo file of a merge, or it was changed or cut off; use the file that "
            "the merge wrote"
        ) from exc
    raise InvalidMove(
        f"the undo file is of version {document['version']!r}, and this Holdfast reads version "
        f"{VERSION}; undo it with the Holdfast that wrote it"
    )


def _to_merge(document: dict[str, Any]) -> Merge:
    ids, verified = tuple(document["ids"]), document["verified"]
    if not all(isinstance(memory_id, str) for memory_id in ids) or len(ids) != document["moved"]:
        raise ValueError("not the ids of memories")
    return Merge(
        former=normalize_user_id(document["from"]),
        user_id=normalize_user_id(document["to"]),
        ids=ids,
        verified=None if verified is None else int(verified),
        refused=tuple((refusal["id"], refusal["why"]) for refusal in document["refused"]),
        at=datetime.fromisoformat(document["at"]),
    )


def _origin(event: dict[str, Any]) -> str:
    return str(event["moved"].get("from", ""))
