"""Taking memories in: decide, embed what has no vector, record, put; then read all of it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self

from ..embedders import Embedder
from ..errors import InvalidMemory, InvalidUserId
from ..ledger import Ledger, UserView
from ..memories.reader import MemoryReader, is_current
from ..memories.writer import MemoryWriter, at_revision
from ..model.counting import Progress, Steps, batches
from ..model.user_id import UserId
from ..storage.vectors import Vector, VectorStore
from ..storage.vectors.base import PUT_BATCH
from .conflict_resolver import Decision, Journal, Resolver, differing_in
from .incoming_memory import Accepted, Digest, Incoming, accept
from .reports import (
    COPIED,
    FAILED,
    Conflict,
    Existing,
    IntakeReport,
    Outcome,
    RefusedMemory,
    UserResult,
    Verdicts,
)

if TYPE_CHECKING:
    from ..storage.vectors.base import Values

LISTED = 1_000
"""The most refused memories, conflicts and differences that a report lists."""

_WINDOW = 4 * PUT_BATCH
_WINDOW_BYTES = 16 * 1024**2
_LENGTH_TOLERANCE = 1e-3
_ASIDES = ("renamed", "brought_back", "healed", "unlike", "embedded")


def _when(payload: Mapping[str, Any]) -> str:
    return str(payload.get("updated_at") or payload.get("created_at") or "")


@dataclass
class Totals:
    """The counts so far."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    users: dict[UserId, Counter[Outcome]] = field(default_factory=dict)
    listed: dict[Outcome, list[RefusedMemory]] = field(
        default_factory=lambda: {outcome: [] for outcome in FAILED}
    )
    conflicts: list[Conflict] = field(default_factory=list)
    """The first conflicts that a person has to decide, with both texts."""
    to_embed: Counter[UserId] = field(default_factory=Counter)
    """Memories to be stored whose source has no vector for them, by user."""
    asides: Counter[str] = field(default_factory=Counter)
    """What `IntakeReport` counts beside the outcomes."""

    def add(self, decision: Decision) -> None:
        accepted, outcome = decision.accepted, decision.outcome
        self.counts[outcome] += 1
        self.users.setdefault(accepted.user_id, Counter())[outcome] += 1
        self.asides.update(renamed=decision.renamed, brought_back=decision.brought_back)
        if outcome in COPIED and accepted.incoming.values is None:
            self.to_embed[accepted.user_id] += 1
        if decision.here is not None and len(self.conflicts) < LISTED:
            self.conflicts.append(
                Conflict(
                    id=accepted.incoming.id or "",
                    user_id=accepted.user_id,
                    here=str(decision.here["data"]),
                    theirs=accepted.text,
                    here_at=_when(decision.here),
                    theirs_at=_when(accepted.payload),
                )
            )
        if outcome in FAILED:
            self._list(outcome, accepted.incoming, accepted.user_id, decision.reason)

    def refuse(self, incoming: Incoming, reason: str) -> None:
        self.counts[Outcome.REFUSED] += 1
        self._list(Outcome.REFUSED, incoming, incoming.user_id, reason)

    def _list(self, outcome: Outcome, incoming: Incoming, user_id: str | None, reason: str) -> None:
        if len(self.listed[outcome]) < LISTED:
            refused = RefusedMemory(incoming.line, incoming.id, user_id, reason)
            self.listed[outcome].append(refused)


@dataclass(slots=True)
class _Work:
    """The writes for one user."""

    view: UserView
    decisions: list[Decision]
    lost: list[Vector]
    """Memories that are there already and not in the store, as recorded."""
    values: list[Values | None] = field(default_factory=list)


