"""What the assistant would remember for a question, and by which rule the rest is left out.

The production call is made as the application makes it; beside it all of the user's memories are
ranked exactly. The call has no threshold for the score and does not look at agents and runs, so a
memory is left out for one of the reasons of `Reason`, or because it is under another user id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from .embedders import Embedder
from .identity import UserId
from .ledger import Ledger
from .memories import Memories
from .people import CloseUser
from .records import Hit, SearchResult
from .searching import Searcher, is_expired

Reason = Literal["limit", "expired", "not indexed", "missed"]
"""Ranked behind the limit; past its expiry date; not in the index that was asked; in the index, and
missed by its approximate search."""

MAX_SHOWN = 200
_OTHERS = 5


@dataclass(frozen=True, slots=True)
class Ranked:
    """A memory at its exact rank. `place` is its rank in the answer, None with the reason why."""

    hit: Hit
    place: int | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
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
    ranking: tuple[Ranked, ...]
    left_out: Mapping[Reason, int]
    memories: int
    elsewhere: tuple[Elsewhere, ...]


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
        ranking: list[Ranked] = []
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
                    ranking.append(Ranked(hit, place, reason))
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

    def _elsewhere(self, question: str, close: Iterable[CloseUser]) -> list[Elsewhere]:
        asked = [one for one in close if one.user and one.user.memories][:_OTHERS]
        return [
            Elsewhere(one, hit)
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
