"""The index of Amazon S3 Vectors: its description, creation and check."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from typing import Any, NamedTuple

from ...errors import AccessDenied, BackendError, IndexMismatch
from ...model.counting import counted
from ...model.limits import NON_FILTERABLE_KEYS
from ...model.records import IndexInfo
from ...model.server_card import ServerManners
from ..aws import Aws
from ..aws.errors import MISSING
from .s3_payload import ATTACHED

SEARCHED = "data"
"""The key of a payload that holds the text."""

_METRIC = "cosine"
_ENHANCED = "ENHANCED"
_EXISTS = "ConflictException"
_BRIEFLY = 0.25
INVALID = "ValidationException"
_TEXTS = "textSearchConfigurations"


class IndexName(NamedTuple):
    """An index and its vector bucket."""

    bucket: str
    name: str

    @property
    def address(self) -> dict[str, str]:
        """The members of a request that name the index."""
        return {"vectorBucketName": self.bucket, "indexName": self.name}

    def __str__(self) -> str:
        return f"index {self.name!r} in vector bucket {self.bucket!r}"


def open_index(
    aws: Aws, name: IndexName, dimensions: int, manners: ServerManners, *, create: bool
) -> IndexInfo:
    """Return the description of the index, once it exists and fits.

    Raises:
        IndexMismatch: it is missing and not to be created, or cannot hold our memories.
    """
    try:
        info = describe_index(aws, name)
    except IndexMismatch as exc:
        if not create:
            raise _mismatch(
                f"{name} does not exist, but memories are on record; check MEMORY_VECTOR_BUCKET, "
                "MEMORY_INDEX, MEMORY_EMBEDDER and AWS_REGION, or recreate it from the record with "
                "`python -m memory_core rebuild`"
            ) from exc
        extra = [ATTACHED] if manners.fixed_schema or not manners.odd_keys else []
        make_index(aws, name, dimensions, [*NON_FILTERABLE_KEYS, *extra])
        # Another process may have created it at the same time, or an answer been lost.
        info = describe_index(aws, name)
    _check(info, name, dimensions, describes_keys=manners.describes_keys)
    return info


def describe_index(aws: Aws, name: IndexName) -> IndexInfo:
    """Return the description of the index; the service does not count its vectors."""
    index = aws.ask("s3vectors", "GetIndex", str(name), **name.address).get("index") or {}
    configuration = index.get("metadataConfiguration") or {}
    return IndexInfo(
        "s3_vectors",
        index.get("indexName", name.name),
        index.get("dimension", 0),
        index.get("distanceMetric", ""),
        mode=index.get("indexMode") or "",
        created_at=index["creationTime"].astimezone(UTC) if index.get("creationTime") else None,
        non_filterable_keys=tuple(configuration.get("nonFilterableMetadataKeys", ())),
        searchable_keys=tuple(
            text["metadataKey"]
            for text in configuration.get(_TEXTS, ())
            if text.get("status") == "ACTIVE"
        ),
        arn=index.get("indexArn", ""),
    )


def _ensure_bucket(aws: Aws, name: IndexName) -> bool:
    """Create the vector bucket if it is missing; return True if its indexes are ENHANCED."""
    where, members = f"vector bucket {name.bucket!r}", {"vectorBucketName": name.bucket}
    try:
        answer = aws.ask("s3vectors", "GetVectorBucket", where, **members)
    except BackendError as exc:
        if exc.code != MISSING:
            raise
        _create(aws, "CreateVectorBucket", where, members, members)
        answer = aws.ask("s3vectors", "GetVectorBucket", where, **members)
    return bool(answer.get("vectorBucket", {}).get("defaultIndexMode") == _ENHANCED)


def make_index(aws: Aws, name: IndexName, dimensions: int, whole: list[str]) -> None:
    """Create the index, and its bucket if it is missing; `whole` keys are not filterable."""
    enhanced = _ensure_bucket(aws, name)
    metadata: dict[str, Any] = {"nonFilterableMetadataKeys": whole}
    wanted = {
        **name.address,
        "dataType": "float32",
        "dimension": dimensions,
        "distanceMetric": _METRIC,
        "metadataConfiguration": metadata,
    }
    if enhanced and aws.offers("s3vectors", "CreateIndex", "metadataConfiguration", _TEXTS):
        searchable = {**metadata, _TEXTS: [{"metadataKey": SEARCHED}]}
        searchable = wanted | {"metadataConfiguration": searchable}
        try:
            _create(aws, "CreateIndex", str(name), searchable, name.address)
            return
        except BackendError as exc:
            # Full-text search is newer than the mode, and may be missing in the region; the index
            # can be made searchable later.
            if exc.code != INVALID:
                raise
    _create(aws, "CreateIndex", str(name), wanted, name.address)


def _create(
    aws: Aws, operation: str, where: str, members: dict[str, Any], names: dict[str, str]
) -> None:
    """Create a resource, which may exist already, by our own request whose answer was lost.

    Servers report that in several ways, so a failure counts only if nothing is found afterwards.
    """
    reading = operation.replace("Create", "Get")
    own = aws.endpoint("s3vectors").own
    patience = _BRIEFLY if own else 1.0
    try:
        aws.ask("s3vectors", operation, where, patience, **members)
    except AccessDenied:
        raise
    except BackendError as exc:
        if exc.code == _EXISTS:
            return
        with suppress(BackendError):
            aws.ask("s3vectors", reading, where, _BRIEFLY, **names)
            return
        if not own or operation != "CreateVectorBucket":
            raise
        raise type(exc)(
            f"{exc}. If the name is the reason: NooBaa does not accept that of an S3 bucket, Ceph "
            "only that of a bucket without versioning; set MEMORY_VECTOR_BUCKET accordingly",
            backend=exc.backend,
            operation=exc.operation,
            code=exc.code,
        ) from exc.__cause__


def _check(info: IndexInfo, name: IndexName, dimensions: int, *, describes_keys: bool) -> None:
    if info.metric != _METRIC or info.dimensions != dimensions:
        raise _mismatch(
            f"{name} has {counted(info.dimensions, 'dimension')} and metric {info.metric!r}, the "
            f"embedder makes {dimensions} and needs {_METRIC!r}; set MEMORY_EMBEDDER to the one "
            "that filled it, MEMORY_INDEX to another name, or run `python -m memory_core rebuild`"
        )
    needed, actual = set(NON_FILTERABLE_KEYS), set(info.non_filterable_keys)
    if describes_keys and (not needed <= actual or "user_id" in actual):
        raise _mismatch(
            f"{name} has the non-filterable keys {_listed(actual)}, memories need "
            f"{_listed(needed)} among them and 'user_id' not; this cannot be changed in an index, "
            "so set MEMORY_INDEX to another name, or run `python -m memory_core rebuild`"
        )


def _mismatch(message: str) -> IndexMismatch:
    return IndexMismatch(message, backend="s3_vectors", operation="open")


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "none"
