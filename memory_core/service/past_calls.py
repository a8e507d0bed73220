"""The calls of MemoryService about the past of one user, and about many memories at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from ..activity import RecallReceipt, noted
from ..errors import InvalidMemory
from ..ledger.entries import time_in
from ..model.counting import Progress, counted
from ..model.moments import read_moment
from ..model.past import Change, ChangeReceipt, MemoryFilter, Moment
from ..model.user_id import normalize_user_id
from .user_calls import UserCalls

if TYPE_CHECKING:
    from ..memories.time_machine import PastMemories


def _changed(receipt: ChangeReceipt) -> str:
    return f"{counted(len(receipt.changes), 'memory')}, {len(receipt.failed):,} failed"


def _changes(given: Mapping[str, Any]) -> bool:
    return not given["preview"]


class PastCalls(UserCalls):
    """The memories at a moment, the changes since, and the return to a state.

    A moment is a time (UTC unless it has a zone), the id of an event (`Event.event_id`: right after
    it), or a text as people write it (`2h`, `yesterday`). Reads come from the ledger alone.
    """

    def memories_at(self, user_id: str, moment: Moment) -> PastMemories:
        """Return the memories that the user had at a moment, newest first.

        Their number and ids cost no more than a listing; texts are read when they are asked for.
        Nothing is left of forgotten memories: the result then says when they were forgotten.

        Raises:
            InvalidSelection: the moment cannot be read, or is an event of another user.
        """
        return self._time_machine.state(normalize_user_id(user_id), self._moment(moment))

    def changes(
        self, user_id: str, since: Moment | None = None, until: Moment | None = None
    ) -> list[Change]:
        """Return what was added, changed, deleted, moved or brought back, oldest first.

        From after `since` (the beginning if None) up to `until` (now if None); each with the
        memory before and after, who did it, when and by which call. Raises as `memories_at`.
        """
        bounds = (None if at is None else self._moment(at) for at in (since, until))
        return self._time_machine.changes(normalize_user_id(user_id), *bounds)

    def recalls(self, user_id: str, since: Moment | None = None) -> list[RecallReceipt]:
        """Return which memories questions of programs were given, newest first.

        As far back as `MEMORY_RECALL_LOG` says; nothing if it is off. Other processes write
        within five seconds. Forgotten ones are left out; raises as `memories_at`.
        """
        user = normalize_user_id(user_id)
        bound = None if since is None else self._moment(since)
        if isinstance(bound, str):
            bound = time_in(bound)
        forgotten = self.parts.ledger.view(user).forgotten
        receipts = self.recall_log.receipts(user, bound)
        if forgotten:
            receipts = [receipt for receipt in receipts if receipt.at > time_in(forgotten)]
        return receipts[::-1]

    @noted("restore", _changed, when=_changes)
    def restore_memory(
        self, user_id: str, memory_id: str, *, at: Moment | None = None, preview: bool = False
    ) -> ChangeReceipt:
        """Return a memory to its state at a moment, or if None, to the one before its deletion.

        Recorded first, as a RESTORE, then read back from the index; safe to repeat. With `preview`
        nothing is changed.

        Raises:
            MemoryNotFound: the memory did not exist then, or was forgotten.
            InvalidMove: it moved to another user, and can come back only there.
            InvalidSelection: as `memories_at`.
        """
        user, moment = normalize_user_id(user_id), None if at is None else self._moment(at)
        return self._time_machine.restore(
            user, str(user_id), moment, MemoryFilter(), memory_id, preview=preview
        )

    @noted("restore", _changed, when=_changes)
    def restore_user(
        self,
        user_id: str,
        at: Moment,
        *,
        where: MemoryFilter | None = None,
        keep_newer: bool = False,
        preview: bool = False,
        on_progress: Progress | None = None,
    ) -> ChangeReceipt:
        """Return the user's memories to their state at a moment; raises as `restore_memory`.

        Deleted ones come back, changed ones are changed back, and those saved since are deleted,
        unless `keep_newer`. With `where`, only those that fit it then or now. A memory that moved
        to another user, or came from one by a merge, stays there and is named in `failed`. With
        `preview` nothing is changed. Restore to the receipt's `before`, `where=receipt.undo`, to
        undo it.
        """
        user = normalize_user_id(user_id)
        return self._time_machine.restore(
            user,
            str(user_id),
            self._moment(at),
            self.recall_log.resolve(user, where) or MemoryFilter(),
            keep_newer=keep_newer,
            preview=preview,
            on_progress=on_progress,
        )

    @noted(lambda given: "delete-some" if given["delete"] else "expire-some", _changed,
           when=_changes)  # fmt: skip
    def change_memories(
        self,
        user_id: str,
        where: MemoryFilter,
        *,
        delete: bool = False,
        expires: date | str | None = None,
        preview: bool = False,
        on_progress: Progress | None = None,
    ) -> ChangeReceipt:
        """Delete the memories that fit a filter, or set their expiry, in one event.

        `expires` is as in `update_memory`. The receipt names what failed; undo it as
        `restore_user`. With `preview` nothing is changed.

        Raises:
            InvalidMemory: neither `delete` nor `expires`, or both, or the expiry is no date.
        """
        if delete == (expires is not None):
            raise InvalidMemory("delete and expires are both given, or neither; pass one of them")
        user = normalize_user_id(user_id)
        chosen = self.recall_log.resolve(user, where) or where
        return self._time_machine.change(
            user, str(user_id), chosen, expires, preview=preview, on_progress=on_progress
        )

    def _moment(self, moment: Moment) -> Moment:
        if not isinstance(moment, str):
            return moment
        return read_moment(moment, datetime.now(UTC), self._commits())

    def _commits(self) -> Iterator[tuple[str, datetime]]:
        """Yield the commit and time of each start; reads them only if they are needed."""
        for start in self.starts():
            yield start.commit, start.at
