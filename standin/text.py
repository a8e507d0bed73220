"""Full-text search: a plain analyzer and BM25."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from functools import lru_cache

K1 = 1.2
B = 0.75
_WORD = re.compile(r"\w+")
_IDEOGRAPHIC = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STOP_WORDS = """a an and are as at be but by for if in into is it no not of on or such that
the their then there these they this to was will with"""
_ENGLISH_STOP_WORDS = frozenset(_STOP_WORDS.split())


@lru_cache(maxsize=65536)
def tokenize(text: str, language: str | None) -> tuple[str, ...]:
    """Split into lower-case words; ideographs count singly, English loses its stop words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _WORD.findall(_IDEOGRAPHIC.sub(lambda sign: f" {sign.group()} ", folded))
    if language == "en":
        words = [_singular(word) for word in words if word not in _ENGLISH_STOP_WORDS]
    return tuple(words)


def bm25(texts: dict[int, str], query: str, language: str | None) -> dict[int, float]:
    """Score the texts that share a word with the query; the others are left out."""
    documents = {number: tokenize(text, language) for number, text in texts.items()}
    terms = set(tokenize(query, language))
    counts = {n: Counter(word for word in words if word in terms) for n, words in documents.items()}
    frequency = Counter(term for count in counts.values() for term in count)
    average = sum(map(len, documents.values())) / max(len(documents), 1)
    scores = {}
    for number, count in counts.items():
        if count:
            length = len(documents[number]) / average
            scores[number] = sum(
                _idf(len(documents), frequency[term]) * _saturate(times, length)
                for term, times in count.items()
            )
    return scores


def _idf(documents: int, containing: int) -> float:
    return math.log(1 + (documents - containing + 0.5) / (containing + 0.5))


def _saturate(times: int, relative_length: float) -> float:
    return times * (K1 + 1) / (times + K1 * (1 - B + B * relative_length))


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
