"""Putting, getting, deleting and listing vectors."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np

from .context import Context, Params
from .errors import invalid, invalid_record, key_too_long
from .metadata import BadMetadata, check_metadata
from .models import Index, Vector
from .tokens import issue, redeem

MAX_KEY_BYTES = 1024
PAGE_DEFAULT = 500
PAGE_BYTES = 1024 * 1024


class BadVector(ValueError):
    """Vector values the service refuses; the message is the service's reason."""


def put_vectors(context: Context, params: Params) -> dict[str, Any]:
    """Add or replace vectors: all are checked, then all are written."""
    index = context.index(params)
    asked = params["vectors"]
    vectors = [_checked(index, i, record) for i, record in enumerate(asked)]
    _warn_of_repeats(context, "PutVectors", [vector.key for vector in vectors])
    lost = context.control.take_losses(len(vectors))
    context.world.put_vectors(index, vectors[lost:])
    return {}


def get_vectors(context: Context, params: Params) -> dict[str, Any]:
    """Return the vectors that exist, in no useful order."""
    index = context.index(params)
    _check_keys(params["keys"])
    _warn_of_repeats(context, "GetVectors", params["keys"])
    stored = context.world.vectors(index)
    found = [vector for key in set(params["keys"]) if (vector := stored.get(key))]
    found.sort(key=lambda vector: (vector.place, vector.key))
    return {"vectors": [_render(vector, params) for vector in found]}


def delete_vectors(context: Context, params: Params) -> dict[str, Any]:
    """Remove vectors; missing keys are no error."""
    index = context.index(params)
    _check_keys(params["keys"])
    context.world.delete_vectors(index, params["keys"])
    return {}


def list_vectors(context: Context, params: Params) -> dict[str, Any]:
    """Return one page of an index or of one of its segments, in no useful order."""
    index = context.index(params)
    segment = _segment_of(params)
    binding = ["vectors", index.arn, segment, _flags(params)]
    ordered = context.world.vectors(index).ordered()
    start = 0
    if "nextToken" in params:
        place, key = redeem(params["nextToken"], binding, context.now)
        after = (bytes.fromhex(place), key)
        start = bisect_right(ordered, after, key=lambda vector: (vector.place, vector.key))
    limit = params.get("maxResults", PAGE_DEFAULT)
    if context.switches.page_size:
        limit = min(limit, context.switches.page_size)
    page, more = _fill_page(ordered[start:], segment, limit)
    result: dict[str, Any] = {"vectors": [_render(vector, params) for vector in page]}
    if more:
        cursor = (page[-1].place.hex(), page[-1].key)
        result["nextToken"] = issue(binding, cursor, context.now)
    return result


def to_float32(values: list[float], index: Index) -> np.ndarray:
    """Round to float32, then judge: length, finiteness and, for cosine, the norm."""
    if len(values) != index.dimension:
        reason = f"vector must have length {index.dimension}, but has length {len(values)}"
        raise BadVector(reason)
    data = _rounded(values)
    if not np.isfinite(data).all():
        raise BadVector("vector contains NaNs or Infs")
    if index.metric == "cosine" and not data.any():
        raise BadVector("cosine distance does not support vectors with zero norm")
    return data


def _rounded(values: list[float]) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=np.float64).astype(np.float32)
    except OverflowError as error:  # an integer beyond every float
        raise BadVector("vector contains NaNs or Infs") from error


def _checked(index: Index, position: int, record: Params) -> Vector:
    key, path = record["key"], f"vectors[{position}]"
    if len(key.encode()) > MAX_KEY_BYTES:
        raise key_too_long(f"{path}.key")
    if "float32" not in record["data"]:
        raise invalid_record(key, f"{path}.data", "vector data must be float32")  # guess
    metadata = record.get("metadata", {})
    try:
        data = to_float32(record["data"]["float32"], index)
        check_metadata(metadata, index.non_filterable)
    except BadVector as error:
        raise invalid_record(key, path, str(error)) from error
    except BadMetadata as error:
        raise invalid_record(key, f"{path}.metadata", str(error)) from error
    return Vector.of(key, data, metadata)


def _check_keys(keys: list[str]) -> None:
    for position, key in enumerate(keys):
        if len(key.encode()) > MAX_KEY_BYTES:
            raise key_too_long(f"keys[{position}]")


def _segment_of(params: Params) -> tuple[int, int]:
    if ("segmentCount" in params) != ("segmentIndex" in params):
        raise invalid("Must specify both segmentCount and segmentIndex or neither")  # guess
    count, number = params.get("segmentCount", 1), params.get("segmentIndex", 0)
    if number >= count:
        raise invalid("segmentIndex must be less than segmentCount", "segmentIndex")  # guess
    return count, number


def _fill_page(
    vectors: list[Vector], segment: tuple[int, int], limit: int
) -> tuple[list[Vector], bool]:
    """Take vectors of a segment up to the limit or 1 MB; say whether more remain."""
    count, number = segment
    page: list[Vector] = []
    size = 0
    for vector in vectors:
        if int.from_bytes(vector.place[-4:], "big") % count != number:
            continue
        size += vector.size_bytes
        if page and (len(page) == limit or size > PAGE_BYTES):
            return page, True
        page.append(vector)
    return page, False


def _flags(params: Params) -> list[bool]:
    return [params.get("returnData", False), params.get("returnMetadata", False)]


def _render(vector: Vector, params: Params) -> dict[str, Any]:
    rendered: dict[str, Any] = {"key": vector.key}
    if params.get("returnData"):
        rendered["data"] = {"float32": vector.data.tolist()}
    if params.get("returnMetadata"):
        rendered["metadata"] = vector.metadata
    return rendered


def _warn_of_repeats(context: Context, operation: str, keys: list[str]) -> None:
    if len(set(keys)) < len(keys):
        context.control.warn(f"{operation}: a key twice in one request is undocumented")
