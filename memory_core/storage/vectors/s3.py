"""Vectors in an index of Amazon S3 Vectors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ...errors import BackendError, InvalidUserId
from ...model.counting import batches, counted
from ...model.records import IndexInfo
from ...model.server_card import ServerManners
from ...model.user_id import UserId
from ..aws import Aws, pace_of
from ..aws.client import each, status_of
from ..aws.errors import INVALID_PAGE_TOKEN
from .base import PUT_BATCH, Vector
from .s3_index import INVALID, SEARCHED, IndexName, describe_index, open_index
from .s3_payload import to_metadata, to_payload
from .s3_tie import TIE, IndexTie

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AMAZONS = ServerManners()

_GET_BATCH = 100
_DELETE_BATCH = 500
_LIST_PAGE = 1000
_PAYLOAD_PAGE = 500
_SAMPLE = 20
_SEGMENTS = 8
_LISTING_STARTS = 3
_NEXT = {"nextToken": "nextToken"}
_TOP_KS = (1_000, 100, 30, 10)
_LARGE_BODY = 1024 * 1024
_WAKING = "holdfast-waking"
_MAX_KEY_BYTES = 1024
_MAX_WORDS = 1024
"""Characters of a question that is searched for by its words."""
_EARLIEST_DECIMAL, _LATEST_DECIMAL = 6, 14
_logger = logging.getLogger("memory_core")


def open_s3_vectors(
    aws: Aws,
    index: IndexName,
    dimensions: int,
    manners: ServerManners = AMAZONS,
    *,
    create: bool,
    ledger: str = "",
) -> S3VectorStore:
    """Open the index; with `create`, create it and its bucket if they are missing.

    With a `ledger`, it must not be tied to another one.

    Raises:
        IndexMismatch: it is missing, cannot hold our memories, or is not ours; says both sides.
        BackendError: AWS refused, or could not be reached.
    """
    info = open_index(aws, index, dimensions, manners, create=create)
    store = S3VectorStore(aws, index, info, manners)
    store.is_tied = bool(ledger) and store.tie.check(ledger)
    if create and manners.needs_rows:
        store.wake()
    return store


class S3VectorStore:
    """One index; get it from `open_s3_vectors`."""

    def __init__(
        self, aws: Aws, index: IndexName, info: IndexInfo, manners: ServerManners = AMAZONS
    ) -> None:
        self._aws = aws
        self._own = aws.endpoint("s3vectors").own
        self._manners = manners
        self._index = index
        self.tie = IndexTie(aws, index, info)
        self.is_tied = False
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
        unique = {vector.key: vector for vector in vectors}.values()
        for request in put_requests(unique, self._dimensions, str(self._index), self._manners):
            self._put(request)

    def wake(self) -> None:
        """Put and delete a vector: some servers do not answer for an index that never held one."""
        data = {"float32": [1.0] + [0.0] * (self._dimensions - 1)}
        metadata = to_metadata({}, self._manners)
        self._put([{"key": _WAKING, "data": data, "metadata": metadata}])
        self.delete([_WAKING])

    def get(self, keys: Iterable[str], *, with_values: bool = False) -> dict[str, Vector]:
        def read(batch: list[str]) -> dict[str, Any]:
            return self._ask("GetVectors", keys=batch, returnData=with_values, returnMetadata=True)

        wanted = list(batches(filter(_is_possible, dict.fromkeys(keys)), _GET_BATCH))
        # Some servers return the bare key of a vector that does not exist.
        member = "data" if with_values else "metadata"
        return {
            row["key"]: _to_vector(row)
            for answer in each(read, wanted)
            for row in answer.get("vectors", ())
            if not self._own or row.get(member) is not None
        }

    def keys(self) -> Iterator[str]:
        def scan(segment: int) -> list[dict[str, Any]]:
            part = {"segmentCount": segments, "segmentIndex": segment} if segments > 1 else {}
            return self._listing("ListVectors", maxResults=_LIST_PAGE, **part)

        segments = min(_SEGMENTS, self._manners.segments)
        # Another server may return every key in each segment.
        known: set[str] = {TIE}
        try:
            for listing in each(scan, range(segments)):
                new = {listed["key"] for listed in listing} - known
                known |= new
                yield from new
        except BackendError as exc:
            if not self._own or segments == 1 or status_of(exc) in (0, 403, 404):
                raise
            self._manners = replace(self._manners, segments=1)
            yield from (key for key in self.keys() if key not in known)

    def sample(self) -> list[Vector]:
        """Return a few vectors with their payloads, whichever the service lists first."""
        answer = self._ask("ListVectors", maxResults=_SAMPLE, returnMetadata=True)
        return [_to_vector(listed) for listed in answer.get("vectors", ()) if listed["key"] != TIE]

    def query(
        self, user_id: UserId, values: NDArray[np.float32], limit: int, words: str = ""
    ) -> list[tuple[str, float | None]]:
        # If the server filters last, the user's may be anywhere among the nearest.
        most = self._manners.top_k
        asked = most if self._manners.filters_after else min(limit, most)
        members: dict[str, Any] = {
            "queryVector": {"float32": values.tolist()},
            "topK": asked,
            "filter": owned_by(user_id),
            **self._query_mode,
        }
        nearest = self._hybrid(words, members) if words and self._searches_texts else None
        if nearest is None:
            try:
                nearest = self._listing("QueryVectors", **members, returnDistance=True)
            except BackendError as exc:
                fewer = next((most for most in _TOP_KS if most < asked), 0)
                if not self._own or status_of(exc) != HTTPStatus.BAD_REQUEST or not fewer:
                    raise
                self._manners = replace(self._manners, top_k=fewer)
                return self.query(user_id, values, limit, words)
        return [(match["key"], _cosine(match)) for match in nearest[:limit]]

    def delete(self, keys: Iterable[str]) -> None:
        for batch in batches(filter(_is_possible, dict.fromkeys(keys)), _DELETE_BATCH):
            self._pace.take(len(batch))
            self._ask("DeleteVectors", keys=batch)
            self._confirm("DeleteVectors", partial(self.get, batch))

    erase = delete

    def describe(self) -> IndexInfo:
        return describe_index(self._aws, self._index)

    def close(self) -> None:
        self._aws.close()

    def _put(self, request: list[dict[str, Any]]) -> None:
        """Send one PutVectors, in halves if it is refused for its size."""
        self._pace.take(len(request))
        try:
            self._ask("PutVectors", 0.0, vectors=request)
        except BackendError as exc:
            status = status_of(exc)
            failed = self._own and status == HTTPStatus.INTERNAL_SERVER_ERROR
            size = sum(map(_written_bytes, request))
            large = self._own and size > _LARGE_BODY and len(request) > 1
            if failed and not large and self._has_kept(request):
                # NooBaa 5.23 does so for every request once an index has 256 vectors.
                _logger.warning("%s; the vectors are there all the same", exc)
                return
            if failed and not large:
                self._ask("PutVectors", vectors=request)
            elif status not in ((400, 413, 500) if large else (413,)) or len(request) == 1:
                raise
            else:
                middle = len(request) // 2
                self._put(request[:middle])
                taken = min(self._manners.body_bytes, max(size // 2, _LARGE_BODY))
                self._manners = replace(self._manners, body_bytes=taken)
                self._put(request[middle:])
                return
        self._confirm("PutVectors", lambda: not self._has_kept(request))

    def _confirm(self, operation: str, lacks: Callable[[], object]) -> None:
        """Check the effect of a call if its empty answer may not come from the server."""
        if self._aws.endpoint("s3vectors").unmarked and lacks():
            name = str(self._index)
            raise self._aws.error("s3vectors", operation, name, "NotFromAws", "200, without effect")

    def _has_kept(self, request: list[dict[str, Any]]) -> bool:
        """Return whether the index has the records of a request that was answered with failure."""
        try:
            stored = self.get([record["key"] for record in request], with_values=True)
        except BackendError:
            return False
        wanted = {record["key"]: _to_vector(record) for record in request}
        return wanted.keys() == stored.keys() and all(
            kept.payload == wanted[key].payload and _is_same(kept.values, wanted[key].values)
            for key, kept in stored.items()
        )

    def _hybrid(self, words: str, members: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Search by vector and words in one request; None if the service refuses that."""
        texts = [{"metadataKey": SEARCHED, "text": words[:_MAX_WORDS]}]
        try:
            return self._listing("QueryVectors", **members, queryTexts=texts, returnScores=True)
        except BackendError as exc:
            # The feature is newer than most of the service, and hardly documented.
            if exc.code != INVALID:
                raise
            _logger.warning("%s, so the search goes by vectors alone", exc)
            return None

    def _listing(self, operation: str, **members: Any) -> list[dict[str, Any]]:
        """Follow a listing to its end; start again when its token has expired."""
        where, members = str(self._index), {**self._index.address, **members}
        starts = 0
        while True:
            starts += 1
            try:
                pages = self._aws.pages("s3vectors", operation, where, _NEXT, **members)
                return [listed for page in pages for listed in page.get("vectors", ())]
            except BackendError as exc:
                if exc.code != INVALID_PAGE_TOKEN or starts == _LISTING_STARTS:
                    raise

    def _ask(self, operation: str, patience: float = 1.0, /, **members: Any) -> dict[str, Any]:
        where, address = str(self._index), self._index.address
        return self._aws.ask("s3vectors", operation, where, patience, **address, **members)


