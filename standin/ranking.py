"""Ranking: by distance, by BM25, or both fused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .text import bm25

RRF_CONSTANT = 60
MIN_CANDIDATES = 100


@dataclass(slots=True)
class Ranked:
    """A result: the vector's position in the index and what put it there."""

    position: int
    distance: float | None = None
    fused: float | None = None
    bm25: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextQuery:
    """One text search: the words, the key, its language, and the texts by position."""

    key: str
    text: str
    language: str | None
    texts: dict[int, str]


def cosine_distances(matrix: np.ndarray, norms: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Return the distance of every row as float32, identical directions near but not at 0."""
    wanted = query / np.linalg.norm(query.astype(np.float64))
    similarity = matrix @ wanted.astype(np.float32) / norms
    found: np.ndarray = np.clip(1 - similarity, 0, 2).astype(np.float32)
    return found


def euclidean_distances(matrix: np.ndarray, query: np.ndarray, *, squared: bool) -> np.ndarray:
    """Return the distance of every row as float32: the root, or the square."""
    squares = np.square(matrix - query).sum(axis=1, dtype=np.float64)
    found: np.ndarray = (squares if squared else np.sqrt(squares)).astype(np.float32)
    return found


def rank_by_distance(found: np.ndarray, positions: list[int]) -> list[Ranked]:
    """Rank the given positions, nearest first."""
    chosen = np.array(positions, dtype=np.intp)
    order = chosen[np.argsort(found[chosen], kind="stable")]
    return [Ranked(int(p), distance=float(found[p])) for p in order]


def rank_by_text(query: TextQuery, positions: set[int]) -> list[Ranked]:
    """Rank the positions that match a text, best first; statistics span the whole index."""
    scores = bm25(query.texts, query.text, query.language)
    kept = [(score, p) for p, score in scores.items() if p in positions]
    kept.sort(key=lambda pair: (-pair[0], pair[1]))
    return [Ranked(p, bm25={query.key: score}) for score, p in kept]


def fuse(lists: list[list[Ranked]], top_k: int) -> list[Ranked]:
    """Merge rankings by Reciprocal Rank Fusion; a result may lack some of the lists."""
    depth = max(top_k, MIN_CANDIDATES)
    merged: dict[int, Ranked] = {}
    for ranking in lists:
        for rank, entry in enumerate(ranking[:depth], start=1):
            result = merged.setdefault(entry.position, Ranked(entry.position, fused=0.0))
            result.fused = (result.fused or 0.0) + 1 / (RRF_CONSTANT + rank)
            result.bm25.update(entry.bm25)
            if entry.distance is not None:
                result.distance = entry.distance
    return sorted(merged.values(), key=lambda entry: -(entry.fused or 0.0))
