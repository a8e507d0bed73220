"""Vectors in an index of Amazon S3 Vectors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import BackendError, InvalidUserId
from ...model.batches import batches
from ...model.records import IndexInfo
from ...model.user_id import UserId
from ..aws import Aws, each, pace_of
from ..aws.errors import INVALID_PAGE_TOKEN
from .base import PUT_BATCH, Vector
from .s3_index import INVALID, SEARCHED, IndexName, describe_index, open_index

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


_GET_BATCH = 100
_DELETE_BATCH = 500
_LIST_PAGE = 1000
_SEGMENTS = 8
_MAX_TOP_K = 10_000
_MAX_KEY_BYTES = 1024
_MAX_WORDS = 1024
"""Characters of a question that is searched for by its words."""
_LISTING_STARTS = 3
_logger = logging.getLogger("memory_core")


def open_s3_vectors(aws: Aws, index: IndexName, dimensions: int, *, create: bool) -> S3VectorStore:
    """Open the index, making it and its bucket if `create` and they are missing.

    Raises:
        IndexMismatch: it is missing, or cannot hold our memories; says both sides.
        BackendError: AWS refused, or could not be reached.
    """
    info = open_index(aws, index, dimensions, create=create)
    return S3VectorStore(aws, index, info)


class S3VectorStore:
    """One index; get it from `open_s3_vectors`."""

    def __init__(self, aws: Aws, index: IndexName, info: IndexInfo) -> None:
        self._aws = aws
        self._index = index
        self._dimensions = info.dimensions
        settings = aws.settings
        self._pace = pace_of(settings.endpoint_s3vectors or "", settings.region or "", *index)
        self._searches_texts = SEARCHED in info.searchable_keys
        # An index made before the mode existed may still filter before it searches.
        self._query_mode: dict[str, str] = (
            {"queryMode": "ENHANCED"}
            if info.mode == "CLASSIC" and aws.offers("s3vectors", "QueryVectors", "queryMode")
            else {}
        )

    def put(self, vectors: Sequence[Vector]) -> None:
        unique = {vector.key: vector for vector in vectors}
        for request in put_requests(unique.values(), self._dimensions, str(self._index)):
            self._pace.take(len(request))
            self._ask("PutVectors", vectors=request)

    def get(self, keys: Iterable[str], *, with_values: bool = False) -> dict[str, Vector]:
        def read(batch: list[str]) -> list[dict[str, Any]]:
            answer = self._ask(
                "GetVectors", keys=batch, returnData=with_values, returnMetadata=True
            )
            found: list[dict[str, Any]] = answer["vectors"]
            return found

        wanted = batches(filter(_is_possible, dict.fromkeys(keys)), _GET_BATCH)
        return {
            one["key"]: Vector(one["key"], one.get("metadata", {}), to_values(one))
            for found in each(read, list(wanted))
            for one in found
        }

    def keys(self) -> Iterator[str]:
        def scan(segment: int) -> list[dict[str, Any]]:
            return self._listing(
                "ListVectors",
                maxResults=_LIST_PAGE,
                segmentCount=_SEGMENTS,
                segmentIndex=segment,
            )

        for found in each(scan, range(_SEGMENTS)):
            yield from (one["key"] for one in found)

    def query(
        self, user_id: UserId, values: NDArray[np.float32], limit: int, words: str = ""
    ) -> list[tuple[str, float | None]]:
        members = {
            "queryVector": {"float32": values.tolist()},
            "topK": min(limit, _MAX_TOP_K),
            "filter": owned_by(user_id),
            **self._query_mode,
        }
        found = self._hybrid(words, members) if words and self._searches_texts else None
        if found is None:
            found = self._listing("QueryVectors", **members, returnDistance=True)
        return [(one["key"], _cosine(one)) for one in found]

    def delete(self, keys: Iterable[str]) -> None:
        for batch in batches(filter(_is_possible, dict.fromkeys(keys)), _DELETE_BATCH):
            self._pace.take(len(batch))
            self._ask("DeleteVectors", keys=batch)

    def erase(self, keys: Iterable[str]) -> None:
        self.delete(keys)

    def describe(self) -> IndexInfo:
        return describe_index(self._aws, self._index)

    def close(self) -> None:
        self._aws.close()

    def _hybrid(self, words: str, members: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Ask for nearness and words in one request; None where the service refuses to."""
        texts = [{"metadataKey": SEARCHED, "text": words[:_MAX_WORDS]}]
        try:
            return self._listing("QueryVectors", **members, queryTexts=texts, returnScores=True)
        except BackendError as exc:
            # Newer than most of the service, and little is written down of what it takes.
            if exc.code != INVALID:
                raise
            _logger.warning("%s, so the search goes by vectors alone", exc)
            return None

    def _listing(self, operation: str, **members: Any) -> list[dict[str, Any]]:
        """Follow a listing to its end, from the start again when its token has expired."""
        starts = 0
        while True:
            starts += 1
            try:
                return list(self._follow(operation, members))
            except BackendError as exc:
                if exc.code != INVALID_PAGE_TOKEN or starts == _LISTING_STARTS:
                    raise

    def _follow(self, operation: str, members: dict[str, Any]) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._ask(operation, **members, **token)
            yield from page["vectors"]
            # A short page, even an empty one, is not the end.
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}

    def _ask(self, operation: str, **members: Any) -> dict[str, Any]:
        return self._aws.ask(
            "s3vectors", operation, str(self._index), **self._index.address, **members
        )


def owned_by(user_id: UserId) -> dict[str, Any]:
    """Return the filter that lets through one user's vectors.

    Raises:
        InvalidUserId: there is no user; boto3 would drop a filter of None without a word and
            search everybody's memories.
    """
    if not isinstance(user_id, str) or not user_id:
        raise InvalidUserId(f"user id {user_id!r} cannot be searched for; pass a canonical id")
    return {"$and": [{"user_id": user_id}]}


def _cosine(found: dict[str, Any]) -> float | None:
    gap = found.get("distance", found.get("scores", {}).get("vectorDistance"))
    # Rounding gives even an identical vector a small distance, or a negative one.
    return None if gap is None else min(1.0, max(-1.0, 1.0 - gap))


def _is_possible(key: str) -> bool:
    """Say whether there can be a vector of that key; the service refuses to look for others."""
    try:
        return 0 < len(key.encode()) <= _MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


def to_values(found: dict[str, Any]) -> NDArray[np.float32] | None:
    """Return the vector of an answer, None where it was not asked for."""
    if "data" not in found:
        return None
    import numpy as np

    return np.asarray(found["data"]["float32"], dtype=np.float32)


_PAGE = 500


class S3Reader:
    """Reads only. `pages` costs a request for some hundred vectors, about a megabyte each."""

    def __init__(self, aws: Aws, index: IndexName) -> None:
        self._aws = aws
        self._index = index

    def describe(self) -> IndexInfo:
        """Return what the index says of itself; raises IndexMismatch where there is none."""
        return describe_index(self._aws, self._index)

    def pages(self) -> Iterator[list[Vector]]:
        """Yield every vector with its payload, page by page, in no order."""
        token: dict[str, str] = {}
        while True:
            page = self._aws.ask(
                "s3vectors",
                "ListVectors",
                str(self._index),
                **self._index.address,
                maxResults=_PAGE,
                returnData=True,
                returnMetadata=True,
                **token,
            )
            yield [
                Vector(one["key"], one.get("metadata") or {}, to_values(one))
                for one in page["vectors"]
            ]
            # A short page, even an empty one, is not the end.
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}

    def close(self) -> None:
        self._aws.close()
