"""Checks of the backend and of the two buckets on AWS: reachable, permitted, the right ones."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ...errors import AccessDenied, BackendError, IndexMismatch, MemoryCoreError
from ...ledger import Ledger
from ...model.counting import counted
from ...model.server_card import Capability
from ...model.user_id import UserId, is_probe
from ...storage.aws.client import cause_of
from ...storage.objects import LocalObjects
from ...storage.vectors.s3 import owned_by
from ..context import S3, Context
from ..findings import Check, Evidence, Finding, finding, listed

_LEDGER = "ledger/v1/"
_MOST_PREFIXES = 20
_MOST_USERS = 50


BUCKET_KINDS = {
    "denied": "bucket.E002", "no bucket": "bucket.E001", "impostor": "bucket.E004",
    "unreachable": "bucket.E003", "busy": "bucket.E006", "elsewhere": "region.E002",
}  # fmt: skip


def decided(context: Context) -> Iterator[Finding]:
    backend = context.backend
    steps = [Evidence(step.name, step.detail, "decision") for step in backend.steps]
    yield finding("backend.I001", f"{backend.name}: {backend.reason}.", *context.place, *steps)


def split(context: Context) -> Iterator[Finding]:
    """Look for memories that were saved locally before AWS was configured, and left there."""
    local = Ledger(LocalObjects(context.settings.data_dir))
    views = [view for view in local.users() if view.live and not is_probe(view.user_id)]
    missing: dict[UserId, int] = {}
    for view in views[:_MOST_USERS]:
        on_s3 = context.ledger.view(view.user_id)
        # Memories that were deleted, moved or forgotten on S3 did arrive there.
        if not on_s3.forgotten and (absent := view.live.keys() - on_s3.all_ids):
            missing[view.user_id] = len(absent)
    if missing:
        memories = sum(missing.values())
        skipped = len(views) - _MOST_USERS
        yield finding(
            "backend.W001",
            f"The record in {str(context.settings.data_dir)!r} has {counted(memories, 'memory')} "
            f"of {counted(len(missing), 'user')}, and S3 has not"
            + (f"; not checked: {counted(skipped, 'more user')}." if skipped > 0 else "."),
            Evidence("memories", str(memories), "MEMORY_DATA_DIR"),
            *(Evidence("user", user_id, "ledger", "user") for user_id in list(missing)[:5]),
        )


def bucket_answers(context: Context) -> Iterator[Finding]:
    bucket = Evidence("bucket", context.backend.location["bucket"], "AWS_S3_BUCKET")
    try:
        next(context.objects.list(_LEDGER), None)
    except BackendError as exc:
        kind = BUCKET_KINDS.get(cause_of(exc))
        if kind is None:
            raise
        yield finding(kind, f"{exc}.", bucket, *_address(context, "AWS_ENDPOINT_URL_S3"))


def bucket_readable(context: Context) -> Iterator[Finding]:
    try:
        context.objects.get(f"{_LEDGER}none")
    except AccessDenied as exc:
        yield finding("bucket.E005", f"{exc}.")


def prefix_right(context: Context) -> Iterator[Finding]:
    """Look for a record under another prefix of the bucket if ours is empty."""
    if not context.ledger.is_empty():
        return
    bucket, own = context.backend.location["bucket"], context.settings.prefix
    answer = context.aws.ask(
        "s3", "ListObjectsV2", f"bucket {bucket!r}", Bucket=bucket, Delimiter="/", MaxKeys=1000
    )
    folders = [str(entry["Prefix"]) for entry in answer.get("CommonPrefixes", ())]
    holders = [
        repr(folder)
        for folder in ["", *folders[:_MOST_PREFIXES]]
        if folder != own and _holds_record(context, bucket, folder)
    ]
    if holders:
        yield finding(
            "bucket.W001",
            f"Nothing is on record under {own!r}, but there is a record under {listed(holders)}.",
            Evidence("MEMORY_PREFIX", own, "environment or default"),
        )


def vectors_answer(context: Context) -> Iterator[Finding]:
    bucket = Evidence("vector bucket", context.index.bucket, "MEMORY_VECTOR_BUCKET")
    try:
        with suppress(IndexMismatch):
            _ = context.info
    except BackendError as exc:
        cause = cause_of(exc)
        if cause not in ("denied", "unreachable", "impostor", "busy"):
            raise
        kind = {"denied": "vectors.E001", "busy": "bucket.E006"}.get(cause, "vectors.E002")
        yield finding(kind, f"{exc}.", bucket, *_address(context, "AWS_ENDPOINT_URL_S3VECTORS"))


def vectors_readable(context: Context) -> Iterator[Finding]:
    """Try each action that reads, on a vector that does not exist."""
    nobody = UserId("nobody@redeploy.holdfast.invalid")
    actions: dict[str, dict[str, Any]] = {
        "GetVectors": {"keys": ["none"], "returnMetadata": True},
        "ListVectors": {"maxResults": 1},
        "QueryVectors": {
            "topK": 1,
            "queryVector": {"float32": [1.0] + [0.0] * (context.info.dimensions - 1)},
            "filter": owned_by(nobody),
        },
    }
    refused: dict[str, str] = {}
    for action, members in actions.items():
        if action == "QueryVectors" and "s3vectors:GetVectors" in refused:
            # A query with a filter needs GetVectors as well.
            continue
        try:
            context.aws.ask(
                "s3vectors", action, str(context.index), **context.index.address, **members
            )
        except AccessDenied as exc:
            refused[f"s3vectors:{action}"] = str(exc)
    if refused:
        yield finding(
            "vectors.E003",
            f"AWS refused {listed(refused)} on {context.index}.",
            *(Evidence(action, reason, "AWS") for action, reason in refused.items()),
        )


def card(context: Context) -> Iterator[Finding]:
    """Show the card of a server in Amazon's place; the tag `live` tests the server again."""
    cards = context.backend.cards
    if cards is None or context.backend.server is None:
        return
    anew = "live" in context.tags and context.aws.on_own_server
    tried = cards.renew() if anew else cards.find()
    if tried and tried.lacking:
        yield finding(
            "vectors.I001",
            f"{tried.sentence}.",
            *(Evidence(each.title, _consequence(each), "server") for each in tried.lacking),
        )


