"""Taking memories in: decide, embed what has no vector, record, put; then prove it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Self

from ..embedders import Embedder
from ..errors import InvalidMemory, InvalidUserId
from ..ledger import Ledger, UserView
from ..memories.reader import Memories, is_current
from ..memories.writer import Saver, at_revision
from ..model.batches import batches
from ..model.records import Progress
from ..model.user_id import UserId
from ..storage.vectors import Vector, VectorStore
from ..storage.vectors.base import PUT_BATCH
from .incoming import (
    Carried,
    Checked,
    Digest,
    Existing,
    IntakeReport,
    Outcome,
    RefusedMemory,
    UserResult,
    Verdicts,
    check,
)
from .journal import Journal
from .resolve import Decision, Desk

if TYPE_CHECKING:
    from .incoming import Values


class Proof:
    """What was found of one user's memories, and what was to be found."""

    def __init__(self, ledger: Ledger, user_id: UserId) -> None:
        self.expected = Digest()
        self.found = Digest()
        self.unindexed = 0
        self._view = ledger.view(user_id)

    def compare(self, memories: Memories, rows: Iterable[tuple[str, bytes]]) -> None:
        """Read memories back by their ids; `rows` have the id and the mark of each."""
        marks = dict(rows)
        for mark in marks.values():
            self.expected.add_mark(mark)
        ids = [one for one in marks if one in self._view.live]
        found, missing = memories.read(self._view, ids)
        for one, vector in found.items():
            self.found.add(one, vector.payload["data"])
        self.unindexed += len(missing)


def prove(ledger: Ledger, memories: Memories, journal: Journal) -> Iterator[tuple[UserId, Proof]]:
    """Yield every user of whom something was to be kept, and what was read back.

    Ledger and memories are new ones, which have nothing in their caches.
    """
    for user_id, rows in groupby(journal.kept(), key=lambda row: row[0]):
        proof = Proof(ledger, user_id)
        for part in batches(((kept, mark) for _, kept, mark in rows), PUT_BATCH):
            proof.compare(memories, part)
        yield user_id, proof


LISTED = 1_000
"""How many refused memories, and how many conflicts, a report lists."""
_LENGTH_TOLERANCE = 1e-3
_NOT_TAKEN = (Outcome.REFUSED, Outcome.CONFLICT)


