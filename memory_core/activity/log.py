"""The activity log: noting who does what, and reading it back."""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final
from uuid import uuid4

from ..errors import BackendError, LedgerError, MemoryCoreError
from ..model.counting import Progress, counted
from ..model.signature import Key
from ..model.user_id import UserId
from ..storage.objects import ObjectStore
from .chain import Chain
from .chain_check import check_chain
from .entries import (
    MUST_BE_WRITTEN,
    Actor,
    ChainReport,
    EntryDraft,
    Outcome,
    Page,
    Wanted,
    draft,
    lost_entry,
    now,
    short,
    verb_of,
)
from .pseudonyms import Names
from .query import read_page
from .waiting_entries import EntryWriter

FLUSH_S: Final = 5.0
"""How long a look waits for others before it is written."""

BATCH_S: Final = 60.0
"""How long a change waits that need not be written at once."""

SAME_LOOK_S: Final = 300.0
"""The time in which the same look of the same person is not noted again."""

_MOST_WAITING: Final = 2_000
_MOST_LOOKS: Final = 2_000
_AT_ONCE: Final = 500

_logger = logging.getLogger("memory_core")


@dataclass
class Operation:
    """An action under way; `detail` and `outcome` are written at its end."""

    detail: str = ""
    outcome: Outcome = "done"


