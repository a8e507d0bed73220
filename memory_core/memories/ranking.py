"""Exact ranking over one user's memories: cosine, BM25, and the neighbours of a memory.

A score lies in 0..1 and means the same on every backend: it depends on the question and the user's
memories alone. docs/decisions/ranking.md has the rules, the reasons and the figures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..embedders.base import plain_text
from .continuity import Neighbourhood
from .word_index import WordIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..embedders.base import Vectors

BM25_WEIGHT = 0.4
"""Weight of BM25 with too few memories to estimate it, or no word of the question in any."""

_GREATEST_WEIGHT = 0.8
_MEMORIES_IN_DOUBT = 30
"""The number of memories that `BM25_WEIGHT` counts for, beside the estimated weight."""
_SAME = 0.99
"""The least cosine of a text with itself, allowing for the rounding of embedders."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The place of one text in a ranking; `position` is its index in the texts given."""

    position: int
    score: float
    cosine: float
    bm25: float
    context: float


class Ranker:
    """Ranks texts by their nearness to a question; build once, ask often.

    `pairs` are the positions of texts of which the second continues the first.
    """

    def __init__(
        self, texts: Sequence[str], vectors: Vectors, pairs: Sequence[tuple[int, int]] = ()
    ) -> None:
        self._vectors = vectors
        self._words = WordIndex(texts)
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(texts):
            self._places[plain_text(text)].append(place)
        self._context = Neighbourhood(texts, pairs)

    def rank(
        self, question: str, vector: NDArray[np.float32], limit: int, *, context: bool = True
    ) -> list[Ranked]:
        """Return at most `limit` texts, best first; equal ones keep the order given.

        Without `context`, neighbours lend nothing.
        """
        import numpy as np

        if not len(self._vectors):
            return []
        # Not by BLAS, whose threads wait for each other on a shared processor.
        cosine = np.clip(np.einsum("ij,j->i", self._vectors, vector), 0.0, 1.0)
        bm25, has_words = self._words.scores(question)
        weight = _bm25_weight(cosine, bm25) if has_words else BM25_WEIGHT
        own = (1 - weight) * cosine + weight * bm25
        # A text that is the question comes first, whatever its neighbours.
        same = self._places.get(plain_text(question), [])
        own[[place for place in same if cosine[place] > _SAME]] = 1.0
        lent = self._context.lent(own) if context else np.zeros_like(own)
        lent = np.minimum(lent, 1.0 - own)
        score = np.clip(own + lent, 0.0, 1.0)
        order = _first(score, own, limit)
        return [
            Ranked(int(at), float(score[at]), float(cosine[at]), float(bm25[at]), float(lent[at]))
            for at in order
        ]


def _bm25_weight(cosine: NDArray[np.float32], bm25: NDArray[np.float32]) -> float:
    """Return the weight that gives both scores the same influence, by their spread."""
    count, of_cosine, of_bm25 = len(cosine), float(cosine.std()), float(bm25.std())
    if not of_cosine + of_bm25:
        return BM25_WEIGHT
    weight = min(_GREATEST_WEIGHT, of_cosine / (of_cosine + of_bm25))
    return (count * weight + _MEMORIES_IN_DOUBT * BM25_WEIGHT) / (count + _MEMORIES_IN_DOUBT)


def _first(scores: NDArray[np.float32], own: NDArray[np.float32], limit: int) -> NDArray[np.intp]:
    """Return the positions of the greatest scores; the own score decides between equal ones."""
    import numpy as np

    among = np.arange(len(scores))
    if limit < len(scores):
        among = np.flatnonzero(scores >= np.partition(scores, -limit)[-limit])
    return among[np.lexsort((-own[among], -scores[among]))][:limit]