def read_vectors(aws: Aws, index: IndexName) -> Iterator[Vector]:
    """Yield every vector of an index with payload and values, page by page, in no order."""
    whole = {"maxResults": _PAYLOAD_PAGE, "returnData": True, "returnMetadata": True}
    members = {**index.address, **whole}
    for page in aws.pages("s3vectors", "ListVectors", str(index), _NEXT, **members):
        yield from (
            _to_vector(listed) for listed in page.get("vectors", ()) if listed["key"] != TIE
        )


def put_requests(
    vectors: Iterable[Vector], dimensions: int, index: str, manners: ServerManners = AMAZONS
) -> Iterator[list[dict[str, Any]]]:
    """Yield lists of records, each for one PutVectors request.

    Raises:
        BackendError: a vector is of another length, not finite or zero.
    """
    records = (_to_record(vector, dimensions, index, manners) for vector in vectors)
    return batches(records, PUT_BATCH, max_bytes=manners.body_bytes, size_of=_written_bytes)


def shortest_decimals(values: NDArray[np.float32]) -> list[float]:
    """Return the shortest numbers that round to the same float32: 13 bytes each instead of 22."""
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
    """Return the size of a record as botocore will write it, comma included."""
    return len(json.dumps(record)) + 2


def _to_record(
    vector: Vector, dimensions: int, index: str, manners: ServerManners
) -> dict[str, Any]:
    import numpy as np

    values = np.asarray(vector.values if vector.values is not None else (), dtype=np.float32)
    if values.shape != (dimensions,) or not np.isfinite(values).all() or not values.any():
        raise BackendError(
            f"the vector of memory {vector.key!r} is not {counted(dimensions, 'finite number')}, "
            f"not all zero, as {index} needs; check the embedder",
            backend="s3_vectors",
            operation="PutVectors",
        )
    return {
        "key": vector.key,
        "data": {"float32": shortest_decimals(values)},
        "metadata": to_metadata(vector.payload, manners),
    }