@dataclass
class Intake:
    """Takes memories in batches; use it as a context manager, from one thread.

    `source` is the origin that the ledger keeps. With `dry_run` nothing is written, and the report
    says what would be. Where `verdicts` are given, they settle conflicts in place of `existing`,
    and no memory with an id is left out because of its text. `watch` is called with every decision.
    """

    ledger: Ledger
    store: VectorStore
    embedder: Embedder
    source: str
    _: KW_ONLY
    existing: Existing = "skip"
    dry_run: bool = False
    verdicts: Verdicts | None = None
    watch: Callable[[Decision], None] | None = None

    def __post_init__(self) -> None:
        self._memories = MemoryReader(self.ledger, self.store, self.embedder)
        self._saver = MemoryWriter(self.ledger, self.store, self._memories)
        self._journal = Journal()
        self.totals = Totals()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._journal.close()

    def take_all(
        self,
        memories: Iterable[Incoming],
        on_progress: Progress | None,
        total: int = 0,
        *,
        rounds: int = 1,
    ) -> int:
        """Take everything in, in batches that fit into memory and fill requests; return the count.

        `on_progress` gets the count so far, and a total for all `rounds`. Raises as `take`.
        """
        done = 0
        size_of = Incoming.size_bytes
        for batch in batches(memories, _WINDOW, max_bytes=_WINDOW_BYTES, size_of=size_of):
            self.take(batch)
            done += len(batch)
            if on_progress:
                on_progress(done, max(total, done) * rounds)
        return done

    def take(self, batch: Sequence[Incoming]) -> None:
        """Take a batch in: best some thousand memories, sorted by user.

        Up to 500 memories of a user are recorded in one object; 500 at a time, of all users, are
        put. A memory that cannot be stored is refused without the others.

        Raises:
            NotIndexed: recorded, and safe, but the store could not be written; repeat the call.
            BackendError: the ledger, the store or the embedder did not answer; repeat the call.
        """
        groups: dict[UserId, list[Accepted]] = {}
        ids: set[str] = set()
        for incoming in batch:
            try:
                accepted = accept(incoming)
            except (InvalidMemory, InvalidUserId) as exc:
                self.totals.refuse(incoming, str(exc))
                continue
            groups.setdefault(accepted.user_id, []).append(accepted)
            if incoming.id:
                ids.add(incoming.id)
        stored = self.store.get(sorted(ids)) if ids else {}
        works = [self._decide(user_id, group, stored) for user_id, group in groups.items()]
        if not self.dry_run:
            self._write(works)

    def finish(self, on_progress: Progress | None = None) -> IntakeReport:
        """Read everything back, and report."""
        results: dict[UserId, UserResult] = {}
        if not self.dry_run:
            # A ledger with empty caches: what was written does not vouch for itself.
            ledger = Ledger(self.ledger.objects, frugal=True)
            memories = MemoryReader(ledger, self.store, self.embedder)
            steps = Steps(on_progress, self._journal.count_kept())
            for user_id, kept in groupby(self._journal.kept(), key=lambda row: row[0]):
                marks = ((memory_id, mark) for _, memory_id, mark in kept)
                results[user_id] = self._read_back(user_id, marks, ledger.view(user_id), memories)
                steps.advance(results[user_id].expected)
        totals = self.totals
        return IntakeReport(
            source=self.source,
            existing=self.existing,
            dry_run=self.dry_run,
            counts={outcome: totals.counts[outcome] for outcome in Outcome},
            **{name: totals.asides[name] for name in _ASIDES},
            refused=tuple(totals.listed[Outcome.REFUSED]),
            conflicts=tuple(totals.listed[Outcome.CONFLICT]),
            users=tuple(
                results.get(user_id) or UserResult(user_id, counts, 0, str(Digest()))
                for user_id, counts in sorted(totals.users.items())
            ),
        )

    def _read_back(
        self,
        user_id: UserId,
        kept: Iterable[tuple[str, bytes]],
        view: UserView,
        memories: MemoryReader,
    ) -> UserResult:
        """Compare the memories that were kept, given with their marks, with the record."""
        expected, actual = Digest(), Digest()
        unindexed = 0
        for part in batches(kept, PUT_BATCH):
            marks = dict(part)
            for mark in marks.values():
                expected.add_mark(mark)
            read, missing = memories.read(view, [key for key in marks if key in view.live])
            for memory_id, vector in read.items():
                actual.add(memory_id, vector.payload["data"])
            unindexed += len(missing)
        return UserResult(
            user_id,
            self.totals.users[user_id],
            expected.count,
            str(expected),
            actual.count,
            str(actual),
            unindexed,
        )

    def _decide(
        self, user_id: UserId, group: Iterable[Accepted], stored: dict[str, Vector]
    ) -> _Work:
        view = self.ledger.view(user_id)
        resolver = Resolver(
            view,
            self._memories,
            self._journal,
            stored,
            self.ledger,
            self.existing,
            self.source,
            self.verdicts,
        )
        decisions = [resolver.decide(memory) for memory in group]
        for decision in decisions:
            self.totals.add(decision)
            if self.watch:
                self.watch(decision)
        unwritten = {each.kept for each in decisions if each.kept and each.draft is None}
        doubtful = {key for key in unwritten if not is_current(stored.get(key), view, key)}
        read, missing = self._memories.read(view, doubtful)
        lost = [at_revision(read[key], view.live[key].latest) for key in missing]
        self.totals.asides["healed"] += len(lost)
        here = {**stored, **read}
        for each in decisions:
            if each.outcome is Outcome.ALREADY and each.kept in here:
                came = each.accepted.incoming.payload.keys() - {"created_at"}
                other = differing_in(each.accepted, here[each.kept].payload)
                self.totals.asides["unlike"] += not came.isdisjoint(other)
        return _Work(view, [decision for decision in decisions if decision.draft], lost)

    def _write(self, works: Sequence[_Work]) -> None:
        """Embed everything before anything is recorded, and record it before it is put."""
        self._embed(works)
        put: list[Vector] = [vector for work in works for vector in work.lost]
        recorded: list[tuple[UserId, list[Vector]]] = []
        for work in works:
            rows = zip(work.decisions, work.values, strict=True)
            for part in batches(rows, PUT_BATCH):
                drafts = [decision.draft for decision, _ in part if decision.draft]
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
            memories = [decision.accepted for decision in work.decisions]
            work.values = [self._fitting(memory.incoming) for memory in memories]
            rows = zip(memories, work.values, strict=True)
            texts |= {memory.text: None for memory, row in rows if row is None}
            texts |= dict.fromkeys(vector.payload["data"] for vector in work.lost)
        for part in batches(list(texts), PUT_BATCH):
            texts |= zip(part, self.embedder.embed(part), strict=True)
        self.totals.asides["embedded"] += len(texts)
        for work in works:
            work.values = [
                texts[decision.accepted.text] if row is None else row
                for decision, row in zip(work.decisions, work.values, strict=True)
            ]
            work.lost = [
                replace(vector, values=texts[vector.payload["data"]]) for vector in work.lost
            ]

    def _fitting(self, incoming: Incoming) -> Values | None:
        """Return the vector of a memory if it is one that our embedder could have made."""
        import numpy as np

        values = incoming.values
        if values is None or incoming.embedder != self.embedder.name:
            return None
        if values.shape != (self.embedder.dimensions,) or not np.isfinite(values).all():
            return None
        length = float(np.linalg.norm(values))
        return values if abs(length - 1.0) < _LENGTH_TOLERANCE else None