class ActivityLog:
    """One per process. Safe to share between threads; other processes may write too.

    `days` is how long entries are kept, 0 for ever; `secret` seals the chain. A thread of its own
    writes the entries that wait; nothing is started or requested before the first entry.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        secret: str | None = None,
        days: int = 0,
        flush_s: float = FLUSH_S,
    ) -> None:
        self.days = days
        self._chain = Chain(objects, Key((secret or "").encode()))
        self._names = Names(objects)
        self._flush_s = flush_s
        self._waiting: list[EntryDraft] = []
        self._lost = 0
        self._looks: OrderedDict[tuple[object, ...], float] = OrderedDict()
        self._changing = Lock()
        self._writing = Lock()
        self._writer = EntryWriter(self._write_waiting)

    def note(
        self,
        actor: Actor,
        action: str,
        *,
        user_id: str | None = None,
        other_id: str | None = None,
        detail: str = "",
        outcome: Outcome = "done",
        waits: bool = False,
    ) -> None:
        """Note that something was done. `detail` must not have a memory's text or a user's id.

        Looks are written within seconds, entries that `wait` within a minute, the rest before this
        returns. A failure is logged, and the entry is tried again with the next.

        Raises:
            BackendError: only for an action in `MUST_BE_WRITTEN`.
            LedgerError: likewise.
        """
        entry = draft(actor, action, user_id, other_id, detail, outcome)
        if verb_of(action).weight == "look":
            if not self._is_repeated((actor, action, user_id, other_id)):
                self._put(entry)
                self._writer.call_within(self._flush_s)
        elif action in MUST_BE_WRITTEN:
            self._write_or_drop(entry)
        else:
            self._keep(entry, waits=waits)

    @contextmanager
    def operation(
        self,
        actor: Actor,
        action: str,
        *,
        user_id: str | None = None,
        other_id: str | None = None,
        detail: str = "",
        guarded: bool = True,
        waits: bool = False,
    ) -> Iterator[Operation]:
        """Note how the block ended, and if it is `guarded` that it begins.

        Raises:
            BackendError: the beginning could not be written; the block is not entered.
            LedgerError: likewise.
        """
        begun = draft(actor, action, user_id, other_id, detail, "begun")
        if guarded:
            begun.document["operation"] = uuid4().hex[:16]
            self._write_or_drop(begun)
        under_way = Operation(begun.document["detail"])
        try:
            yield under_way
        except BaseException as exc:
            # The kind alone: a message may name a user or show a text.
            under_way.outcome, under_way.detail = "failed", type(exc).__name__
            # The caller learns of the failure before a failing storage is tried again.
            waits = waits or isinstance(exc, (BackendError, LedgerError))
            raise
        finally:
            if guarded:
                self._end(begun, under_way, waits=waits)
            else:
                self.note(
                    actor,
                    action,
                    user_id=user_id,
                    other_id=other_id,
                    detail=under_way.detail,
                    outcome=under_way.outcome,
                    waits=waits,
                )

    def flush(self) -> None:
        """Write the entries that wait; on `BackendError` and `LedgerError` they still wait."""
        with self._writing:
            while True:
                with self._changing:
                    part, lost = self._waiting[:_AT_ONCE], self._lost
                if not part:
                    return
                for entry in part:
                    self._name(entry)
                documents = [entry.document for entry in part]
                if lost:
                    documents.insert(0, lost_entry(lost))
                self._chain.append(documents)
                with self._changing:
                    written = {id(entry) for entry in part}
                    self._waiting = [each for each in self._waiting if id(each) not in written]
                    self._lost -= lost

    def page(
        self,
        wanted: Wanted | None = None,
        *,
        before: tuple[int, int] | None = None,
        limit: int = 50,
    ) -> Page:
        """Return entries, newest first, those that wait included.

        A call reads 2,000 segments at most; `before` of the page continues from there.
        """
        self._try_to_flush()
        return read_page(self._chain, self._names, wanted or Wanted(), before, limit)

    def check(
        self, known: tuple[int, str] | None = None, on_progress: Progress | None = None
    ) -> ChainReport:
        """Read the whole chain and report what was removed, changed or inserted.

        `known` is a head that an earlier check returned: the log must still hold it.
        `on_progress` counts segments; if it raises, the check ends.
        """
        self._try_to_flush()
        return check_chain(self._chain, known, on_progress)

    def forget(self, user_id: UserId) -> None:
        """Erase the id behind a user's entries; the entries stay."""
        self._names.forget(user_id)

    def remove_old(self) -> int:
        """Remove entries older than `days`, in whole segments; return how many."""
        if not self.days:
            return 0
        kept_for = timedelta(days=self.days)
        self._names.remove_older(kept_for)
        removed = self._chain.remove_old(kept_for)
        if removed:
            actor = Actor("retention", "system", via="the log")
            self.note(actor, "retention", detail=f"{removed:,}")
        return removed

    def close(self) -> None:
        """Write the entries that wait, and end the thread."""
        if not self._writer.close():
            self._try_to_flush()

    @property
    def written(self) -> tuple[int, str] | None:
        """The number and digest of the newest segment that this process wrote."""
        return self._chain.written

    def _write_or_drop(self, entry: EntryDraft) -> None:
        """Write the entry now; if that fails, the caller must not proceed."""
        self._put(entry)
        try:
            self.flush()
        except MemoryCoreError:
            with self._changing:
                self._waiting = [each for each in self._waiting if each is not entry]
            raise

    def _end(self, begun: EntryDraft, operation: Operation, *, waits: bool) -> None:
        document = {
            **begun.document,
            "at": now(),
            "detail": short(operation.detail),
            "outcome": operation.outcome,
        }
        # Has the marks of the beginning: a user forgotten in between gets no new one.
        self._keep(EntryDraft(document), waits=waits)

    def _keep(self, entry: EntryDraft, *, waits: bool) -> None:
        """Have the entry written now, or within a minute if it waits."""
        self._put(entry)
        if waits:
            self._writer.call_within(BATCH_S)
        else:
            self._try_to_flush()

    def _name(self, entry: EntryDraft) -> None:
        for place in [*entry.users]:
            at = datetime.fromisoformat(entry.document["at"])
            entry.document[place] = self._names.mark(entry.users[place], at)
            del entry.users[place]

    def _put(self, entry: EntryDraft) -> None:
        with self._changing:
            self._waiting.append(entry)
            if len(self._waiting) > _MOST_WAITING:
                # The storage has been away for long: the log will count the lost entries.
                self._lost += 1
                self._waiting.pop(0)
            many = len(self._waiting) == _AT_ONCE
        if many:
            self._writer.call_within(0)

    def _is_repeated(self, look: tuple[object, ...]) -> bool:
        """Return whether the look was noted a short while ago; remember it if not."""
        at = time.monotonic()
        with self._changing:
            before = self._looks.get(look)
            if before is not None and at - before < SAME_LOOK_S:
                return True
            self._looks[look] = at
            self._looks.move_to_end(look)
            if len(self._looks) > _MOST_LOOKS:
                self._looks.popitem(last=False)
            return False

    def _write_waiting(self) -> None:
        if not self._try_to_flush():
            self._writer.call_within(self._flush_s)
        # Not while closing, which must not take longer than the writing.
        if self._writer.is_sweep_due():
            try:
                self.remove_old()
            except MemoryCoreError as exc:
                _logger.warning("old activity could not be removed: %s", exc)

    def _try_to_flush(self) -> bool:
        try:
            self.flush()
            return True
        except (BackendError, LedgerError) as exc:
            with self._changing:
                waiting = counted(len(self._waiting), "entry waits", "entries wait")
            _logger.warning("activity could not be written, %s: %s", waiting, exc)
            return False
