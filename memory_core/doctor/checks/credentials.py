"""Checks of credentials and region: accepted, not expiring, and those of the bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ...errors import BackendError, MemoryCoreError, SettingsError
from ...model.counting import counted
from ...storage.aws.client import cause_of
from ..context import S3, Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix
from ..redact import tail

_EXPIRING = timedelta(minutes=10)
_SKEW = timedelta(minutes=5)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")
_BOTH_HALVES = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
# Where boto3 found a value, by its own word for it.
_SOURCES = {
    "env": "environment",
    "shared-credentials-file": "the AWS credentials file",
    "config-file": "the AWS configuration file",
    "iam-role": "the role of the instance",
    "container-role": "the role of the container",
    "assume-role": "an assumed role",
    "custom-process": "a credential process",
}
_SET_CLOCK = Fix("Synchronize the clock with the network", command="timedatectl set-ntp true")

NO_ACCESS = "Memories can be neither read nor saved; those already saved are safe."

# fmt: off
UNUSABLE = FindingKind("credentials.E001", "The AWS credentials cannot be loaded",
    "Memories go to the local disk instead of S3, and are lost with the next deployment.",
    (Fix("Set both halves of the key, or correct the profile", variable=_BOTH_HALVES),))
REFUSED = FindingKind("credentials.E002", "AWS does not accept the credentials", NO_ACCESS,
    (Fix("Create a new access key in the IAM console and set both halves", variable=_BOTH_HALVES),
     Fix("For a key that begins with ASIA, set its session token too",
         variable="AWS_SESSION_TOKEN")),
    log_pattern=r"not accept the credentials|no AWS credentials|Unable to locate credent")
EXPIRED = FindingKind("credentials.E003", "The AWS credentials have expired", NO_ACCESS,
    (Fix("Get new temporary credentials, or use a role or a key that does not expire"),
     Fix("With single sign-on, sign in again", command="aws sso login")),
    log_pattern=r"AWS credentials have expired")
SKEWED = FindingKind("credentials.E004",
    "The clock of this machine is wrong, so AWS refuses its requests", NO_ACCESS,
    (_SET_CLOCK, Fix("In a container, set the clock of the host machine")),
    log_pattern=r"the clock of this machine is wrong")
EXPIRING = FindingKind("credentials.W001", "The AWS credentials expire within minutes",
    "Unless they are renewed in time, memories can soon be neither read nor saved.",
    (Fix("Check that the issuer renews them, or use a role"),))
OTHER_ACCOUNT = FindingKind("credentials.W002",
    "The bucket belongs to another AWS account than the credentials",
    "Memories may be saved where nobody in this company looks for them.",
    (Fix("Check that the key and the bucket belong to the same environment"),))
DRIFTING = FindingKind("credentials.W003", "The clock of this machine is minutes off",
    "Memories get wrong times; beyond 15 minutes AWS refuses every request.", (_SET_CLOCK,))
WHO = FindingKind("credentials.I001", "The AWS credentials in use", "No effect; for comparison.")
NO_REGION = FindingKind("region.E001", "The region is not an AWS region", NO_ACCESS,
    (Fix("Set the region by its code, such as eu-central-1", variable="AWS_REGION"),))
WRONG_REGION = FindingKind("region.E002", "The bucket is not in the region that AWS_REGION names",
    "The index is looked up in the wrong region, so memories seem to be gone.",
    (Fix("Set the region of the bucket", variable="AWS_REGION"),))
TWO_REGIONS = FindingKind("region.W001", "AWS_REGION and AWS_DEFAULT_REGION differ",
    "Tools that read AWS_DEFAULT_REGION look for memories in another region.",
    (Fix("Set both to the same region, or remove one", variable="AWS_DEFAULT_REGION"),))
# fmt: on

CREDENTIAL_KINDS = {"key": REFUSED, "no key": REFUSED, "expired": EXPIRED, "clock": SKEWED}


def find_credentials(context: Context) -> Iterator[Finding]:
    settings = context.settings
    if settings.backend == "chroma" or not (settings.bucket and settings.region):
        return
    try:
        credentials = context.credentials
    except (SettingsError, BackendError) as exc:
        profile = Evidence("AWS_PROFILE", settings.aws_profile or "not set", "environment")
        yield UNUSABLE.finding(f"{exc}.", profile)
        return
    if credentials is None:
        return
    source = _SOURCES.get(credentials.source, credentials.source)
    evidence = [Evidence("access key", tail(credentials.access_key_id), source)]
    expires_at = credentials.expires_at
    if expires_at:
        evidence.append(Evidence("expires", f"{expires_at:%Y-%m-%d %H:%M} UTC", source))
    yield WHO.finding(f"The credentials come from {source}.", *evidence)
    if expires_at and expires_at - _now() < _EXPIRING:
        yield EXPIRING.finding(
            f"They come from {source} and expire at {expires_at:%H:%M} UTC.", *evidence
        )


def region_name(context: Context) -> Iterator[Finding]:
    region, given = context.settings.region, context.given
    names = ("AWS_REGION", "AWS_DEFAULT_REGION")
    first, second = (given.get(name, "").strip() for name in names)
    if region and not _REGION.fullmatch(region):
        name = names[0] if first else names[1]
        yield NO_REGION.finding(
            f"{name} is {region!r}, which is not the code of a region.",
            Evidence(name, region, "environment"),
        )
    elif first and second and first != second:
        yield TWO_REGIONS.finding(
            f"AWS_REGION is {first!r} and is used; AWS_DEFAULT_REGION is {second!r}.",
            Evidence("AWS_REGION", first, "environment"),
            Evidence("AWS_DEFAULT_REGION", second, "environment"),
        )


def accepted(context: Context) -> Iterator[Finding]:
    """List one object, and see whether the credentials are let in at all."""
    try:
        next(context.objects.list("ledger/"), None)
    except MemoryCoreError as exc:
        if kind := CREDENTIAL_KINDS.get(cause_of(exc)):
            yield kind.finding(f"{exc}.", Evidence("clock here", f"{_now():%Y-%m-%d %H:%M} UTC"))


def account(context: Context) -> Iterator[Finding]:
    """Compare the clock of AWS with ours, and the account of the caller with the bucket's."""
    bucket = context.backend.location["bucket"]
    drift = _drift(_head(context, bucket))
    if drift and abs(drift) > _SKEW:
        minutes = counted(round(abs(drift).total_seconds() / 60), "minute")
        yield DRIFTING.finding(
            f"It is {minutes} {'behind' if drift > timedelta() else 'ahead'}.",
            Evidence("clock here", f"{_now():%Y-%m-%d %H:%M:%S} UTC"),
            Evidence("clock of AWS", f"{_now() + drift:%Y-%m-%d %H:%M:%S} UTC", "AWS"),
        )
    if context.backend.server and not context.given.get("AWS_ENDPOINT_URL_STS"):
        return
    try:
        caller = context.aws.ask("sts", "GetCallerIdentity", "the credentials")
    except BackendError:
        # Memories do not need this service, and a closed network may not lead to it.
        return
    try:
        _head(context, bucket, ExpectedBucketOwner=caller["Account"])
    except BackendError as exc:
        if cause_of(exc) != "denied" and exc.code != "403":
            raise
        yield OTHER_ACCOUNT.finding(
            f"Bucket {bucket!r} does not belong to account {caller['Account']}.",
            Evidence("account", caller["Account"], "AWS"),
            Evidence("identity", caller["Arn"], "AWS"),
            Evidence("bucket", bucket, "AWS_S3_BUCKET"),
        )


