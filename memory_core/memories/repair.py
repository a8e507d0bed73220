"""Repair of the vector store from the ledger, in batches; safe to repeat if it was cut off."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import get_args

from ..activity import open_log, recording
from ..errors import AccessDenied, BackendError, BackendUnavailable, InvalidMemory, InvalidUserId
from ..ledger import ALL, EventDraft
from ..ledger.snapshots import SNAPSHOTS
from ..model.census import Adoption, StoredForm
from ..model.counting import Progress, Steps, batches, counted
from ..model.payload import adopt, identity
from ..model.records import AuditReport, Kind, RebuildReport, Unexpected
from ..model.user_id import UserId
from ..settings import Settings
from ..storage.vectors import Vector
from .audit import BATCH, NOBODY, Auditor, Difference, Findings, Pair, left_behind
from .merge_users import Merger
from .reader import MemoryReader
from .repository import Repository, open_repository

_ATTEMPTS = 3
_RECORDED = "it is on record after all, so nothing was changed; audit once more"
_DIFFERS = "it differs again after the repair; audit once more"

_Left = dict[Pair, str]
"""The differences that were not repaired, and why not."""


class Repairer:
    """Audits, and repairs the differences that an audit reports."""

    def __init__(self, repository: Repository, memories: MemoryReader) -> None:
        _, self._embedder, self._ledger, self._store = repository
        self._memories = memories
        self._auditor = Auditor(self._ledger, self._store)
        self._merger = Merger(repository, memories)

    def audit(
        self, *, repair: bool, unexpected: Unexpected, on_progress: Progress | None = None
    ) -> AuditReport:
        """Report what differs from the record, and with `repair` correct it.

        Raises:
            InvalidMemory: `unexpected` is not one of its values.
        """
        if unexpected not in get_args(Unexpected):
            allowed = ", ".join(get_args(Unexpected))
            raise InvalidMemory(f"unexpected is {unexpected!r}; use one of {allowed}")
        steps = Steps(on_progress)
        findings = self._auditor.audit(steps)
        if not repair:
            return findings.report()
        restored = tuple(item for item in findings.differences if item.events)
        for item in restored:
            self._ledger.restore(item.key, item.events)
            self._memories.refresh(item.pair[0])
        if restored:
            # What they hid can be compared now.
            findings = self._auditor.audit(steps)
        left = self._repair(findings, unexpected, steps)
        return replace(findings, differences=restored + findings.differences).report(left)

    def adopt_orphans(
        self, user_id: UserId, *, preview: bool, on_progress: Progress | None
    ) -> Adoption:
        """Record the vectors that name this user in any form and were never recorded."""
        orphans = self._auditor.orphans_of(user_id, Steps(on_progress))
        orphans.sort(key=attrgetter("pair"))
        forms = Counter(str(orphan.payload.get("user_id")) for orphan in orphans)
        left = _keep(orphans) if preview else {}
        for group in batches(orphans, BATCH) if not preview else ():
            left |= self._adopt(group)
        return Adoption(
            user_id=user_id,
            forms=tuple(StoredForm(raw, user_id, count, 0) for raw, count in forms.most_common()),
            items=Findings(tuple(orphans), 0, 0).report(left).unexpected,
            preview=preview,
            at=datetime.now(UTC),
        )

    def _repair(self, findings: Findings, unexpected: Unexpected, steps: Steps) -> _Left:
        orphans = [item for item in findings.differences if item.kind == "unexpected"]
        moves = [item for item in findings.differences if item.taker]
        others = [
            item.pair
            for item in findings.differences
            if item.kind not in ("unexpected", "damaged") and not item.taker
        ]
        treat = {"keep": _keep, "adopt": self._adopt, "remove": self._remove}[unexpected]
        steps.total += len(others) + len(orphans) + len(moves)
        damaged = {item.key: item for item in findings.differences if item.kind == "damaged"}
        spare = [key for key in damaged if key.startswith(SNAPSHOTS)]
        self._ledger.objects.delete(spare)
        left = _keep([item for key, item in damaged.items() if key not in spare])
        for (former, taker), cut in groupby(moves, key=lambda move: (move.pair[0], move.taker)):
            if taker:
                self._merger.release(former, taker, [move.pair[1] for move in cut])
        steps.advance(len(moves))
        for batch in batches([pair for pair in others if pair[1] != ALL], BATCH):
            left |= self.settle(batch)
            steps.advance(len(batch))
        for group in batches(sorted(orphans, key=attrgetter("pair")), BATCH):
            left |= treat(group)
            steps.advance(len(group))
        # These come last: their entries say which vectors had to go.
        for user_id in [user_id for user_id, memory_id in others if memory_id == ALL]:
            self._ledger.erase(user_id, left_behind(self._ledger.view(user_id)))
            steps.advance(1)
        return left

    def settle(self, pairs: Sequence[Pair]) -> dict[Pair, str]:
        """Make the store agree with the present ledger; return what still differs, and why.

        Every change is checked again: another process may have updated or deleted a memory
        between reading and writing.
        """
        refused: dict[str, str] = {}
        for attempt in range(_ATTEMPTS + 1):
            differences = self._auditor.compare(pairs)
            wrong = [item for item in differences if item.kind not in ("unexpected", "damaged")]
            if not wrong or attempt == _ATTEMPTS:
                break
            refused = self._put([difference.wanted for difference in wrong if difference.wanted])
            self._delete([difference.pair for difference in wrong if not difference.wanted])
            for user_id in {user_id for user_id, _ in pairs}:
                self._memories.refresh(user_id)
        return {difference.pair: refused.get(difference.pair[1], _DIFFERS) for difference in wrong}

    def _put(self, vectors: Sequence[Vector]) -> dict[str, str]:
        """Embed and put; return those that the store rejects, and why."""
        if not vectors:
            return {}
        rows = self._embedder.embed([vector.payload["data"] for vector in vectors])
        return self._put_embedded(
            [replace(vector, values=row) for vector, row in zip(vectors, rows, strict=True)]
        )

    def _put_embedded(self, vectors: Sequence[Vector]) -> dict[str, str]:
        try:
            self._store.put(vectors)
        except (AccessDenied, BackendUnavailable):
            raise
        except BackendError as exc:
            # One that is rejected must not keep others out.
            if len(vectors) == 1:
                return {vectors[0].key: str(exc)}
            middle = len(vectors) // 2
            return self._put_embedded(vectors[:middle]) | self._put_embedded(vectors[middle:])
        return {}

    def _delete(self, pairs: Iterable[Pair]) -> None:
        for user_id, group in groupby(sorted(pairs), key=lambda pair: pair[0]):
            forgotten = self._ledger.view(user_id).forgotten
            (self._store.erase if forgotten else self._store.delete)([key for _, key in group])

    def _adopt(self, orphans: Sequence[Difference]) -> _Left:
        """Record those that can be memories of the user they name, then put them as recorded."""
        left: _Left = {}
        for user_id, group in groupby(orphans, key=lambda orphan: orphan.pair[0]):
            left |= self._record(user_id, list(group))
        adopted = [orphan.pair for orphan in orphans if orphan.pair not in left]
        return left | (self.settle(adopted) if adopted else {})

    def _record(self, user_id: UserId, orphans: Sequence[Difference]) -> _Left:
        """Append the orphans that can be adopted; return the others."""
        if user_id == NOBODY:
            return {orphan.pair: "it names no user" for orphan in orphans}
        left: _Left = {}
        drafts: list[EventDraft] = []
        view = self._ledger.view(user_id)
        latest = [live.latest for live in view.live.values()]
        # A damaged entry must not keep others from being adopted.
        recorded = self._ledger.tolerant().payloads(latest)
        known = {identity(payload) for payload in recorded.values()}
        for orphan in orphans:
            if orphan.item.user_id != user_id:
                left[orphan.pair] = "it cannot be adopted"
                continue
            if orphan.pair[1] in view.live:
                # Another audit was faster.
                continue
            try:
                payload = adopt(orphan.payload)
            except (InvalidMemory, InvalidUserId) as exc:
                left[orphan.pair] = str(exc)
                continue
            if identity(payload) in known:
                left[orphan.pair] = "the user has another memory with this text"
                continue
            known.add(identity(payload))
            raw_user_id = str(orphan.payload["user_id"])
            drafts.append(EventDraft(Kind.ADD, orphan.pair[1], raw_user_id, payload))
        if drafts:
            self._ledger.append(view, drafts)
        return left

    def _remove(self, orphans: Sequence[Difference]) -> _Left:
        """Delete the orphans that are still not on record."""
        orphaned = {orphan.pair[1] for orphan in orphans}
        keys = set(orphaned)
        for user_id in filter(None, {orphan.item.user_id for orphan in orphans}):
            keys -= self._ledger.view(user_id).live.keys()
        self._store.delete(keys)
        # One that was recorded meanwhile is put back.
        left = self.settle([orphan.pair for orphan in orphans if orphan.pair[0] != NOBODY])
        remaining = self._store.get(keys)
        for orphan in orphans:
            if orphan.pair[1] in orphaned - keys:
                left[orphan.pair] = _RECORDED
            elif orphan.pair[1] in remaining:
                left[orphan.pair] = _DIFFERS
        return left


def rebuild_index(
    settings: Settings | None = None, on_progress: Progress | None = None
) -> RebuildReport:
    """Make the index that the settings name hold every recorded memory, and audit it.

    The index is made if it is missing, and no other is changed. What it holds as recorded is not
    embedded again, so a rebuild that was cut off continues from there. Until it is complete the
    service can be used: what is still missing comes from the ledger.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        IndexMismatch: an index of that name has another metric or dimension; nothing is changed.
        BackendError: the store or the embedder did not answer.
    """
    started = time.monotonic()
    settings = settings or Settings.from_env()
    repository = open_repository(settings, create=True)
    backend, embedder, ledger, store = repository
    with (
        closing(store),
        closing(open_log(backend.objects, settings)) as log,
        recording(log, "rebuild") as operation,
    ):
        repairer = Repairer(repository, MemoryReader(ledger, store, embedder))
        filled = repairer.audit(repair=True, unexpected="keep", on_progress=on_progress)
        audit = repairer.audit(repair=False, unexpected="keep")
        operation.detail = counted(audit.checked, "memory")
        return RebuildReport(
            index=store.describe().name,
            memories=audit.checked,
            users=audit.users,
            embedded=sum(item.repaired for item in filled.missing + filled.altered),
            seconds=time.monotonic() - started,
            audit=audit,
        )


def _keep(orphans: Sequence[Difference]) -> _Left:
    return {orphan.pair: "" for orphan in orphans}
