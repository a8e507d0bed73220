"""Checks of the backend and of the two buckets on AWS: reachable, permitted, the right ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ...errors import AccessDenied, BackendError, IndexMismatch, MemoryCoreError
from ...ledger import Ledger
from ...model.counting import counted
from ...model.server_card import Capability
from ...model.user_id import UserId, is_probe
from ...storage.aws import cause_of
from ...storage.objects import LocalObjects
from ...storage.vectors.s3 import owned_by
from ..context import S3, Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed
from .credentials import NO_ACCESS, WRONG_REGION

_POLICY = "docs/s3-vectors.md"
_LEDGER = "ledger/v1/"
_MOST_PREFIXES = 20
_MOST_USERS = 50

# fmt: off
CHOSEN = FindingKind("backend.I001", "Where memories are stored, and why",
    "No effect; this is the decision.")
LESS = FindingKind("vectors.I001", "The server can do less than Amazon S3 Vectors",
    "Memories are saved and found; what is lost is said of each point.")
SPLIT = FindingKind("backend.W001", "Some memories are on the local disk and not on S3",
    "Customers miss what they said while AWS was not configured.",
    (Fix("Migrate them before a deployment wipes the disk, here or on the page Migrate",
         command="python -m memory_core migrate apply --from local", link="docs/migration.md"),
     Fix("Or migrate whenever the service starts", variable="MEMORY_AUTO_MIGRATE=1")))
NO_BUCKET = FindingKind("bucket.E001", "The document bucket does not exist", NO_ACCESS,
    (Fix("Correct the name of the bucket, or create it", variable="AWS_S3_BUCKET"),),
    log_pattern=r"create the bucket, or correct AWS_S3_BUCKET")
BUCKET_DENIED = FindingKind("bucket.E002", "AWS denies access to the document bucket", NO_ACCESS,
    (Fix("Allow s3:ListBucket on the bucket in the IAM policy", link=_POLICY),
     Fix("Check that the bucket is yours: another account may own the name")),
    log_pattern=r"AWS refused s3:")
NO_ANSWER = FindingKind("bucket.E003", "Amazon S3 does not answer", NO_ACCESS,
    (Fix("Check the network and the address of S3", variable="AWS_ENDPOINT_URL_S3"),
     Fix("Check whether AWS has an outage", link="https://health.aws.amazon.com")),
    log_pattern=r"(?:S3|STS) could not be|to (?:Amazon S3|AWS STS) broke"
    r"|to the endpoint URL(?!.{0,20}s3vec)")
THROTTLED = FindingKind("bucket.E006", "AWS is busy or limits the number of requests",
    "Saves and answers fail until the limit is met again; what is saved is safe.",
    (Fix("Wait a minute and run this check again; Holdfast retries by itself"),
     Fix("Look for a second program that asks the same bucket or index"),
     Fix("Ask AWS for a higher limit if it happens again",
         link="https://console.aws.amazon.com/servicequotas")),
    log_pattern=r"(?:S3|Vectors|STS) could not do")
IMPOSTOR = FindingKind("bucket.E004", "Something other than Amazon S3 answers at its address",
    NO_ACCESS, (Fix("Check the address of S3, and any proxy or sign-in page in between",
                    variable="AWS_ENDPOINT_URL_S3"),),
    log_pattern=r"other than Amazon S3 answered")
NO_READING = FindingKind("bucket.E005", "The record of memories can be listed but not read",
    "Memories exist, but the assistant cannot read them.",
    (Fix("Allow s3:GetObject on the objects in the IAM policy", link=_POLICY),))
OTHER_PREFIX = FindingKind("bucket.W001", "The memories in this bucket are under another prefix",
    "Memories seem to be gone: the assistant looks under the wrong prefix.",
    (Fix("Set the prefix that holds the memories", variable="MEMORY_PREFIX"),))
VECTORS_DENIED = FindingKind("vectors.E001", "S3 is permitted, but S3 Vectors is not", NO_ACCESS,
    (Fix("Allow the s3vectors: actions too; s3: does not include them", link=_POLICY),),
    log_pattern=r"AWS refused s3vectors:(?:Get|Create)(?:VectorBucket|Index) ")
VECTORS_SILENT = FindingKind("vectors.E002", "Amazon S3 Vectors does not answer", NO_ACCESS,
    (Fix("Check the network and the address", variable="AWS_ENDPOINT_URL_S3VECTORS"),
     Fix("Check that the region offers S3 Vectors", variable="AWS_REGION")),
    log_pattern=r"Vectors could not be|(?:to|than) Amazon S3 Vectors|endpoint URL.{0,20}s3vec")
ACTIONS_DENIED = FindingKind("vectors.E003", "Some S3 Vectors actions are not permitted",
    "Some operations on memories fail, often only the search.",
    (Fix("Allow the actions that the message names in the IAM policy", link=_POLICY),),
    log_pattern=r"AWS refused s3vectors:")
# fmt: on

BUCKET_KINDS = {
    "denied": BUCKET_DENIED, "no bucket": NO_BUCKET, "impostor": IMPOSTOR,
    "unreachable": NO_ANSWER, "busy": THROTTLED, "elsewhere": WRONG_REGION,
}  # fmt: skip


def decided(context: Context) -> Iterator[Finding]:
    backend = context.backend
    steps = [Evidence(step.name, step.detail, "decision") for step in backend.steps]
    yield CHOSEN.finding(f"{backend.name}: {backend.reason}.", *context.place, *steps)


def split(context: Context) -> Iterator[Finding]:
    """Look for memories that were saved locally while AWS was not configured, and stayed there."""
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
        yield SPLIT.finding(
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
        yield kind.finding(f"{exc}.", bucket, *_address(context, "AWS_ENDPOINT_URL_S3"))


def bucket_readable(context: Context) -> Iterator[Finding]:
    try:
        context.objects.get(f"{_LEDGER}none")
    except AccessDenied as exc:
        yield NO_READING.finding(f"{exc}.")


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
        yield OTHER_PREFIX.finding(
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
        kind = {"denied": VECTORS_DENIED, "busy": THROTTLED}.get(cause, VECTORS_SILENT)
        yield kind.finding(f"{exc}.", bucket, *_address(context, "AWS_ENDPOINT_URL_S3VECTORS"))


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
        yield ACTIONS_DENIED.finding(
            f"AWS refused {listed(refused)} on {context.index}.",
            *(Evidence(action, reason, "AWS") for action, reason in refused.items()),
        )


def card(context: Context) -> Iterator[Finding]:
    """Show the card of a server in Amazon's place; with the tag `live` it is tried anew."""
    cards = context.backend.cards
    if cards is None or context.backend.server is None:
        return
    anew = "live" in context.tags and context.aws.on_own_server
    tried = cards.renew() if anew else cards.find()
    if tried and tried.lacking:
        yield LESS.finding(
            f"{tried.sentence}.",
            *(Evidence(each.title, _consequence(each), "server") for each in tried.lacking),
        )