CHECKS = (
    Check("backend.decided", "A storage backend is chosen", decided, "backend.I001",
          needs=("settings.agree",)),
    Check("bucket.there", "The document bucket answers", bucket_answers,
          "bucket.E001 bucket.E002 bucket.E003 bucket.E006 bucket.E004 region.E002",
          needs=("credentials.accepted",), backend=S3),
    Check("bucket.readable", "The record can be read", bucket_readable, "bucket.E005",
          needs=("bucket.there",), backend=S3),
    Check("vectors.there", "S3 Vectors answers", vectors_answer,
          "vectors.E001 vectors.E002 bucket.E006",
          needs=("bucket.there", "region.bucket"), backend=S3),
    Check("vectors.card", "What a server in Amazon's place can do", card, "vectors.I001",
          needs=("bucket.readable", "vectors.there"), backend=S3, limit_s=120.0),
    Check("bucket.prefix", "The record is under the configured prefix", prefix_right,
          "bucket.W001", needs=("bucket.readable",), backend=S3),
    Check("backend.split", "No memories were left on the local disk", split, "backend.W001",
          needs=("bucket.readable",), backend=S3),
    Check("vectors.readable", "Each action that reads is permitted", vectors_readable,
          "vectors.E003", needs=("index.there",), backend=S3, of_index=True),
)  # fmt: skip


def _consequence(lacking: Capability) -> str:
    parts = [f"{lacking.answer}, {lacking.detail}" if lacking.detail else lacking.answer]
    parts += [f"instead {lacking.instead}"] if lacking.instead else []
    parts += [f"lost: {lacking.lost}"] if lacking.lost else []
    return "; ".join(parts)


def _address(context: Context, name: str) -> list[Evidence]:
    """Return the endpoint configured for a service, if any."""
    values = {key: context.given.get(key, "").strip() for key in (name, "AWS_ENDPOINT_URL")}
    return [Evidence(key, value, "environment") for key, value in values.items() if value][:1]


def _holds_record(context: Context, bucket: str, folder: str) -> bool:
    try:
        answer = context.aws.ask(
            "s3", "ListObjectsV2", f"bucket {bucket!r}",
            Bucket=bucket, Prefix=f"{folder}{_LEDGER}", MaxKeys=1,
        )  # fmt: skip
    except MemoryCoreError:
        # A policy may let us list our own prefix only.
        return False
    return bool(answer.get("Contents"))
