"""Answering questions: exactly over a user's own memories, or by the index beyond that."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, get_args

from ..embedders import Embedder
from ..errors import InvalidMemory
from ..ledger import Ledger, UserView
from ..model.census import CloseUser
from ..model.limits import MAX_QUERY_BYTES, check_text
from ..model.records import Hit, MemoryRecord, SearchMode, SearchResult
from ..model.user_id import UserId, is_probe
from ..storage.vectors import Vector, VectorStore
from .ranking import Ranker
from .reader import Memories, RecordAt, to_record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOG_FOUND = "[Mem0] Found %d relevant memories for user %s"
EXACT_UP_TO = 2_000
"""Memories of one user that `auto` ranks exactly: about 2 MB of vectors, 20 requests when cold."""

_CANDIDATES = 100
_NEIGHBOURS = 10
_logger = logging.getLogger("memory_core")


class Searcher:
    """Finds memories; never writes."""

    def __init__(
        self, ledger: Ledger, store: VectorStore, embedder: Embedder, memories: Memories
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._memories = memories

    def search(
        self,
        user_id: UserId,
        question: str,
        limit: int,
        mode: SearchMode = "auto",
        *,
        quiet: bool = False,
    ) -> SearchResult:
        """Return the best `limit` memories for the question; those past their expiry date never.

        `quiet` writes no log line.

        Raises:
            InvalidMemory: the question is blank or longer than 32 KB, or `limit` is not positive.
        """
        check_text(question, "question", MAX_QUERY_BYTES)
        if not isinstance(limit, int) or limit < 1:
            raise InvalidMemory(
                f"limit is {limit!r}; ask for a whole number of memories, 1 or more"
            )
        if mode not in get_args(SearchMode):
            raise InvalidMemory(f"mode is {mode!r}; use one of {', '.join(get_args(SearchMode))}")
        view = self._ledger.view(user_id)
        exact = mode == "exact" or (mode == "auto" and len(view.live) <= EXACT_UP_TO)
        hits: tuple[Hit, ...] = ()
        if view.live:
            values = self._embedder.embed([question])[0]
            ranker, record_at = (
                self._memories.ranker(view)
                if exact
                else self._candidates(view, question, values, limit)
            )
            hits = _best(ranker, record_at, question, values, limit)
        if not quiet and not is_probe(user_id):
            _logger.info(LOG_FOUND, len(hits), user_id)
        return SearchResult(hits, "exact" if exact else "index", len(view.live), exact)

    def neighbours(self, user_id: UserId, text: str, values: NDArray[np.float32]) -> list[Vector]:
        """Return the user's memories nearest to a text, for mem0 to compare with."""
        view = self._ledger.view(user_id)
        if not view.live:
            return []
        ranker, record_at = self._memories.ranker(view)
        near = [record_at(one.position).id for one in ranker.rank(text, values, _NEIGHBOURS)]
        found = self._memories.read(view, near)[0]
        return [found[one] for one in near if one in found]

    def _candidates(
        self, view: UserView, question: str, values: NDArray[np.float32], limit: int
    ) -> tuple[Ranker, RecordAt]:
        """Let the index choose, and rank its choice as exactly as the rest."""
        near = self._store.query(view.user_id, values, max(_CANDIDATES, 2 * limit), question)
        # What the index still holds of deleted memories is none of the user's any more.
        ids = [one for one, _ in near if one in view.live]
        vectors, matrix = self._memories.with_values(view, ids)
        texts = [one.payload["data"] for one in vectors]
        return Ranker(texts, matrix), lambda position: to_record(vectors[position])


def is_expired(record: MemoryRecord, today: date) -> bool:
    """Say whether a memory is past its expiry date (UTC), as mem0 understands it."""
    return record.expires is not None and record.expires < today