@dataclass
class _Totals:
    """What was counted up to now."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    users: dict[UserId, Counter[Outcome]] = field(default_factory=dict)
    listed: dict[Outcome, list[RefusedMemory]] = field(
        default_factory=lambda: {outcome: [] for outcome in _NOT_TAKEN}
    )
    renamed: int = 0
    brought_back: int = 0
    healed: int = 0
    embedded: int = 0

    def add(self, decision: Decision) -> None:
        carried, user_id = decision.checked.carried, decision.checked.user_id
        self.counts[decision.outcome] += 1
        self.users.setdefault(user_id, Counter())[decision.outcome] += 1
        self.renamed += decision.renamed
        self.brought_back += decision.brought_back
        if decision.outcome in _NOT_TAKEN:
            self.list(
                decision.outcome, RefusedMemory(carried.line, carried.id, user_id, decision.reason)
            )

    def refuse(self, problem: RefusedMemory) -> None:
        self.counts[Outcome.REFUSED] += 1
        self.list(Outcome.REFUSED, problem)

    def list(self, outcome: Outcome, problem: RefusedMemory) -> None:
        if len(self.listed[outcome]) < LISTED:
            self.listed[outcome].append(problem)


@dataclass(slots=True)
class _Work:
    """What is to be written of one user."""

    view: UserView
    decisions: list[Decision]
    lost: list[Vector]
    """Memories that are there already and not in the store, as recorded."""
    values: list[Values | None] = field(default_factory=list)


class Intake:
    """Takes memories in batches; use it as a context manager, from one thread.

    `source` is the name of what they come from, which the ledger keeps. With `dry_run` nothing is
    written, and the report says what would be. Where `verdicts` are given, they settle conflicts
    in place of `existing`, and no memory that has an id is left out for its text. `watch` is told
    of every decision.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: VectorStore,
        embedder: Embedder,
        source: str,
        *,
        existing: Existing = "skip",
        dry_run: bool = False,
        verdicts: Verdicts | None = None,
        watch: Callable[[Decision], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._source = source
        self._existing = existing
        self._dry_run = dry_run
        self._verdicts = verdicts
        self._watch = watch
        self._memories = Memories(ledger, store, embedder)
        self._saver = Saver(ledger, store, self._memories)
        self._journal = Journal()
        self._totals = _Totals()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._journal.close()

    def refuse(
        self, line: int, reason: str, *, memory_id: str | None = None, user_id: str | None = None
    ) -> None:
        """Count something that could not be read as a memory."""
        self._totals.refuse(RefusedMemory(line, memory_id, user_id, reason))

    def take(self, batch: Sequence[Carried]) -> None:
        """Take a batch in; best some thousand, of one user after the other.

        A user's memories are recorded in one object for up to 500, and put 500 at a time over all
        users. What cannot be stored is refused by itself.

        Raises:
            NotIndexed: recorded, and safe, but the store could not be written; repeat the call.
            BackendError: the ledger, the store or the embedder did not answer; repeat the call.
        """
        groups: dict[UserId, list[Checked]] = {}
        for carried in batch:
            try:
                checked = check(carried)
            except (InvalidMemory, InvalidUserId) as exc:
                problem = RefusedMemory(carried.line, carried.id, carried.user_id, str(exc))
                self._totals.refuse(problem)
                continue
            groups.setdefault(checked.user_id, []).append(checked)
        ids = {one.carried.id for group in groups.values() for one in group if one.carried.id}
        stored = self._store.get(sorted(ids)) if ids else {}
        works = [self._decide(user_id, group, stored) for user_id, group in groups.items()]
        if not self._dry_run:
            self._write(works)

    def finish(self, ledger: Ledger, on_progress: Progress | None = None) -> IntakeReport:
        """Read everything back through `ledger`, one that knows nothing yet, and report."""
        proofs: dict[UserId, Proof] = {}
        if not self._dry_run:
            memories = Memories(ledger, self._store, self._embedder)
            total, done = self._journal.count_kept(), 0
            for user_id, proof in prove(ledger, memories, self._journal):
                proofs[user_id] = proof
                done += proof.expected.count
                if on_progress:
                    on_progress(done, total)
        users = sorted(self._totals.users.items())
        return self._report([_result(user, counts, proofs.get(user)) for user, counts in users])

    def _decide(
        self, user_id: UserId, group: Iterable[Checked], stored: dict[str, Vector]
    ) -> _Work:
        view = self._ledger.view(user_id)
        desk = Desk(
            view,
            self._memories,
            self._journal,
            stored,
            self._ledger,
            self._existing,
            self._source,
            self._verdicts,
        )
        decisions = [desk.decide(one) for one in group]
        for decision in decisions:
            self._totals.add(decision)
            if self._watch:
                self._watch(decision)
        doubtful = {
            one.kept
            for one in decisions
            if one.kept
            and one.draft is None
            and not is_current(stored.get(one.kept), view, one.kept)
        }
        found, missing = self._memories.read(view, doubtful)
        lost = [at_revision(found[one], view.live[one].latest) for one in missing]
        self._totals.healed += len(lost)
        return _Work(view, [one for one in decisions if one.draft], lost)

    def _write(self, works: Sequence[_Work]) -> None:
        """Everything is embedded before anything is recorded, and recorded before it is put."""
        self._embed(works)
        put: list[Vector] = [vector for work in works for vector in work.lost]
        recorded: list[tuple[UserId, list[Vector]]] = []
        for work in works:
            rows = zip(work.decisions, work.values, strict=True)
            for part in batches(rows, PUT_BATCH):
                drafts = [one.draft for one, _ in part if one.draft]
                vectors = self._saver.record(work.view, drafts, [row for _, row in part])
                recorded.append((work.view.user_id, vectors))
                put += vectors
        for batch in batches(put, PUT_BATCH):
            self._saver.put(batch, verify=False)
        for user_id, vectors in recorded:
            self._saver.take_back(user_id, vectors)

    def _embed(self, works: Sequence[_Work]) -> None:
        """Keep the vectors that fit, and make those that are missing, together."""
        texts: dict[str, Values | None] = {}
        for work in works:
            work.values = [self._fitting(one.checked.carried) for one in work.decisions]
            for one, row in zip(work.decisions, work.values, strict=True):
                if row is None:
                    texts[one.checked.text] = None
            texts |= dict.fromkeys(vector.payload["data"] for vector in work.lost)
        for part in batches(list(texts), PUT_BATCH):
            texts |= zip(part, self._embedder.embed(part), strict=True)
        self._totals.embedded += len(texts)
        for work in works:
            work.values = [
                texts[one.checked.text] if row is None else row
                for one, row in zip(work.decisions, work.values, strict=True)
            ]
            work.lost = [replace(one, values=texts[one.payload["data"]]) for one in work.lost]

    def _fitting(self, carried: Carried) -> Values | None:
        """Return the vector of a memory if it is one that our embedder could have made."""
        import numpy as np

        values = carried.values
        if values is None or carried.embedder != self._embedder.name:
            return None
        if values.shape != (self._embedder.dimensions,) or not np.isfinite(values).all():
            return None
        length = float(np.linalg.norm(values))
        return values if abs(length - 1.0) < _LENGTH_TOLERANCE else None

    def _report(self, users: Sequence[UserResult]) -> IntakeReport:
        totals = self._totals
        return IntakeReport(
            source=self._source,
            existing=self._existing,
            dry_run=self._dry_run,
            counts={outcome: totals.counts[outcome] for outcome in Outcome},
            renamed=totals.renamed,
            brought_back=totals.brought_back,
            healed=totals.healed,
            embedded=totals.embedded,
            refused=tuple(totals.listed[Outcome.REFUSED]),
            conflicts=tuple(totals.listed[Outcome.CONFLICT]),
            users=tuple(users),
        )


def _result(user_id: UserId, counts: Counter[Outcome], proof: Proof | None) -> UserResult:
    if proof is None:
        return UserResult(user_id, counts, 0, str(Digest()))
    return UserResult(
        user_id,
        counts,
        proof.expected.count,
        str(proof.expected),
        proof.found.count,
        str(proof.found),
        proof.unindexed,
    )
