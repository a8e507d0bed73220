"""The activity log: noting who does what, and reading it back."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final
from uuid import uuid4

from ..errors import BackendError, InvalidUserId, LedgerError, MemoryCoreError
from ..model.records import Progress
from ..model.signature import Key
from ..model.user_id import UserId, normalize_user_id
from ..storage.objects import ObjectStore
from .actor import Actor
from .chain import Chain
from .chain_check import check_chain
from .entries import MUST_BE_WRITTEN, ChainReport, Outcome, Page, Wanted, verb_of
from .pseudonyms import Names
from .query import read_page
from .repeats import Repeats
from .retention import remove_old
from .writer import EntryWriter

LONGEST_DETAIL: Final = 200


@dataclass
class EntryDraft:
    """An entry that is not written yet; users get their marks when it is."""

    document: dict[str, Any]
    users: dict[str, UserId] = field(default_factory=dict)


def draft(
    actor: Actor,
    action: str,
    user_id: str | None,
    other_id: str | None,
    detail: str,
    outcome: Outcome,
) -> EntryDraft:
    """Return the entry; users get their marks when it is written."""
    document = {
        "at": now(),
        "who": short(actor.name),
        "role": short(actor.role),
        "address": short(actor.address),
        "via": short(actor.via),
        "action": short(action),
        "detail": short(detail),
        "outcome": outcome,
        "operation": "",
    }
    users = {}
    for place, given in (("user", user_id), ("other", other_id)):
        if given is not None:
            try:
                users[place] = normalize_user_id(given)
            except InvalidUserId:
                # What was typed is no id; the call that it is for refuses it as well.
                document["detail"] = document["detail"] or "an id that cannot be one"
    return EntryDraft(document, users)


def lost_entry(lost: int) -> dict[str, Any]:
    """Return the entry that says how many others could not be kept."""
    actor = Actor("the log", "system", via="the log")
    return draft(actor, "lost", None, None, f"{lost:,} entries", "failed").document


def short(text: str) -> str:
    """Return a text on one line, at most `LONGEST_DETAIL` long."""
    return " ".join(str(text).split())[:LONGEST_DETAIL]


def now() -> str:
    """Return the time as entries have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


FLUSH_S: Final = 5.0
"""How long a look waits for others before it is written."""

BATCH_S: Final = 60.0
"""How long a change that need not be written at once waits for others."""

_MOST_WAITING: Final = 2_000
_AT_ONCE: Final = 500
_SWEEP_EVERY_S: Final = 6 * 3600.0

_logger = logging.getLogger("memory_core")


@dataclass
class Operation:
    """Something guarded that is under way; `detail` and `outcome` are written at its end."""

    detail: str = ""
    outcome: Outcome = "done"


