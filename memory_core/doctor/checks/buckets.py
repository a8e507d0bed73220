"""The backend that was decided on, and the two buckets on AWS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ...errors import AccessDenied, BackendError, IndexMismatch, MemoryCoreError
from ...ledger import Ledger
from ...model.user_id import UserId, is_probe
from ...storage.aws import cause_of
from ...storage.objects import LocalObjects
from ...storage.vectors.s3 import owned_by
from ..context import S3, Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed
from .credentials import WRONG_REGION

_POLICY = "docs/s3-vectors.md"
_NOBODY_SAVES = "Nobody's memories can be read or saved, and nothing saved so far is lost."
_LEDGER = "ledger/v1/"
_PREFIXES = 20

CHOSEN = FindingKind("backend.I001", "Where memories go, and why", "Nothing: this is the decision.")
SPLIT = FindingKind(
    "backend.W001",
    "Some memories are on this machine's disk and not on S3",
    "Customers miss what they said while AWS was not configured.",
    (
        Fix(
            "Bring them over before a deployment wipes the disk, here or on the page Migrate",
            command="python -m memory_core migrate apply --from local",
            link="docs/migration.md",
        ),
        Fix("Or let it be done whenever the service starts", variable="MEMORY_AUTO_MIGRATE=1"),
    ),
)
NO_BUCKET = FindingKind(
    "bucket.E001",
    "The document bucket does not exist",
    _NOBODY_SAVES,
    (Fix("Correct the name of the bucket, or create it", variable="AWS_S3_BUCKET"),),
)
BUCKET_DENIED = FindingKind(
    "bucket.E002",
    "AWS does not let us into the document bucket",
    _NOBODY_SAVES,
    (
        Fix("Allow s3:ListBucket on the bucket in the IAM policy", link=_POLICY),
        Fix("Check that the bucket is ours: another account may own that name"),
    ),
)
NO_ANSWER = FindingKind(
    "bucket.E003",
    "Amazon S3 does not answer",
    _NOBODY_SAVES,
    (
        Fix("Check the network and the address of S3", variable="AWS_ENDPOINT_URL_S3"),
        Fix("Look whether AWS has an outage", link="https://health.aws.amazon.com"),
    ),
)
IMPOSTOR = FindingKind(
    "bucket.E004",
    "Something else than Amazon S3 answers at its address",
    _NOBODY_SAVES,
    (Fix("Check the address of S3 and what stands between", variable="AWS_ENDPOINT_URL_S3"),),
)
NO_READING = FindingKind(
    "bucket.E005",
    "The record of memories may be listed but not read",
    "Memories are there and cannot be shown to the assistant.",
    (Fix("Allow s3:GetObject on the objects in the IAM policy", link=_POLICY),),
)
OTHER_PREFIX = FindingKind(
    "bucket.W001",
    "Memories are on record in this bucket under another prefix",
    "Customers' memories seem to be gone: they are where the assistant does not look.",
    (Fix("Set the prefix to the one that holds the memories", variable="MEMORY_PREFIX"),),
)
VECTORS_DENIED = FindingKind(
    "vectors.E001",
    "S3 is permitted, but S3 Vectors is not",
    _NOBODY_SAVES,
    (Fix("Allow the s3vectors: actions too; s3: does not include them", link=_POLICY),),
)
VECTORS_SILENT = FindingKind(
    "vectors.E002",
    "Amazon S3 Vectors does not answer",
    _NOBODY_SAVES,
    (
        Fix("Check the network and the address", variable="AWS_ENDPOINT_URL_S3VECTORS"),
        Fix("Check that the region offers S3 Vectors", variable="AWS_REGION"),
    ),
)
ACTIONS_DENIED = FindingKind(
    "vectors.E003",
    "Some actions on S3 Vectors are not permitted",
    "Part of what the assistant does with memories fails, often only the search.",
    (Fix("Allow the actions named here in the IAM policy", link=_POLICY),),
)


_USERS_LOOKED_AT = 50


def decided(context: Context) -> Iterator[Finding]:
    backend = context.backend
    place = [Evidence(name, value, "decision") for name, value in backend.location.items()]
    steps = [Evidence(one.name, one.detail, "decision") for one in backend.steps]
    yield CHOSEN.found(f"{backend.name}: {backend.reason}.", *place, *steps)


def split(context: Context) -> Iterator[Finding]:
    """Look for memories that were saved locally while AWS was not configured, and stayed there."""
    local = Ledger(LocalObjects(context.settings.data_dir))
    views = [view for view in local.users() if view.live and not is_probe(view.user_id)]
    left = {}
    for view in views[:_USERS_LOOKED_AT]:
        here = context.ledger.view(view.user_id)
        # What was deleted, moved on or forgotten here has been here.
        if missing := [] if here.forgotten else view.live.keys() - here.all_ids:
            left[view.user_id] = len(missing)
    if left:
        memories = sum(left.values())
        more = len(views) - _USERS_LOOKED_AT
        yield SPLIT.found(
            f"The record in {str(context.settings.data_dir)!r} has {memories} of {len(left)} "
            "users that are not on S3"
            + (f"; {more} more users were not looked at." if more > 0 else "."),
            Evidence("memories", str(memories), "MEMORY_DATA_DIR"),
            *(Evidence("user", user_id, "ledger", "user") for user_id in list(left)[:5]),
        )


BUCKET_CAUSES = {
    "denied": BUCKET_DENIED, "no bucket": NO_BUCKET, "impostor": IMPOSTOR,
    "unreachable": NO_ANSWER, "busy": NO_ANSWER, "elsewhere": WRONG_REGION,
}  # fmt: skip


def bucket_there(context: Context) -> Iterator[Finding]:
    bucket = Evidence("bucket", context.backend.location["bucket"], "AWS_S3_BUCKET")
    try:
        next(context.objects.list(_LEDGER), None)
    except BackendError as exc:
        kind = BUCKET_CAUSES.get(cause_of(exc))
        if kind is None:
            raise
        yield kind.found(f"{exc}.", bucket, *_address(context, "AWS_ENDPOINT_URL_S3"))


def bucket_readable(context: Context) -> Iterator[Finding]:
    try:
        context.objects.get(f"{_LEDGER}none")
    except AccessDenied as exc:
        yield NO_READING.found(f"{exc}.")


def prefix_right(context: Context) -> Iterator[Finding]:
    """Look for a record elsewhere in the bucket where ours is empty: a mistyped prefix."""
    if not context.ledger.is_empty():
        return
    bucket, own = context.backend.location["bucket"], context.settings.prefix
    answer = context.aws.ask(
        "s3", "ListObjectsV2", f"bucket {bucket!r}", Bucket=bucket, Delimiter="/", MaxKeys=1000
    )
    folders = [str(one["Prefix"]) for one in answer.get("CommonPrefixes", ())]
    found = [
        folder
        for folder in ["", *folders[:_PREFIXES]]
        if folder != own and _holds_record(context, bucket, folder)
    ]
    if found:
        yield OTHER_PREFIX.found(
            f"Nothing is on record under {own!r}, but there is under {listed(map(repr, found))}.",
            Evidence("MEMORY_PREFIX", own, "environment or default"),
        )


def vectors_there(context: Context) -> Iterator[Finding]:
    bucket = Evidence("vector bucket", context.index.bucket, "MEMORY_VECTOR_BUCKET")
    try:
        with suppress(IndexMismatch):
            _ = context.info
    except BackendError as exc:
        cause = cause_of(exc)
        if cause not in ("denied", "unreachable", "impostor", "busy"):
            raise
        kind = VECTORS_DENIED if cause == "denied" else VECTORS_SILENT
        yield kind.found(f"{exc}.", bucket, *_address(context, "AWS_ENDPOINT_URL_S3VECTORS"))


def vectors_readable(context: Context) -> Iterator[Finding]:
    """Try each action that reads, on one vector that is not there."""
    nobody = UserId("nobody@redeploy.holdfast.invalid")
    ways: dict[str, dict[str, Any]] = {
        "GetVectors": {"keys": ["none"], "returnMetadata": True},
        "ListVectors": {"maxResults": 1},
        "QueryVectors": {
            "topK": 1,
            "queryVector": {"float32": [1.0] + [0.0] * (context.info.dimensions - 1)},
            "filter": owned_by(nobody),
        },
    }
    refused: dict[str, str] = {}
    for operation, members in ways.items():
        if operation == "QueryVectors" and refused.get("GetVectors"):
            # A query with a filter needs GetVectors as well.
            continue
        try:
            context.aws.ask(
                "s3vectors", operation, str(context.index), **context.index.address, **members
            )
        except AccessDenied as exc:
            refused[operation] = str(exc)
    if refused:
        yield ACTIONS_DENIED.found(
            f"AWS refused {listed(f's3vectors:{one}' for one in refused)} on {context.index}.",
            *(Evidence(f"s3vectors:{one}", said, "AWS") for one, said in refused.items()),
        )


CHECKS = (
    Check("backend.decided", "Where memories go is decided", decided, (CHOSEN,),
          needs=("settings.agree",)),
    Check("bucket.there", "The document bucket answers", bucket_there,
          (NO_BUCKET, BUCKET_DENIED, NO_ANSWER, IMPOSTOR, WRONG_REGION),
          needs=("credentials.accepted",), backend=S3),
    Check("bucket.readable", "The record can be read", bucket_readable, (NO_READING,),
          needs=("bucket.there",), backend=S3),
    Check("vectors.there", "S3 Vectors answers", vectors_there, (VECTORS_DENIED, VECTORS_SILENT),
          needs=("bucket.there", "region.bucket"), backend=S3),
    Check("bucket.prefix", "The record is where we look for it", prefix_right, (OTHER_PREFIX,),
          needs=("bucket.readable",), backend=S3),
    Check("backend.split", "No memories were left on the local disk", split, (SPLIT,),
          needs=("bucket.readable",), backend=S3),
    Check("vectors.readable", "Each action that reads is permitted", vectors_readable,
          (ACTIONS_DENIED,), needs=("index.there",), backend=S3, of_index=True),
)  # fmt: skip


def _address(context: Context, name: str) -> list[Evidence]:
    for one in (name, "AWS_ENDPOINT_URL"):
        if value := context.given.get(one, "").strip():
            return [Evidence(one, value, "environment")]
    return []


def _holds_record(context: Context, bucket: str, folder: str) -> bool:
    try:
        answer = context.aws.ask(
            "s3", "ListObjectsV2", f"bucket {bucket!r}",
            Bucket=bucket, Prefix=f"{folder}{_LEDGER}", MaxKeys=1,
        )  # fmt: skip
    except MemoryCoreError:
        # A policy may let us see our own prefix alone.
        return False
    return bool(answer.get("Contents"))
