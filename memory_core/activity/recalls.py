"""Recall receipts: which memories a backend's question was given, without text or question.

    recalls/v1/<day>/<ulid>.<digests>.jsonl     the questions of up to five seconds, of one process

Six digits of a user's digest in the name find a user's receipts without reading the others; in the
object a user is a pseudonym, which only somebody who knows the id can recognize.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from threading import Lock
from typing import Any, Final

from ..errors import BackendError, EntryExists, InvalidSelection
from ..ledger.entries import last_ulid_at, next_ulid, time_in
from ..model.encoder import decode
from ..model.past import MemoryFilter
from ..model.records import SearchMode, SearchResult
from ..model.signature import Key
from ..model.user_id import UserId, is_probe
from ..storage.objects import ObjectStore
from .entries import LIBRARY, current_actor
from .waiting_entries import EntryWriter

ROOT: Final = "recalls/v1/"
FLUSH_S: Final = 5.0
"""The least time between two puts of a process."""

_MOST_WAITING: Final = 5_000
_MOST_NAMED: Final = 30
_ANYBODY: Final = "any"
_EVER: Final = 10_000
"""In days, longer than there have been receipts."""
_logger = logging.getLogger("memory_core")


@dataclass(frozen=True, slots=True)
class RecallReceipt:
    """One question of a backend: when (UTC), for which agent, and what it was given.

    `given` are the ids and scores of the memories, best first: the first has rank 1.
    """

    at: datetime
    agent: str
    mode: SearchMode
    given: tuple[tuple[str, float], ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The memories that were given, best first."""
        return tuple(memory_id for memory_id, _ in self.given)


_Asked = tuple[UserId, RecallReceipt]


