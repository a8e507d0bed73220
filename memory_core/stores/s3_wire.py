"""Vectors as PutVectors takes them: checked, short, and in requests that are not too large."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..batches import batches
from ..errors import BackendError
from .base import PUT_BATCH, Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_BODY_BYTES = 15 * 1024 * 1024
"""The service takes 20 MiB."""

_EARLIEST_DECIMAL, _LATEST_DECIMAL = 6, 14


def put_requests(
    vectors: Iterable[Vector], dimensions: int, index: str
) -> Iterator[list[dict[str, Any]]]:
    """Return lists of records, each for one PutVectors request.

    Raises:
        BackendError: a vector is of another length, not finite or zero.
    """
    records = (_to_record(vector, dimensions, index) for vector in vectors)
    return batches(records, PUT_BATCH, max_bytes=MAX_BODY_BYTES, size_of=_written_bytes)


def shortest_decimals(values: NDArray[np.float32]) -> list[float]:
    """Return numbers of few digits that round to the same float32.

    Written as doubles the components would take 22 bytes each, so they take 13.
    """
    import numpy as np

    exact = values.astype(np.float64)
    short = exact.copy()
    left = np.ones(values.shape, dtype=bool)
    for decimals in range(_EARLIEST_DECIMAL, _LATEST_DECIMAL):
        rounded = np.round(exact, decimals)
        fits = left & (rounded.astype(np.float32) == values)
        short[fits] = rounded[fits]
        left &= ~fits
    numbers: list[float] = short.tolist()
    return numbers


def _written_bytes(record: dict[str, Any]) -> int:
    """Return how long a record is as botocore will write it, with the comma behind it."""
    return len(json.dumps(record)) + 2


def _to_record(vector: Vector, dimensions: int, index: str) -> dict[str, Any]:
    import numpy as np

    values = np.asarray(vector.values if vector.values is not None else (), dtype=np.float32)
    if values.shape != (dimensions,) or not np.isfinite(values).all() or not values.any():
        raise BackendError(
            f"the vector of memory {vector.key!r} is no {dimensions} finite numbers, not all of "
            f"them zero, as {index} needs; check the embedder",
            backend="s3_vectors",
            operation="PutVectors",
        )
    return {
        "key": vector.key,
        "data": {"float32": shortest_decimals(values)},
        # The service refuses null.
        "metadata": {name: value for name, value in vector.payload.items() if value is not None},
    }