def region_of_bucket(context: Context) -> Iterator[Finding]:
    bucket, wanted = context.backend.location["bucket"], context.settings.region
    region = _head(context, bucket).get("BucketRegion")
    if region and region != wanted:
        yield WRONG_REGION.finding(
            f"AWS_REGION is {wanted!r}, but bucket {bucket!r} is in {region!r}.",
            Evidence("AWS_REGION", str(wanted), "environment"),
            Evidence("bucket", str(region), "AWS"),
            fixes=(Fix(f"Set AWS_REGION to {region}", variable=f"AWS_REGION={region}"),),
        )


CHECKS = (
    Check("region.name", "The region is valid", region_name, (NO_REGION, TWO_REGIONS),
          needs=("settings.values",)),
    Check("credentials.found", "Credentials can be found", find_credentials,
          (UNUSABLE, EXPIRING, WHO), needs=("settings.values",)),
    Check("credentials.accepted", "AWS accepts the credentials", accepted,
          (REFUSED, EXPIRED, SKEWED), needs=("backend.decided",), backend=S3),
    Check("region.bucket", "The bucket is in the configured region", region_of_bucket,
          (WRONG_REGION,), needs=("bucket.there",), backend=S3),
    Check("credentials.account", "Clock and account match the bucket", account,
          (OTHER_ACCOUNT, DRIFTING), needs=("bucket.there",), backend=S3),
)  # fmt: skip


def _head(context: Context, bucket: str, **members: str) -> dict[str, object]:
    return context.aws.ask("s3", "HeadBucket", f"bucket {bucket!r}", Bucket=bucket, **members)


def _drift(answer: dict[str, object]) -> timedelta | None:
    """Return how far the clock of AWS is ahead of ours, None where it does not say."""
    metadata = answer.get("ResponseMetadata")
    headers = metadata.get("HTTPHeaders", {}) if isinstance(metadata, dict) else {}
    try:
        theirs = datetime.strptime(headers.get("date", ""), "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return None
    return theirs.replace(tzinfo=UTC) - _now()


def _now() -> datetime:
    return datetime.now(UTC)
