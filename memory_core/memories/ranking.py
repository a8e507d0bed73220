"""Exact ranking over one user's memories: cosine, BM25, and their fusion.

A score lies in 0..1 and means the same on every backend: it depends on the question and the user's
memories alone. The weights were chosen on `examples/memories`; docs/decisions/ranking.md has the
figures.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..embedders.base import plain_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..embedders.base import Vectors

BM25_WEIGHT = 0.4
_K1 = 1.2
_B = 0.75
_WORD = re.compile(r"\w+")
_GRAM = 3
_IDEOGRAPHS_FROM = "\u2e80"


@dataclass(frozen=True, slots=True)
class Ranked:
    """The place of one text in a ranking; `position` is its index in the texts given."""

    position: int
    score: float
    cosine: float
    bm25: float


class Ranker:
    """Ranks texts by their nearness to a question; build once, ask often."""

    def __init__(self, texts: Sequence[str], vectors: Vectors) -> None:
        self._vectors = vectors
        self._words = _WordIndex(texts)

    def rank(self, question: str, vector: NDArray[np.float32], limit: int) -> list[Ranked]:
        """Return at most `limit` texts, best first; equal scores keep the order given."""
        import numpy as np

        if not len(self._vectors):
            return []
        cosine = np.clip(self._vectors @ vector, 0.0, 1.0)
        bm25 = self._words.scores(question)
        score = (1 - BM25_WEIGHT) * cosine + BM25_WEIGHT * bm25
        order = np.argsort(-score, kind="stable")[:limit]
        return [
            Ranked(int(at), float(score[at]), float(cosine[at]), float(bm25[at])) for at in order
        ]


class _WordIndex:
    """BM25 as a share of what a text that answers the whole question could reach.

    The share counts words of the question that no text has: scaling by the best text would make
    any accidental word a perfect match.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._size = len(texts)
        tokens = [terms(text) for text in texts]
        self._holders = Counter(term for text in tokens for term in set(text))
        self._bm25: Any = None
        if self._holders:
            import bm25s

            # It sets its own logger to DEBUG.
            logging.getLogger("bm25s").setLevel(logging.WARNING)
            self._bm25 = bm25s.BM25(method="lucene", k1=_K1, b=_B)
            self._bm25.index(tokens, show_progress=False)

    def scores(self, question: str) -> NDArray[np.float32]:
        """Return the score of every text, 0..1."""
        import numpy as np

        asked = dict.fromkeys(terms(question))
        known = [term for term in asked if term in self._holders]
        if not known:
            return np.zeros(self._size, dtype=np.float32)
        reachable = sum(self._idf(term) for term in asked)
        shares: Vectors = np.clip(self._bm25.get_scores(known) / reachable, 0.0, 1.0)
        return shares.astype(np.float32)

    def _idf(self, term: str) -> float:
        from math import log

        holders = self._holders[term]
        return log(1 + (self._size - holders + 0.5) / (holders + 0.5))


def terms(text: str) -> list[str]:
    """Return the index terms of a text: stems of its words, and their character trigrams.

    The trigrams match inflections of languages without a stemmer here, compounds, typing errors and
    scripts without spaces. Words that carry no meaning are left out, unless there are no others.
    """
    words = _WORD.findall(plain_text(text).casefold())
    telling = [word for word in words if _is_telling(word)] or words
    stems: list[str] = _stemmer().stemWords(telling)
    return [_unaccented(stem) for stem in stems] + [
        gram for word in telling for gram in _grams(_unaccented(word))
    ]


def _is_telling(word: str) -> bool:
    return word.isdigit() or (len(word) > 1 and _unaccented(word) not in _stop_words())


def _grams(word: str) -> Iterator[str]:
    size = 2 if word >= _IDEOGRAPHS_FROM else _GRAM
    if len(word) > size:
        for start in range(len(word) - size + 1):
            yield "#" + word[start : start + size]


def _unaccented(word: str) -> str:
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFKD", word)
    return "".join(char for char in parts if not unicodedata.combining(char))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    from bm25s import stopwords

    lists = [words for name, words in vars(stopwords).items() if name.startswith("STOPWORDS_")]
    return frozenset(_unaccented(word.casefold()) for words in lists for word in words)
