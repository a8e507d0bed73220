"""Credentials and the region: who asks AWS, from where, and whether it is the right account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ...errors import BackendError, MemoryCoreError, SettingsError
from ...storage.aws import cause_of
from ..context import S3, Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix
from ..redact import tail

_EXPIRING = timedelta(minutes=10)
_SKEW = timedelta(minutes=5)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")
_ALL_KEYS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
# In the words of boto3: where a value is that it found.
_PLACES = {
    "env": "environment",
    "shared-credentials-file": "the AWS credentials file",
    "config-file": "the AWS configuration file",
    "iam-role": "the role of the instance",
    "container-role": "the role of the container",
    "assume-role": "an assumed role",
    "custom-process": "a credential process",
}

_NOBODY_SAVES = "Nobody's memories can be read or saved, and nothing saved so far is lost."

UNUSABLE = FindingKind(
    "credentials.E001",
    "The AWS credentials cannot be had from where they should be",
    "Memories go to the local disk instead of S3, and are lost with the next deployment.",
    (Fix("Set both halves of the key, or correct the profile", variable=_ALL_KEYS),),
)
REFUSED = FindingKind(
    "credentials.E002",
    "AWS does not accept the credentials",
    _NOBODY_SAVES,
    (
        Fix("Make a new access key in the IAM console and set both halves", variable=_ALL_KEYS),
        Fix(
            "Keys that begin with ASIA need their session token as well",
            variable="AWS_SESSION_TOKEN",
        ),
    ),
)
EXPIRED = FindingKind(
    "credentials.E003",
    "The AWS credentials have expired",
    _NOBODY_SAVES,
    (
        Fix("Get new temporary credentials, or use a role or a key that does not expire"),
        Fix("Sign in again where a profile with single sign-on is used", command="aws sso login"),
    ),
)
SKEWED = FindingKind(
    "credentials.E004",
    "The clock of this machine is wrong, and AWS refuses its requests",
    _NOBODY_SAVES,
    (
        Fix("Set the clock by the network", command="timedatectl set-ntp true"),
        Fix("In a container, set the clock of the machine that it runs on"),
    ),
)
EXPIRING = FindingKind(
    "credentials.W001",
    "The AWS credentials expire within minutes",
    "Soon nobody's memories can be read or saved, unless they are renewed in time.",
    (Fix("See that whatever issues them renews them, or use a role"),),
)
OTHER_ACCOUNT = FindingKind(
    "credentials.W002",
    "The bucket belongs to another AWS account than the credentials",
    "Memories may be saved where nobody of this company looks for them.",
    (Fix("Check that the key and the bucket are those of the same environment"),),
)
DRIFTING = FindingKind(
    "credentials.W003",
    "The clock of this machine is minutes away from that of AWS",
    "Memories bear wrong times; beyond 15 minutes AWS refuses every request.",
    (Fix("Set the clock by the network", command="timedatectl set-ntp true"),),
)
WHO = FindingKind("credentials.I001", "Who asks AWS", "Nothing: this is for comparison.")
NO_REGION = FindingKind(
    "region.E001",
    "The region is none of AWS",
    _NOBODY_SAVES,
    (Fix("Set the region by its code, as eu-central-1", variable="AWS_REGION"),),
)
WRONG_REGION = FindingKind(
    "region.E002",
    "The bucket is in another region than AWS_REGION says",
    "The index is looked for where it is not, so memories seem to be gone.",
    (Fix("Set the region of the bucket", variable="AWS_REGION"),),
)
TWO_REGIONS = FindingKind(
    "region.W001",
    "AWS_REGION and AWS_DEFAULT_REGION differ",
    "Tools that read the other one look for memories in another region.",
    (Fix("Set both to the same region, or remove one", variable="AWS_DEFAULT_REGION"),),
)


def found(context: Context) -> Iterator[Finding]:
    settings = context.settings
    if settings.backend == "chroma" or not (settings.bucket and settings.region):
        return
    try:
        credentials = context.credentials
    except (SettingsError, BackendError) as exc:
        profile = Evidence("AWS_PROFILE", settings.aws_profile or "not set", "environment")
        yield UNUSABLE.found(f"{exc}.", profile)
        return
    if credentials is None:
        return
    place = _PLACES.get(credentials.source, credentials.source)
    evidence = [Evidence("access key", tail(credentials.access_key_id), place)]
    if credentials.expires_at:
        evidence.append(Evidence("expires", f"{credentials.expires_at:%Y-%m-%d %H:%M} UTC", place))
    yield WHO.found(f"The credentials come from {place}.", *evidence)
    if credentials.expires_at and credentials.expires_at - datetime.now(UTC) < _EXPIRING:
        yield EXPIRING.found(
            f"They come from {place} and expire at {credentials.expires_at:%H:%M} UTC.", *evidence
        )


def region_name(context: Context) -> Iterator[Finding]:
    region, given = context.settings.region, context.given
    name = "AWS_REGION" if given.get("AWS_REGION", "").strip() else "AWS_DEFAULT_REGION"
    if region and not _REGION.fullmatch(region):
        yield NO_REGION.found(
            f"{name} is {region!r}, which is not the code of a region.",
            Evidence(name, region, "environment"),
        )
        return
    both = [given.get(one, "").strip() for one in ("AWS_REGION", "AWS_DEFAULT_REGION")]
    if all(both) and both[0] != both[1]:
        yield TWO_REGIONS.found(
            f"AWS_REGION is {both[0]!r} and is used, AWS_DEFAULT_REGION is {both[1]!r}.",
            Evidence("AWS_REGION", both[0], "environment"),
            Evidence("AWS_DEFAULT_REGION", both[1], "environment"),
        )


BY_CAUSE = {"key": REFUSED, "no key": REFUSED, "expired": EXPIRED, "clock": SKEWED}


def accepted(context: Context) -> Iterator[Finding]:
    """Ask for one object's name, and see whether the credentials are let in at all."""
    try:
        next(context.objects.list("ledger/"), None)
    except MemoryCoreError as exc:
        kind = BY_CAUSE.get(cause_of(exc))
        if kind:
            yield kind.found(f"{exc}.", Evidence("clock here", f"{_now():%Y-%m-%d %H:%M} UTC"))