def _best(
    ranker: Ranker, record_at: RecordAt, question: str, values: NDArray[np.float32], limit: int
) -> tuple[Hit, ...]:
    """Return the best that have not expired; more are ranked only where some have."""
    today = datetime.now(UTC).date()
    asked = limit
    while True:
        ranked = ranker.rank(question, values, asked)
        found = [(one, record_at(one.position)) for one in ranked]
        valid = [pair for pair in found if not is_expired(pair[1], today)][:limit]
        if len(valid) == limit or len(ranked) < asked:
            return tuple(
                Hit(record, one.score, rank, one.cosine, one.bm25)
                for rank, (one, record) in enumerate(valid, 1)
            )
        asked *= 4


Reason = Literal["limit", "expired", "not indexed", "missed"]
"""Ranked behind the limit; past its expiry date; not in the index that was asked; in the index, and
missed by its approximate search."""

MAX_SHOWN = 200
_OTHERS = 5


@dataclass(frozen=True, slots=True)
class RankedMemory:
    """A memory at its exact rank. `place` is its rank in the answer, None with the reason why."""

    hit: Hit
    place: int | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class OtherUser:
    """What the question would find under an id that is close to the user's."""

    user: CloseUser
    best: Hit


@dataclass(frozen=True, slots=True)
class Recall:
    """The answer of the production call, and the exact ranking beside it.

    `ranking` holds the first `MAX_SHOWN` of all `memories`, and whatever was answered or expired;
    `left_out` counts all of them by reason.
    """

    user_id: UserId
    question: str
    limit: int
    answer: SearchResult
    ranking: tuple[RankedMemory, ...]
    left_out: Mapping[Reason, int]
    memories: int
    elsewhere: tuple[OtherUser, ...]


class Explainer:
    """Explains answers; reads only."""

    def __init__(
        self, ledger: Ledger, embedder: Embedder, memories: Memories, searcher: Searcher
    ) -> None:
        self._ledger = ledger
        self._embedder = embedder
        self._memories = memories
        self._searcher = searcher

    def explain(
        self, user_id: UserId, question: str, limit: int, close: Iterable[CloseUser]
    ) -> Recall:
        """Return what is answered, what is not, and why; raises as `Searcher.search`.

        `close` are the users whose ids are close to this one's.
        """
        answer = self._searcher.search(user_id, question, limit)
        view = self._ledger.view(user_id)
        places = {hit.memory.id: hit.rank for hit in answer.hits}
        counts: Counter[Reason] = Counter()
        ranking: list[RankedMemory] = []
        if view.live:
            values = self._embedder.embed([question])[0]
            ranker, record_at = self._memories.ranker(view)
            today = datetime.now(UTC).date()
            ahead = 0
            for rank, one in enumerate(ranker.rank(question, values, len(view.live)), 1):
                record = record_at(one.position)
                hit = Hit(record, one.score, rank, one.cosine, one.bm25)
                expired = is_expired(record, today)
                place, reason = places.get(record.id), None
                if place is None:
                    reason = _reason(
                        expired, ahead >= limit, answer.complete, indexed=record.indexed
                    )
                    counts[reason] += 1
                ahead += not expired
                if rank <= MAX_SHOWN or place is not None or expired:
                    ranking.append(RankedMemory(hit, place, reason))
        return Recall(
            user_id,
            question,
            limit,
            answer,
            tuple(ranking),
            dict(counts),
            len(view.live),
            tuple(self._elsewhere(question, close)),
        )

    def _elsewhere(self, question: str, close: Iterable[CloseUser]) -> list[OtherUser]:
        asked = [one for one in close if one.user and one.user.memories][:_OTHERS]
        return [
            OtherUser(one, hit)
            for one in asked
            for hit in self._searcher.search(one.user_id, question, 1, quiet=True).hits
        ]


def _reason(expired: bool, behind: bool, complete: bool, *, indexed: bool) -> Reason:
    if expired:
        return "expired"
    if behind:
        return "limit"
    if not complete and not indexed:
        return "not indexed"
    return "limit" if complete else "missed"
