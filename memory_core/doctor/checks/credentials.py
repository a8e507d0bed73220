"""Checks of credentials and region: accepted, not expiring, and matching the bucket."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ...errors import BackendError, MemoryCoreError, SettingsError
from ...model.counting import counted
from ...storage.aws.client import cause_of
from ..context import S3, Context
from ..findings import Check, Evidence, Finding, Fix, finding
from ..redact import tail

_EXPIRING = timedelta(minutes=10)
_SKEW = timedelta(minutes=5)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")
# Where boto3 found the credentials, by its own word for it.
_SOURCES = {
    "env": "environment",
    "shared-credentials-file": "the AWS credentials file",
    "config-file": "the AWS configuration file",
    "iam-role": "the role of the instance",
    "container-role": "the role of the container",
    "assume-role": "an assumed role",
    "custom-process": "a credential process",
}


CREDENTIAL_KINDS = {
    "key": "credentials.E002",
    "no key": "credentials.E002",
    "expired": "credentials.E003",
    "clock": "credentials.E004",
}


def find_credentials(context: Context) -> Iterator[Finding]:
    settings = context.settings
    if settings.backend == "chroma" or not (settings.bucket and settings.region):
        return
    try:
        credentials = context.credentials
    except (SettingsError, BackendError) as exc:
        profile = Evidence("AWS_PROFILE", settings.aws_profile or "not set", "environment")
        yield finding("credentials.E001", f"{exc}.", profile)
        return
    if credentials is None:
        return
    source = _SOURCES.get(credentials.source, credentials.source)
    evidence = [Evidence("access key", tail(credentials.access_key_id), source)]
    expires_at = credentials.expires_at
    if expires_at:
        evidence.append(Evidence("expires", f"{expires_at:%Y-%m-%d %H:%M} UTC", source))
    yield finding("credentials.I001", f"The credentials come from {source}.", *evidence)
    if expires_at and expires_at - _now() < _EXPIRING:
        yield finding(
            "credentials.W001",
            f"They come from {source} and expire at {expires_at:%H:%M} UTC.",
            *evidence,
        )


def region_name(context: Context) -> Iterator[Finding]:
    region, given = context.settings.region, context.given
    names = ("AWS_REGION", "AWS_DEFAULT_REGION")
    first, second = (given.get(name, "").strip() for name in names)
    if region and not _REGION.fullmatch(region):
        name = names[0] if first else names[1]
        yield finding(
            "region.E001",
            f"{name} is {region!r}, which is not the code of a region.",
            Evidence(name, region, "environment"),
        )
    elif first and second and first != second:
        yield finding(
            "region.W001",
            f"AWS_REGION is {first!r} and is used; AWS_DEFAULT_REGION is {second!r}.",
            Evidence("AWS_REGION", first, "environment"),
            Evidence("AWS_DEFAULT_REGION", second, "environment"),
        )


def accepted(context: Context) -> Iterator[Finding]:
    """List one object to see whether AWS accepts the credentials at all."""
    try:
        next(context.objects.list("ledger/"), None)
    except MemoryCoreError as exc:
        if kind := CREDENTIAL_KINDS.get(cause_of(exc)):
            yield finding(kind, f"{exc}.", Evidence("clock here", f"{_now():%Y-%m-%d %H:%M} UTC"))


def account(context: Context) -> Iterator[Finding]:
    """Compare the clock of AWS with ours, and the account of the caller with the bucket's."""
    bucket = context.backend.location["bucket"]
    drift = _drift(_head(context, bucket))
    if drift and abs(drift) > _SKEW:
        minutes = counted(round(abs(drift).total_seconds() / 60), "minute")
        yield finding(
            "credentials.W003",
            f"It is {minutes} {'behind' if drift > timedelta() else 'ahead'}.",
            Evidence("clock here", f"{_now():%Y-%m-%d %H:%M:%S} UTC"),
            Evidence("clock of AWS", f"{_now() + drift:%Y-%m-%d %H:%M:%S} UTC", "AWS"),
        )
    if context.backend.server and not context.given.get("AWS_ENDPOINT_URL_STS"):
        return
    try:
        caller = context.aws.ask("sts", "GetCallerIdentity", "the credentials")
    except BackendError:
        # Memories do not need STS, and a closed network may not reach it.
        return
    try:
        _head(context, bucket, ExpectedBucketOwner=caller["Account"])
    except BackendError as exc:
        if cause_of(exc) != "denied" and exc.code != "403":
            raise
        yield finding(
            "credentials.W002",
            f"Bucket {bucket!r} does not belong to account {caller['Account']}.",
            Evidence("account", caller["Account"], "AWS"),
            Evidence("identity", caller["Arn"], "AWS"),
            Evidence("bucket", bucket, "AWS_S3_BUCKET"),
        )


def region_of_bucket(context: Context) -> Iterator[Finding]:
    bucket, wanted = context.backend.location["bucket"], context.settings.region
    region = _head(context, bucket).get("BucketRegion")
    if region and region != wanted:
        yield finding(
            "region.E002",
            f"AWS_REGION is {wanted!r}, but bucket {bucket!r} is in {region!r}.",
            Evidence("AWS_REGION", str(wanted), "environment"),
            Evidence("bucket", str(region), "AWS"),
            fixes=(Fix(f"Set AWS_REGION to {region}", variable=f"AWS_REGION={region}"),),
        )


CHECKS = (
    Check("region.name", "The region is valid", region_name, "region.E001 region.W001",
          needs=("settings.values",)),
    Check("credentials.found", "Credentials can be found", find_credentials,
          "credentials.E001 credentials.W001 credentials.I001", needs=("settings.values",)),
    Check("credentials.accepted", "AWS accepts the credentials", accepted,
          "credentials.E002 credentials.E003 credentials.E004",
          needs=("backend.decided",), backend=S3),
    Check("region.bucket", "The bucket is in the configured region", region_of_bucket,
          "region.E002", needs=("bucket.there",), backend=S3),
    Check("credentials.account", "Clock and account match the bucket", account,
          "credentials.W002 credentials.W003", needs=("bucket.there",), backend=S3),
)  # fmt: skip


def _head(context: Context, bucket: str, **members: str) -> dict[str, object]:
    return context.aws.ask("s3", "HeadBucket", f"bucket {bucket!r}", Bucket=bucket, **members)


def _drift(answer: dict[str, object]) -> timedelta | None:
    """Return how far the clock of AWS is ahead of ours, None if the answer has no time."""
    metadata = answer.get("ResponseMetadata")
    headers = metadata.get("HTTPHeaders", {}) if isinstance(metadata, dict) else {}
    try:
        theirs = datetime.strptime(headers.get("date", ""), "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return None
    return theirs.replace(tzinfo=UTC) - _now()


def _now() -> datetime:
    return datetime.now(UTC)