def account(context: Context) -> Iterator[Finding]:
    """Compare the clock of AWS with ours, and the account of the caller with the bucket's."""
    bucket = context.backend.location["bucket"]
    answer = _head(context, bucket)
    if (drift := _drift(answer)) and abs(drift) > _SKEW:
        minutes = round(abs(drift).total_seconds() / 60)
        yield DRIFTING.found(
            f"It is {minutes} minutes {'behind' if drift > timedelta() else 'ahead'}.",
            Evidence("clock here", f"{_now():%Y-%m-%d %H:%M:%S} UTC"),
            Evidence("clock of AWS", f"{_now() + drift:%Y-%m-%d %H:%M:%S} UTC", "AWS"),
        )
    if context.backend.stand_in and not context.given.get("AWS_ENDPOINT_URL_STS"):
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
        yield OTHER_ACCOUNT.found(
            f"Bucket {bucket!r} does not belong to account {caller['Account']}.",
            Evidence("account", caller["Account"], "AWS"),
            Evidence("identity", caller["Arn"], "AWS"),
            Evidence("bucket", bucket, "AWS_S3_BUCKET"),
        )


def region_of_bucket(context: Context) -> Iterator[Finding]:
    bucket, wanted = context.backend.location["bucket"], context.settings.region
    region = _head(context, bucket).get("BucketRegion")
    if region and region != wanted:
        yield WRONG_REGION.found(
            f"AWS_REGION is {wanted!r}, but bucket {bucket!r} is in {region!r}.",
            Evidence("AWS_REGION", str(wanted), "environment"),
            Evidence("bucket", str(region), "AWS"),
            fixes=(Fix(f"Set AWS_REGION to {region}", variable=f"AWS_REGION={region}"),),
        )


CHECKS = (
    Check("region.name", "The region has the name of one", region_name, (NO_REGION, TWO_REGIONS),
          needs=("settings.values",)),
    Check("credentials.found", "Credentials can be found", found, (UNUSABLE, EXPIRING, WHO),
          needs=("settings.values",)),
    Check("credentials.accepted", "AWS accepts the credentials", accepted,
          (REFUSED, EXPIRED, SKEWED), needs=("backend.decided",), backend=S3),
    Check("region.bucket", "The bucket is in the region", region_of_bucket, (WRONG_REGION,),
          needs=("bucket.there",), backend=S3),
    Check("credentials.account", "Clock and account are those of the bucket", account,
          (OTHER_ACCOUNT, DRIFTING), needs=("bucket.there",), backend=S3),
)  # fmt: skip


def _head(context: Context, bucket: str, **members: str) -> dict[str, object]:
    where = f"bucket {bucket!r}"
    return context.aws.ask("s3", "HeadBucket", where, Bucket=bucket, **members)


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