CHECKS = (
    Check("backend.decided", "A storage backend is chosen", decided, (CHOSEN,),
          needs=("settings.agree",)),
    Check("bucket.there", "The document bucket answers", bucket_answers,
          (NO_BUCKET, BUCKET_DENIED, NO_ANSWER, THROTTLED, IMPOSTOR, WRONG_REGION),
          needs=("credentials.accepted",), backend=S3),
    Check("bucket.readable", "The record can be read", bucket_readable, (NO_READING,),
          needs=("bucket.there",), backend=S3),
    Check("vectors.there", "S3 Vectors answers", vectors_answer,
          (VECTORS_DENIED, VECTORS_SILENT, THROTTLED),
          needs=("bucket.there", "region.bucket"), backend=S3),
    Check("vectors.card", "What a server in Amazon's place can do", card, (LESS,),
          needs=("bucket.readable", "vectors.there"), backend=S3, limit_s=120.0),
    Check("bucket.prefix", "The record is under the configured prefix", prefix_right,
          (OTHER_PREFIX,), needs=("bucket.readable",), backend=S3),
    Check("backend.split", "No memories were left on the local disk", split, (SPLIT,),
          needs=("bucket.readable",), backend=S3),
    Check("vectors.readable", "Each action that reads is permitted", vectors_readable,
          (ACTIONS_DENIED,), needs=("index.there",), backend=S3, of_index=True),
)  # fmt: skip


def _consequence(lacking: Capability) -> str:
    parts = [f"{lacking.answer}, {lacking.detail}" if lacking.detail else lacking.answer]
    parts += [f"instead {lacking.instead}"] if lacking.instead else []
    parts += [f"lost: {lacking.lost}"] if lacking.lost else []
    return "; ".join(parts)


def _address(context: Context, name: str) -> list[Evidence]:
    """Return the endpoint that is configured for a service, if any."""
    values = {key: context.given.get(key, "").strip() for key in (name, "AWS_ENDPOINT_URL")}
    return [Evidence(key, value, "environment") for key, value in values.items() if value][:1]


def _holds_record(context: Context, bucket: str, folder: str) -> bool:
    try:
        answer = context.aws.ask(
            "s3", "ListObjectsV2", f"bucket {bucket!r}",
            Bucket=bucket, Prefix=f"{folder}{_LEDGER}", MaxKeys=1,
        )  # fmt: skip
    except MemoryCoreError:
        # A policy may show us our own prefix alone.
        return False
    return bool(answer.get("Contents"))