class ActivityLog:
    """One per process. Safe to share between threads; other processes may write too.

    `days` is how long entries are kept, 0 for ever; `secret` seals the chain. A thread of its own
    writes what waits; nothing is started or asked before the first entry.
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
        self._repeats = Repeats()
        self._changing = Lock()
        self._writing = Lock()
        self._writer = EntryWriter(self._write_what_waits)
        self._swept_at: float | None = None

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

        Looks are written within seconds, what `waits` within a minute, the rest before this
        returns. Where that fails it is logged and tried again with the next entry.

        Raises:
            BackendError: only for an action in `MUST_BE_WRITTEN`.
            LedgerError: likewise.
        """
        waiting = draft(actor, action, user_id, other_id, detail, outcome)
        if verb_of(action).weight == "look":
            if not self._repeats.is_repeated((actor, action, user_id, other_id)):
                self._put(waiting)
                self._writer.call_within(self._flush_s)
        elif action in MUST_BE_WRITTEN:
            self._write_or_drop(waiting)
        elif waits:
            self._put(waiting)
            self._writer.call_within(BATCH_S)
        else:
            self._put(waiting)
            self._try_to_flush()

    @contextmanager
    def operation(
        self,
        actor: Actor,
        action: str,
        *,
        user_id: str | None = None,
        other_id: str | None = None,
        detail: str = "",
    ) -> Iterator[Operation]:
        """Note that something begins, and how it ended; it does not begin where that fails.

        Raises:
            BackendError: the beginning could not be written; nothing was done.
            LedgerError: likewise.
        """
        begun = draft(actor, action, user_id, other_id, detail, "begun")
        begun.document["operation"] = uuid4().hex[:16]
        self._write_or_drop(begun)
        under_way = Operation(begun.document["detail"])
        try:
            yield under_way
        except BaseException as exc:
            under_way.outcome = "failed"
            # The kind alone: a message may name a user or show a text.
            under_way.detail = type(exc).__name__
            raise
        finally:
            self._end(begun, under_way)

    def flush(self) -> None:
        """Write what waits; raises `BackendError` and `LedgerError`, and then it still waits."""
        with self._writing:
            while True:
                with self._changing:
                    part, lost = self._waiting[:_AT_ONCE], self._lost
                if not part:
                    return
                for one in part:
                    self._name(one)
                documents = [one.document for one in part]
                if lost:
                    documents.insert(0, lost_entry(lost))
                self._chain.append(documents)
                with self._changing:
                    written = {id(one) for one in part}
                    self._waiting = [one for one in self._waiting if id(one) not in written]
                    self._lost -= lost

    def page(
        self,
        wanted: Wanted | None = None,
        *,
        before: tuple[int, int] | None = None,
        limit: int = 50,
    ) -> Page:
        """Return entries, newest first, what waits included.

        A call reads 2,000 segments at most; `before` of what it returns goes on from there.
        """
        self._try_to_flush()
        return read_page(self._chain, self._names, wanted or Wanted(), before, limit)

    def check(
        self, known: tuple[int, str] | None = None, on_progress: Progress | None = None
    ) -> ChainReport:
        """Read the whole chain and say what was removed, changed or inserted.

        `known` is a head that an earlier check returned: the log must still hold it.
        `on_progress` is told of segments; where it raises, the check ends.
        """
        self._try_to_flush()
        return check_chain(self._chain, known, on_progress)

    def forget(self, user_id: UserId) -> None:
        """Erase whom the entries about a user name; the entries stay."""
        self._names.forget(user_id)

    def remove_old(self) -> int:
        """Remove entries older than `days`, in whole segments; return how many."""
        if not self.days:
            return 0
        removed = remove_old(self._chain, self._names, self.days)
        if removed:
            self.note(
                Actor("retention", "system", via="the log"), "retention", detail=f"{removed:,}"
            )
        return removed

    def close(self) -> None:
        """Write what waits and end the thread."""
        if not self._writer.close():
            self._try_to_flush()

    @property
    def written(self) -> tuple[int, str] | None:
        """The number and digest of the newest segment that this process wrote."""
        return self._chain.written

    def _write_or_drop(self, waiting: EntryDraft) -> None:
        """Write the entry now; if that fails, the caller must not proceed."""
        self._put(waiting)
        try:
            self.flush()
        except MemoryCoreError:
            with self._changing:
                self._waiting = [one for one in self._waiting if one is not waiting]
            raise

    def _end(self, begun: EntryDraft, operation: Operation) -> None:
        document = {
            **begun.document,
            "at": now(),
            "detail": short(operation.detail),
            "outcome": operation.outcome,
        }
        # With the marks of the beginning: of who was forgotten meanwhile no new one is made.
        self._put(EntryDraft(document))
        self._try_to_flush()

    def _name(self, waiting: EntryDraft) -> None:
        for place in [*waiting.users]:
            at = datetime.fromisoformat(waiting.document["at"])
            waiting.document[place] = self._names.mark(waiting.users[place], at)
            del waiting.users[place]

    def _put(self, waiting: EntryDraft) -> None:
        with self._changing:
            self._waiting.append(waiting)
            if len(self._waiting) > _MOST_WAITING:
                # The storage is gone for long: the log will say how many are missing.
                self._lost += 1
                self._waiting.pop(0)
            many = len(self._waiting) == _AT_ONCE
        if many:
            self._writer.call_within(0)

    def _write_what_waits(self) -> None:
        if not self._try_to_flush():
            self._writer.call_within(self._flush_s)
        if self._writer.closed:
            # Closing is not to take longer than it takes to write.
            return
        if self._swept_at is None or time.monotonic() - self._swept_at > _SWEEP_EVERY_S:
            self._swept_at = time.monotonic()
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
                waiting = len(self._waiting)
            _logger.warning("activity could not be written, %d entries wait: %s", waiting, exc)
            return False
