"""Settings: what is set, whether it can be read, and whether it is all there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from rapidfuzz.distance import OSA

from ...errors import SettingsError
from ...settings import WATCHED
from ..context import Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed
from ..redact import tail

_HELP = "docs/configuration.md"
_OF_BOTO3 = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_ADDRESSES = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_S3VECTORS",
    "OPENAI_BASE_URL",
)
_OTHER_NAMES = {
    "AWS_BUCKET": "AWS_S3_BUCKET",
    "AWS_BUCKET_NAME": "AWS_S3_BUCKET",
    "AWS_S3_BUCKET_NAME": "AWS_S3_BUCKET",
    "AWS_STORAGE_BUCKET_NAME": "AWS_S3_BUCKET",
    "S3_BUCKET": "AWS_S3_BUCKET",
    "S3_BUCKET_NAME": "AWS_S3_BUCKET",
    "AWS_ACCESS_KEY": "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_KEY": "AWS_SECRET_ACCESS_KEY",
    "AWS_S3_REGION": "AWS_REGION",
    "AWS_S3_REGION_NAME": "AWS_REGION",
}
_VARIABLES = {"AWS credentials": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"}
_TYPOS = 2
_LONG_ENOUGH = 8

MALFORMED = FindingKind(
    "settings.E001",
    "A variable has a value that is not allowed",
    "The assistant does not start, so nobody's memories can be read or saved.",
    (Fix("Set the variable to one of the values in docs/configuration.md", link=_HELP),),
)
QUOTED = FindingKind(
    "settings.E002",
    "A variable has quotation marks around its value",
    "The assistant does not start, so nobody's memories can be read or saved.",
    (Fix("Set the variable again without the quotation marks", link=_HELP),),
)
SPACED_KEY = FindingKind(
    "settings.E003",
    "A key for AWS was copied with spaces, a line end or quotation marks",
    "AWS refuses every request, so nobody's memories can be read or saved.",
    (Fix("Copy the key again without anything before or after it"),),
)
HALF = FindingKind(
    "settings.E004",
    "AWS is only half configured",
    "Memories go to the local disk instead of S3, and are lost with the next deployment.",
    (
        Fix("Set what is missing on the host and deploy again", link=_HELP),
        Fix("Or say that the local disk is wanted", variable="MEMORY_BACKEND=chroma"),
    ),
)
CONTRADICTION = FindingKind(
    "settings.E005",
    "The settings contradict each other",
    "The assistant does not start, so nobody's memories can be read or saved.",
    (Fix("Change one of the variables that the sentence names", link=_HELP),),
)
SPACED = FindingKind(
    "settings.W001",
    "A variable was copied with spaces or a line end",
    "Memories work; other programs with the same variable may look in another place.",
    (Fix("Set the variable again without anything before or after its value"),),
)
UNREAD = FindingKind(
    "settings.W002",
    "A variable has almost the name of one that is read",
    "A setting that somebody made has no effect, so memories may go to another place.",
    (Fix("Rename the variable, or remove it", link=_HELP),),
)
BLANK = FindingKind(
    "settings.I001",
    "A variable is set but empty",
    "Nothing: it counts as not set.",
)
PART = FindingKind(
    "settings.I002",
    "AWS is configured for something else",
    "Nothing: without a bucket, memories stay on the local disk.",
)


def read_values(context: Context) -> Iterator[Finding]:
    for name, problem in context.survey.problems.items():
        if "quotation marks" not in problem:
            yield MALFORMED.found(problem + ".", _given(context, name))
        elif name not in _OF_BOTO3:
            yield QUOTED.found(problem + ".", _given(context, name))
    for name in _ADDRESSES:
        value = context.given.get(name, "").strip()
        if value and name not in context.survey.problems and not _is_address(value):
            yield MALFORMED.found(
                f"{name} is {value!r}; set it to an address that begins with https://.",
                _given(context, name),
            )
    for name in _OF_BOTO3:
        value = context.given.get(name, "")
        if value.strip() and value.strip().strip("'\"") != value:
            yield SPACED_KEY.found(
                f"{name} has characters around its value that are not part of the key; boto3 "
                "sends them as they are.",
                Evidence(name, f"{len(value)} characters, ends with {_end(value)}", "environment"),
                fixes=(Fix("Set the variable again", variable=name),),
            )


def look_around(context: Context) -> Iterator[Finding]:
    """Find variables that are blank, padded, or spelt almost like one that is read."""
    known = (*context.survey.names, *WATCHED)
    blank = [name for name in known if name in context.given and not context.given[name].strip()]
    if blank:
        yield BLANK.found(
            f"{listed(dict.fromkeys(blank))} set but empty.",
            *(Evidence(name, "empty", "environment") for name in dict.fromkeys(blank)),
        )
    for name in dict.fromkeys(context.survey.names):
        value = context.given.get(name, "")
        if value.strip() != value and value.strip() and name not in _OF_BOTO3:
            yield SPACED.found(
                f"{name} has spaces or a line end around its value; they are ignored here.",
                Evidence(name, repr(value), "environment"),
            )
    for name in sorted(context.given.keys() - set(known)):
        meant = _meant(name, known)
        if meant and not context.given.get(meant, "").strip():
            yield UNREAD.found(
                f"{name} is set, but nothing reads it; {meant} is meant perhaps.",
                Evidence(name, context.masker.value_of(name, context.given[name]), "environment"),
                fixes=(Fix(f"Set {meant} instead", variable=meant),),
            )


def complete(context: Context) -> Iterator[Finding]:
    settings = context.settings
    if settings.backend != "auto":
        return
    present = {
        "AWS_S3_BUCKET": settings.bucket is not None,
        "AWS_REGION": settings.region is not None,
        "AWS credentials": _has_credentials(context),
    }
    missing = [name for name, there in present.items() if not there]
    if len(missing) in (0, len(present)):
        return
    evidence = [
        Evidence(name, "set" if there else _absence(context, name), "environment")
        for name, there in present.items()
    ]
    if settings.bucket or settings.aws_access_key_id:
        verb = "is" if len(missing) == 1 else "are"
        detail = f"{' and '.join(missing)} {verb} missing, so memories go to ChromaDB."
        yield HALF.found(
            detail,
            *evidence,
            fixes=tuple(Fix(f"Set {one}", variable=_VARIABLES.get(one, one)) for one in missing),
        )
    else:
        there = [name for name, one in present.items() if one]
        yield PART.found(f"Only {' and '.join(there)} can be found.", *evidence)


def starts(context: Context) -> Iterator[Finding]:
    """Find what keeps the service from being opened before anything is asked of a store."""
    try:
        _ = context.backend
    except SettingsError as exc:
        yield CONTRADICTION.found(f"{exc}.")


CHECKS = (
    Check(
        "settings.values", "Every variable can be read", read_values,
        (MALFORMED, QUOTED, SPACED_KEY),
    ),
    Check(
        "settings.names", "No variable is empty, padded or misspelt", look_around,
        (BLANK, SPACED, UNREAD),
    ),
    Check(
        "settings.complete", "AWS is configured wholly or not at all", complete, (HALF, PART),
        needs=("settings.values", "credentials.found"),
    ),
    Check(
        "settings.agree", "The settings do not contradict each other", starts, (CONTRADICTION,),
        needs=("settings.complete", "region.name", "embedder.chosen"),
    ),
)  # fmt: skip


def _given(context: Context, name: str) -> Evidence:
    value = context.masker.value_of(name, context.given.get(name, ""))
    return Evidence(name, value, "environment")


def _has_credentials(context: Context) -> bool:
    settings = context.settings
    if settings.bucket and settings.region:
        return context.credentials is not None
    return bool(settings.aws_access_key_id or settings.aws_profile)


def _absence(context: Context, name: str) -> str:
    return "set but empty" if name in context.given else "not set"


def _end(value: str) -> str:
    return tail("") + repr(value[-1:])


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _meant(name: str, known: tuple[str, ...]) -> str:
    """Return the variable that somebody may have had in mind, empty for none."""
    upper = name.upper()
    if upper in _OTHER_NAMES or upper in known:
        return _OTHER_NAMES.get(upper, upper)
    near = [
        one
        for one in known
        if len(one) >= _LONG_ENOUGH
        and OSA.distance(upper, one, score_cutoff=_TYPOS) <= _TYPOS
        and not _is_other(upper, one)
    ]
    return near[0] if near else ""


def _is_other(name: str, known: str) -> bool:
    """Say whether a variable only differs by a word that makes it another one."""
    return len(name.split("_")) != len(known.split("_")) and not name.startswith("MEMORY_")
