"""What the service holds: vector buckets, indexes and vectors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from .metadata import Document, size_of

CLASSIC = "CLASSIC"
ENHANCED = "ENHANCED"


def scatter(name: str) -> bytes:
    """Return the place of a name in listings: fixed, and unlike any order of arrival."""
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class VectorBucket:
    """A vector bucket; `old` ones were made before ENHANCED mode and may be CLASSIC."""

    name: str
    arn: str
    region: str
    created_at: float
    encryption: dict[str, str]
    default_mode: str = ENHANCED
    old: bool = False
    policy: str | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Encode for the disk."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> VectorBucket:
        """Decode what `to_bytes` made."""
        return cls(**json.loads(data))


@dataclass(frozen=True, slots=True)
class TextConfiguration:
    """A full-text searchable metadata key; it serves from `active_at` on."""

    key: str
    language: str | None
    active_at: float


@dataclass(frozen=True, slots=True)
class Index:
    """A vector index without its vectors."""

    name: str
    arn: str
    bucket_name: str
    bucket_arn: str
    created_at: float
    dimension: int
    metric: str
    mode: str
    encryption: dict[str, str]
    non_filterable: tuple[str, ...] = ()
    texts: tuple[TextConfiguration, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)

    def text_for(self, key: str) -> TextConfiguration | None:
        """Return the text-search configuration of a metadata key, if any."""
        return next((text for text in self.texts if text.key == key), None)

    def without_text(self, keys: set[str]) -> Index:
        """Return the index with some keys no longer searchable."""
        return replace(self, texts=tuple(text for text in self.texts if text.key not in keys))

    def to_bytes(self) -> bytes:
        """Encode for the disk."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """Decode what `to_bytes` made."""
        fields: dict[str, Any] = json.loads(data)
        fields["non_filterable"] = tuple(fields["non_filterable"])
        fields["texts"] = tuple(TextConfiguration(**text) for text in fields["texts"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Vector:
    """A stored vector; the data is float32."""

    key: str
    data: np.ndarray
    metadata: Document
    place: bytes
    size_bytes: int

    @classmethod
    def of(cls, key: str, data: np.ndarray, metadata: Document) -> Vector:
        """Make a vector, working out its place in listings and its logical size."""
        size = data.nbytes + len(key.encode()) + size_of(metadata)
        return cls(key, data, metadata, scatter(key), size)

    def to_bytes(self) -> bytes:
        """Encode for the disk: the data, then the metadata as JSON."""
        return self.data.astype("<f4").tobytes() + json.dumps(self.metadata).encode()

    @classmethod
    def from_bytes(cls, key: str, value: bytes, dimension: int) -> Vector:
        """Decode what `to_bytes` made."""
        split = 4 * dimension
        data = np.frombuffer(value[:split], dtype="<f4")
        return cls.of(key, data, json.loads(value[split:]))


class VectorSet:
    """The vectors of one index, with the matrix that queries use."""

    def __init__(self) -> None:
        self._by_key: dict[str, Vector] = {}
        self._ordered: list[Vector] | None = None
        self._matrix: np.ndarray | None = None
        self._norms: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: str) -> Vector | None:
        """Return a vector, or None."""
        return self._by_key.get(key)

    def put(self, vectors: list[Vector]) -> None:
        """Add or replace vectors; of one key the last counts."""
        self._by_key.update((vector.key, vector) for vector in vectors)
        self._ordered = self._matrix = self._norms = None

    def delete(self, keys: list[str]) -> None:
        """Remove vectors; unknown keys are no error."""
        for key in keys:
            self._by_key.pop(key, None)
        self._ordered = self._matrix = self._norms = None

    def ordered(self) -> list[Vector]:
        """Return all vectors in listing order; the list is shared, do not change it."""
        if self._ordered is None:
            self._ordered = sorted(self._by_key.values(), key=lambda v: (v.place, v.key))
        return self._ordered

    def matrix(self) -> np.ndarray:
        """Return the data of all vectors, one a row, in listing order."""
        if self._matrix is None:
            rows = [vector.data for vector in self.ordered()]
            self._matrix = np.array(rows, dtype=np.float32)
        return self._matrix

    def norms(self) -> np.ndarray:
        """Return the length of every row of the matrix."""
        if self._norms is None:
            self._norms = np.linalg.norm(self.matrix().astype(np.float64), axis=1)
        return self._norms