def owned_by(user_id: UserId) -> dict[str, Any]:
    """Return the filter for one user's vectors.

    Raises:
        InvalidUserId: there is no user; boto3 would silently drop a filter of None, and search
            the memories of all users.
    """
    if not isinstance(user_id, str) or not user_id:
        raise InvalidUserId(f"user id {user_id!r} cannot be searched for; pass a canonical id")
    return {"$and": [{"user_id": user_id}]}


def _is_same(stored: NDArray[np.float32] | None, put: NDArray[np.float32] | None) -> bool:
    return stored is not None and put is not None and bool((stored == put).all())


def _cosine(match: dict[str, Any]) -> float | None:
    gap = match.get("distance", (match.get("scores") or {}).get("vectorDistance"))
    # Rounding gives even an identical vector a small distance, or a negative one.
    return None if gap is None else min(1.0, max(-1.0, 1.0 - gap))


def _is_possible(key: str) -> bool:
    """Return whether a vector can have that key; the service refuses to look for others."""
    try:
        return 0 < len(key.encode()) <= _MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


def _to_vector(listed: dict[str, Any]) -> Vector:
    """Return a vector of an answer; its values are None if they were not requested."""
    import numpy as np

    data = listed.get("data")
    values = np.asarray(data["float32"], dtype=np.float32) if data else None
    return Vector(listed["key"], to_payload(listed.get("metadata")), values)