class RecallLog:
    """One per process. Safe to share between threads; nothing is kept if `days` is 0."""

    def __init__(self, objects: ObjectStore, days: int) -> None:
        self.days = days
        self._objects = objects
        self._waiting: list[_Asked] = []
        self._lock, self._writing = Lock(), Lock()
        self._writer = EntryWriter(self._write)

    def note(self, user_id: UserId, result: SearchResult, agent: str | None) -> None:
        """Keep what a program's question was given; the receipt is written within `FLUSH_S`."""
        if not self.days or current_actor().via != LIBRARY or is_probe(user_id):
            return
        given = tuple((hit.memory.id, round(hit.score, 4)) for hit in result.hits)
        receipt = RecallReceipt(datetime.now(UTC), agent or "", result.mode, given)
        with self._lock:
            self._waiting.append((user_id, receipt))
            # If the storage does not answer, the oldest are dropped.
            del self._waiting[:-_MOST_WAITING]
        self._writer.call_within(FLUSH_S)

    def receipts(
        self, user_id: UserId | None, since: datetime | None = None, *, old: bool = False
    ) -> list[RecallReceipt]:
        """Return the receipts of a user, or for None of all, oldest first, waiting ones included.

        With `old` also those that have expired and not been removed yet.
        """
        kept = datetime.now(UTC) - timedelta(days=_EVER if old else self.days)
        since = max(since, kept) if since else kept
        stored = self._objects.get_many(self._keys(user_id, since))
        listed = [
            decode(RecallReceipt, fields)
            for content in stored.values()
            for salt, fields in _lines(content)
            if user_id is None or fields["user"] == _pseudonym(salt, user_id)
        ]
        with self._lock:
            listed += [asked for user, asked in self._waiting if user_id in (None, user)]
        chosen = {receipt for receipt in listed if receipt.at >= since}
        return sorted(chosen, key=lambda receipt: receipt.at)

    def resolve(self, user_id: UserId | None, where: MemoryFilter | None) -> MemoryFilter | None:
        """Return the filter with the memories asked for, if that is one of its conditions.

        Raises:
            InvalidSelection: it is, and no receipts are kept.
        """
        if where is None or where.asked is None:
            return where
        if not self.days:
            raise InvalidSelection(
                "which memories were asked for is not recorded; set MEMORY_RECALL_LOG to a number "
                "of days, and try again later"
            )
        ids = {memory_id for receipt in self.receipts(user_id) for memory_id in receipt.ids}
        return replace(where, asked_for=frozenset(ids))

    def forget(self, user_id: UserId) -> None:
        """Erase a user's receipts; those of others in the same objects are rewritten first."""
        with self._writing:
            with self._lock:
                self._waiting = [asked for asked in self._waiting if asked[0] != user_id]
            for key, content in self._objects.get_many(self._keys(user_id)).items():
                lines = content.splitlines()
                theirs = [
                    fields["user"] == _pseudonym(salt, user_id) for salt, fields in _lines(content)
                ]
                if theirs and not any(theirs):
                    continue
                rest = [line for line, own in zip(lines[1:], theirs, strict=False) if not own]
                if any(theirs) and rest:
                    start, digests, _ = key.split(".", 2)
                    folder, _, ulid = start.rpartition("/")
                    others = "".join(_digests(digests) - {_digest(user_id)}) or _ANYBODY
                    fresh = next_ulid("", time_in(ulid))
                    self._put(f"{folder}/{fresh}.{others}.jsonl", [lines[0], *rest])
                self._objects.delete([key])

    def close(self) -> None:
        """Write the receipts that wait, and end the thread."""
        self._writer.close()

    def _write(self) -> None:
        with self._writing:
            with self._lock:
                asked, self._waiting = self._waiting, []
            if asked:
                try:
                    self._put_all(asked)
                except BackendError as exc:
                    _logger.warning("recall receipts could not be written, they wait: %s", exc)
                    with self._lock:
                        self._waiting = [*asked, *self._waiting][-_MOST_WAITING:]
                    self._writer.call_within(FLUSH_S)
                    return
        if self._writer.is_sweep_due():
            with suppress(BackendError):
                self._remove_old()

    def _put_all(self, asked: Sequence[_Asked]) -> None:
        now = datetime.now(UTC)
        ulid = next_ulid("", now)
        digests = "".join(sorted({_digest(user_id) for user_id, _ in asked}))
        if len(digests) > 6 * _MOST_NAMED:
            digests = _ANYBODY
        documents: list[dict[str, Any]] = [{"v": 1, "salt": ulid}]
        for user_id, receipt in asked:
            documents.append({
                "user": _pseudonym(ulid, user_id), "at": receipt.at.isoformat(),
                "agent": receipt.agent, "mode": receipt.mode, "given": receipt.given,
            })  # fmt: skip
        lines = [json.dumps(document, ensure_ascii=False).encode() for document in documents]
        self._put(f"{ROOT}{now:%Y-%m-%d}/{ulid}.{digests}.jsonl", lines)

    def _put(self, key: str, lines: Sequence[bytes]) -> None:
        # One that exists is our own, whose acknowledgement was lost.
        with suppress(EntryExists):
            self._objects.put_if_absent(key, b"\n".join(lines))

    def _keys(self, user_id: UserId | None, since: datetime | None = None) -> Iterator[str]:
        """List the objects that may have receipts of the user, from a time on."""
        after = f"{ROOT}{since:%Y-%m-%d}/{last_ulid_at(since)}" if since else ""
        digest = _digest(user_id) if user_id else ""
        for key in self._objects.list(ROOT, after):
            if not user_id or not {digest, _ANYBODY}.isdisjoint(_digests(key.split(".", 2)[1])):
                yield key

    def _remove_old(self) -> None:
        oldest = f"{ROOT}{datetime.now(UTC) - timedelta(days=self.days):%Y-%m-%d}/"
        old = takewhile(lambda key: key < oldest, self._objects.list(ROOT))
        self._objects.delete([*old])


def _pseudonym(salt: str, user_id: UserId) -> str:
    return Key(salt.encode()).fingerprint(user_id.encode(), 16)


def _digest(user_id: UserId) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:6]


def _digests(joined: str) -> set[str]:
    return {joined[at : at + 6] for at in range(0, len(joined), 6)}


def _lines(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each receipt of an object, with the salt of its pseudonyms; none of a damaged one."""
    with suppress(ValueError, KeyError):
        header, *documents = map(json.loads, content.splitlines())
        yield from ((header["salt"], document) for document in documents)
