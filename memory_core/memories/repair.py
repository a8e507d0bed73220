"""Making the store as recorded: batch by batch, so that whoever is cut off can start again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import get_args

from ..activity import memories, open_log, recording
from ..embedders import Embedder, open_embedder
from ..errors import AccessDenied, BackendError, BackendUnavailable, InvalidMemory, InvalidUserId
from ..ledger import ALL, EventDraft, Ledger
from ..model.batches import batches
from ..model.census import StoredForm, TakenUp
from ..model.payload import adopt, identity
from ..model.progress import Steps
from ..model.records import AuditReport, Kind, Progress, RebuildReport, Unexpected
from ..model.user_id import UserId
from ..settings import Settings
from ..storage.backend import select_backend
from ..storage.vectors import Vector, VectorStore
from .audit import BATCH, NOBODY, Auditor, Difference, Findings, Pair, left_behind
from .merge_users import Reuniter
from .reader import Memories

_ATTEMPTS = 3
_DIFFERS = "it differs again after the repair; audit once more"
_Left = dict[Pair, str]
"""What was not put right, and why."""


class Repairer:
    """Audits, and puts right what an audit finds."""

    def __init__(
        self, ledger: Ledger, store: VectorStore, embedder: Embedder, memories: Memories
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._memories = memories
        self._auditor = Auditor(ledger, store)
        self._reuniter = Reuniter(ledger, store, embedder, memories)

    def audit(
        self, *, repair: bool, unexpected: Unexpected, on_progress: Progress | None
    ) -> AuditReport:
        """Report what is not as recorded, and with `repair` put it right.

        Raises:
            InvalidMemory: `unexpected` is none of its values.
        """
        if unexpected not in get_args(Unexpected):
            allowed = ", ".join(get_args(Unexpected))
            raise InvalidMemory(f"unexpected is {unexpected!r}; use one of {allowed}")
        steps = Steps(on_progress)
        findings = self._auditor.audit(steps)
        return findings.report(self._repair(findings, unexpected, steps) if repair else None)

    def take_up(self, user_id: UserId, *, preview: bool, on_progress: Progress | None) -> TakenUp:
        """Adopt the vectors that name this user in whatever form and were never recorded."""
        steps = Steps(on_progress)
        strays = sorted(self._auditor.strays_of(user_id, steps), key=lambda one: one.pair)
        forms = Counter(str((one.stray or {}).get("user_id")) for one in strays)
        left: _Left = {one.pair: "" for one in strays} if preview else {}
        for group in batches(strays, BATCH) if not preview else ():
            left |= self._adopt(group)
        return TakenUp(
            user_id=user_id,
            forms=tuple(StoredForm(raw, user_id, count, 0) for raw, count in forms.most_common()),
            items=Findings(tuple(strays), 0, 0).report(left).unexpected,
            preview=preview,
            at=datetime.now(UTC),
        )

    def _repair(self, findings: Findings, unexpected: Unexpected, steps: Steps) -> _Left:
        strays = [one for one in findings.differences if one.kind == "unexpected"]
        moves = [one for one in findings.differences if one.taker]
        others = [
            one.pair
            for one in findings.differences
            if one.kind != "unexpected" and one.taker is None
        ]
        treat = {"keep": _keep, "adopt": self._adopt, "remove": self._remove}[unexpected]
        steps.total += len(others) + len(strays) + len(moves)
        left: _Left = {}
        for (former, taker), cut in groupby(moves, key=lambda one: (one.pair[0], one.taker)):
            if taker:
                self._reuniter.let_go(former, taker, [one.item.id for one in cut])
        steps.advance(len(moves))
        for batch in batches([pair for pair in others if pair[1] != ALL], BATCH):
            left |= self._settle(batch)
            steps.advance(len(batch))
        for group in batches(sorted(strays, key=lambda one: one.pair), BATCH):
            left |= treat(group)
            steps.advance(len(group))
        # These come last: their entries say which vectors had to go.
        for user_id in [user_id for user_id, one in others if one == ALL]:
            self._ledger.erase(user_id, left_behind(self._ledger.view(user_id)))
            steps.advance(1)
        return left

    def _settle(self, pairs: Sequence[Pair]) -> _Left:
        """Make the store agree with the ledger as it is by now.

        Each change is followed by another look, since somebody may have updated or deleted a
        memory between our reading and our writing.
        """
        refused: dict[str, str] = {}
        for attempt in range(_ATTEMPTS + 1):
            wrong = [one for one in self._auditor.compare(pairs) if one.kind != "unexpected"]
            if not wrong or attempt == _ATTEMPTS:
                break
            refused = self._put([one.wanted for one in wrong if one.wanted])
            self._delete([one.pair for one in wrong if not one.wanted])
            for user_id in {user_id for user_id, _ in pairs}:
                self._memories.refresh(user_id)
        return {one.pair: refused.get(one.item.id, _DIFFERS) for one in wrong}

    def _put(self, vectors: Sequence[Vector]) -> dict[str, str]:
        """Embed and put; return which the store refuses, and why."""
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
            # One that is refused keeps no other out.
            if len(vectors) == 1:
                return {vectors[0].key: str(exc)}
            middle = len(vectors) // 2
            return self._put_embedded(vectors[:middle]) | self._put_embedded(vectors[middle:])
        return {}

    def _delete(self, pairs: Iterable[Pair]) -> None:
        for user_id, group in groupby(sorted(pairs), key=lambda pair: pair[0]):
            entries = self._ledger.view(user_id).entries
            forgotten = any(entry.kind is Kind.FORGET for entry in entries)
            (self._store.erase if forgotten else self._store.delete)([one for _, one in group])

    def _adopt(self, strays: Sequence[Difference]) -> _Left:
        """Record what can be a memory for the user it names, then put it as recorded."""
        left: _Left = {}
        for user_id, group in groupby(strays, key=lambda one: one.pair[0]):
            left |= self._record(user_id, list(group))
        adopted = [one.pair for one in strays if one.pair not in left]
        return left | (self._settle(adopted) if adopted else {})

    def _record(self, user_id: UserId, strays: Sequence[Difference]) -> _Left:
        """Append what can be adopted; return what cannot."""
        if user_id == NOBODY:
            return {one.pair: "it names no user" for one in strays}
        left: _Left = {}
        drafts: list[EventDraft] = []
        view = self._ledger.view(user_id)
        latest = [live.latest for live in view.live.values()]
        known = {identity(payload) for payload in self._ledger.payloads(latest).values()}
        for one in strays:
            if one.stray is None:
                left[one.pair] = "it cannot be adopted"
                continue
            if one.item.id in view.live:
                # Another audit was faster.
                continue
            try:
                payload = adopt(one.stray)
            except (InvalidMemory, InvalidUserId) as exc:
                left[one.pair] = str(exc)
                continue
            if identity(payload) in known:
                left[one.pair] = "the user has another memory with this text"
                continue
            known.add(identity(payload))
            drafts.append(EventDraft(Kind.ADD, one.item.id, str(one.stray["user_id"]), payload))
        if drafts:
            self._ledger.append(view, drafts)
        return left

    def _remove(self, strays: Sequence[Difference]) -> _Left:
        """Delete what is still not on record."""
        keys = {one.item.id for one in strays}
        users = {one.item.user_id for one in strays if one.item.user_id}
        for user_id in users:
            keys -= self._ledger.view(user_id).live.keys()
        self._store.delete(keys)
        # One that was recorded in this moment is put back.
        left = self._settle([one.pair for one in strays if one.pair[0] != NOBODY])
        remaining = self._store.get(keys)
        return left | {one.pair: _DIFFERS for one in strays if one.item.id in remaining}


def _keep(strays: Sequence[Difference]) -> _Left:
    return {one.pair: "" for one in strays}


def rebuild_index(
    settings: Settings | None = None, on_progress: Progress | None = None
) -> RebuildReport:
    """Make the index that the settings name hold every recorded memory, and audit it.

    The index is made if it is missing, and no other is touched. What it holds as recorded is not
    embedded again, so a rebuild that was cut off goes on where it was. Until it is complete the
    service can be used: what is still missing comes from the ledger.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        IndexMismatch: an index of that name has another metric or dimension; nothing is changed.
        BackendError: the store or the embedder did not answer.
    """
    started = time.monotonic()
    settings = settings or Settings.from_env()
    embedder = open_embedder(settings)
    backend = select_backend(settings, embedder)
    ledger = Ledger(backend.objects)
    store = backend.open_store(True)
    with (
        closing(store),
        closing(open_log(backend.objects, settings)) as log,
        recording(log, "rebuild") as operation,
    ):
        repairer = Repairer(ledger, store, embedder, Memories(ledger, store, embedder))
        filled = repairer.audit(repair=True, unexpected="keep", on_progress=on_progress)
        audit = repairer.audit(repair=False, unexpected="keep", on_progress=None)
        operation.detail = memories(audit.checked)
        return RebuildReport(
            index=store.describe().name,
            memories=audit.checked,
            users=audit.users,
            embedded=sum(item.repaired for item in filled.missing + filled.altered),
            seconds=time.monotonic() - started,
            audit=audit,
        )
