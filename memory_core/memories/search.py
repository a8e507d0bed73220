"""Answers to questions: exact over a user's own memories, by the index beyond that; explained."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from ..embedders import embed_question
from ..errors import InvalidMemory
from ..ledger import UserView
from ..model.census import CloseUser
from ..model.limits import MAX_QUERY_BYTES, check_text
from ..model.records import Hit, MemoryRecord, SearchMode, SearchResult
from ..model.user_id import UserId, is_probe
from ..storage.vectors import Vector
from .continuity import continuations
from .ranking import Ranked, Ranker
from .reader import MemoryReader, RecordAt, to_record
from .repository import Repository

if TYPE_CHECKING:
    from ..storage.vectors.base import Values

LOG_FOUND = "[Mem0] Found %d relevant memories for user %s"
EXACT_UP_TO = 5_000
"""Memories of one user that `auto` ranks exactly: about 5 MB of vectors, 50 requests when cold."""
MAX_SHOWN = 200

_CANDIDATES = 100
_NEIGHBOURS = 10
_OTHERS = 5
_logger = logging.getLogger("memory_core")

Condition = Callable[[MemoryRecord], bool]
"""Returns whether a memory may be an answer."""

Reason = Literal["limit", "expired", "not indexed", "missed"]
"""Ranked below the limit; past its expiry date; not in the index that was asked; in the index, but
missed by its approximate search."""


@dataclass(frozen=True, slots=True)
class RankedMemory:
    """A memory at its exact rank. `place` is its rank in the answer, None with the reason why."""

    hit: Hit
    place: int | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class OtherUser:
    """The best answer under an id that is close to the user's."""

    user: CloseUser
    best: Hit


@dataclass(frozen=True, slots=True)
class Recall:
    """The answer of the production call, and the exact ranking beside it.

    `ranking` holds the first `MAX_SHOWN` of all `memories`, and any that was answered or expired;
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


class Searcher:
    """Finds memories; never writes."""

    def __init__(self, repository: Repository, memories: MemoryReader) -> None:
        _, self._embedder, self._ledger, self._store = repository
        self._memories = memories

    def search(
        self,
        user_id: UserId,
        question: str,
        limit: int,
        mode: SearchMode = "auto",
        *,
        where: Condition | None = None,
        quiet: bool = False,
    ) -> SearchResult:
        """Return the best `limit` memories for the question that fulfil the condition `where`.

        Without one, those past their expiry date are left out. `quiet` writes no log line.

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
        exact = mode == "exact" or (
            mode == "auto"
            and (len(view.live) <= EXACT_UP_TO or self._memories.is_asked_again(view))
        )
        hits: tuple[Hit, ...] = ()
        if view.live:
            values = embed_question(self._embedder, question)
            ranker, record_at = (
                self._memories.ranker(view)
                if exact
                else self._candidates(view, question, values, limit)
            )
            hits = _best(ranker, record_at, question, values, limit, where or _unexpired)
        if not quiet and not is_probe(user_id):
            _logger.info(LOG_FOUND, len(hits), user_id)
        return SearchResult(hits, "exact" if exact else "index", len(view.live), exact)

    def neighbours(self, user_id: UserId, text: str, values: Values) -> list[Vector]:
        """Return the user's memories nearest to a text, for mem0 to compare with."""
        view = self._ledger.view(user_id)
        if not view.live:
            return []
        ranker, record_at = self._memories.ranker(view)
        ranked = ranker.rank(text, values, _NEIGHBOURS, context=False)
        near = [record_at(entry.position).id for entry in ranked]
        vectors = self._memories.read(view, near)[0]
        return [vectors[memory_id] for memory_id in near if memory_id in vectors]

    def explain(
        self, user_id: UserId, question: str, limit: int, close: Iterable[CloseUser]
    ) -> Recall:
        """Return the answer, and why each other memory is not in it; raises as `search`.

        `close` are the users whose ids are close to this one's.
        """
        answer = self.search(user_id, question, limit)
        view = self._ledger.view(user_id)
        places = {hit.memory.id: hit.rank for hit in answer.hits}
        counts: Counter[Reason] = Counter()
        ranking: list[RankedMemory] = []
        if view.live:
            values = embed_question(self._embedder, question)
            ranker, record_at = self._memories.ranker(view)
            ahead = 0
            for rank, entry in enumerate(ranker.rank(question, values, len(view.live)), 1):
                record = record_at(entry.position)
                place, reason = places.get(record.id), None
                if place is None:
                    reason = _reason(record, answer, behind=ahead >= limit)
                    counts[reason] += 1
                ahead += not record.expired
                if rank <= MAX_SHOWN or place is not None or record.expired:
                    ranking.append(RankedMemory(_hit(record, entry, rank), place, reason))
        others = [other for other in close if other.user and other.user.memories][:_OTHERS]
        return Recall(
            user_id,
            question,
            limit,
            answer,
            tuple(ranking),
            dict(counts),
            len(view.live),
            tuple(
                OtherUser(other, hit)
                for other in others
                for hit in self.search(other.user_id, question, 1, quiet=True).hits
            ),
        )

    def _candidates(
        self, view: UserView, question: str, values: Values, limit: int
    ) -> tuple[Ranker, RecordAt]:
        """Let the index propose candidates; rank them, and their neighbours, exactly."""
        near = self._store.query(view.user_id, values, max(_CANDIDATES, 2 * limit), question)
        ids = list(view.live)
        places = {memory_id: at for at, memory_id in enumerate(ids)}
        # The index may still hold deleted memories, which are no longer the user's.
        chosen = [places[key] for key, _ in near if key in places]
        beside = {at + step for at in chosen for step in (-1, 0, 1)}
        vectors, matrix = self._memories.with_values(
            view, [ids[at] for at in sorted(beside) if 0 <= at < len(ids)]
        )
        pairs = [
            (earlier, later)
            for earlier, later in continuations([vector.payload for vector in vectors])
            # Any other pair has memories between that were not chosen.
            if abs(places[vectors[later].key] - places[vectors[earlier].key]) == 1
        ]
        texts = [vector.payload["data"] for vector in vectors]
        return Ranker(texts, matrix, pairs), lambda position: to_record(vectors[position])


def _unexpired(record: MemoryRecord) -> bool:
    return not record.expired


def _hit(record: MemoryRecord, entry: Ranked, rank: int) -> Hit:
    return Hit(record, entry.score, rank, entry.cosine, entry.bm25, entry.context)


def _best(
    ranker: Ranker,
    record_at: RecordAt,
    question: str,
    values: Values,
    limit: int,
    where: Condition,
) -> tuple[Hit, ...]:
    """Return the best that fulfil the condition; more are ranked only if some do not."""
    asked = limit
    while True:
        ranked = ranker.rank(question, values, asked)
        pairs = [(entry, record_at(entry.position)) for entry in ranked]
        valid = [pair for pair in pairs if where(pair[1])][:limit]
        if len(valid) == limit or len(ranked) < asked:
            return tuple(_hit(record, entry, rank) for rank, (entry, record) in enumerate(valid, 1))
        asked *= 4


def _reason(record: MemoryRecord, answer: SearchResult, *, behind: bool) -> Reason:
    """Return why a memory is not in the answer."""
    if record.expired:
        return "expired"
    if behind or answer.complete:
        return "limit"
    return "missed" if record.indexed else "not indexed"
