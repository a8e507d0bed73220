"""Checks of the variables: each can be read, none is misspelt, and together they make sense."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from rapidfuzz.distance import OSA

from ...errors import SettingsError
from ...model.counting import counted
from ...settings import AWS_KEYS, WATCHED, is_spoiled
from ..context import Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed

_HELP = "docs/configuration.md"
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

NO_START = "The assistant does not start, so memories can be neither read nor saved."

# fmt: off
MALFORMED = FindingKind("settings.E001", "A variable has a value that is not allowed", NO_START,
    (Fix("Set it to one of the values in docs/configuration.md", link=_HELP),),
    log_pattern=r"\b(?!MEMORY_(?:EMBED|LLM))(?:MEMORY|AWS|CHROMA|DASHBOARD|OPENAI)_[A-Z_]{1,60} is"
    r" '.{0,200}set it")
QUOTED = FindingKind("settings.E002", "The value of a variable is in quotation marks", NO_START,
    (Fix("Set the variable again without the quotation marks", link=_HELP),))
SPACED_KEY = FindingKind("settings.E003",
    "An AWS key was copied with spaces, a line break or quotation marks",
    "AWS refuses every request, so memories can be neither read nor saved.",
    (Fix("Copy the key again without the extra characters"),))
HALF = FindingKind("settings.E004", "AWS is only half configured",
    "Memories go to the local disk instead of S3, and are lost with the next deployment.",
    (Fix("Set the missing variables on the host, then deploy again", link=_HELP),
     Fix("Or choose the local disk on purpose", variable="MEMORY_BACKEND=chroma")))
CONTRADICTION = FindingKind("settings.E005", "The settings contradict each other", NO_START,
    (Fix("Change one of the variables that the message names", link=_HELP),))
SPACED = FindingKind("settings.W001", "A variable was copied with spaces or a line break",
    "Memories work here; other programs that read the variable may use another place.",
    (Fix("Set the variable again without the extra characters"),))
UNREAD = FindingKind("settings.W002", "A variable looks like a misspelt setting",
    "A setting has no effect, so memories may go to the wrong place.",
    (Fix("Rename the variable, or remove it", link=_HELP),))
BLANK = FindingKind("settings.I001", "A variable is set but empty",
    "No effect: an empty variable counts as not set.")
PART = FindingKind("settings.I002", "AWS is configured, but not for memories",
    "No effect: without a bucket, memories stay on the local disk.")
# fmt: on


def read_values(context: Context) -> Iterator[Finding]:
    problems = context.survey.problems
    for name, problem in problems.items():
        quoted = "quotation marks" in problem
        if not quoted or name not in AWS_KEYS:
            value = context.masker.value_of(name, context.given.get(name, ""))
            kind = QUOTED if quoted else MALFORMED
            yield kind.finding(f"{problem}.", Evidence(name, value, "environment"))
    for name in _ADDRESSES:
        value = context.given.get(name, "").strip()
        if value and name not in problems and not _is_address(value):
            yield MALFORMED.finding(
                f"{name} is {value!r}; set it to an address that begins with https://.",
                Evidence(name, context.masker.value_of(name, value), "environment"),
            )
    for name in AWS_KEYS:
        value = context.given.get(name, "")
        if is_spoiled(value):
            extra = listed(sorted({repr(char) for char in value if is_spoiled(f"x{char}")}))
            yield SPACED_KEY.finding(
                f"{name} has characters that no key has, and boto3 sends them as they are.",
                Evidence(name, f"{counted(len(value), 'character')}, with {extra}", "environment"),
                fixes=(Fix("Set the variable again", variable=name),),
            )


def check_names(context: Context) -> Iterator[Finding]:
    """Find variables that are blank, padded, or misspelt."""
    given = context.given
    known = tuple(dict.fromkeys((*context.survey.names, *WATCHED)))
    if blank := [name for name in known if name in given and not given[name].strip()]:
        yield BLANK.finding(
            f"Set but empty: {listed(blank)}.",
            *(Evidence(name, "empty", "environment") for name in blank),
        )
    for name in dict.fromkeys(context.survey.names):
        value = given.get(name, "")
        if value.strip() != value and value.strip() and name not in AWS_KEYS:
            yield SPACED.finding(
                f"{name} has spaces or a line break around its value; Holdfast ignores them.",
                Evidence(name, repr(value), "environment"),
            )
    for name in sorted(given.keys() - set(known)):
        meant = _meant(name, known)
        if meant and not given.get(meant, "").strip():
            yield UNREAD.finding(
                f"{name} is set, but nothing reads it; {meant} may be meant.",
                Evidence(name, context.masker.value_of(name, given[name]), "environment"),
                fixes=(Fix(f"Set {meant} instead", variable=meant),),
            )


def complete(context: Context) -> Iterator[Finding]:
    settings = context.settings
    if settings.backend != "auto":
        return
    if settings.bucket and settings.region:
        has_credentials = context.credentials is not None
    else:
        has_credentials = bool(settings.aws_access_key_id or settings.aws_profile)
    is_set = {
        "AWS_S3_BUCKET": settings.bucket is not None,
        "AWS_REGION": settings.region is not None,
        "AWS credentials": has_credentials,
    }
    present = [name for name in is_set if is_set[name]]
    missing = [name for name in is_set if not is_set[name]]
    if not present or not missing:
        return
    absent = {name: "set but empty" if name in context.given else "not set" for name in missing}
    evidence = [Evidence(name, absent.get(name, "set"), "environment") for name in is_set]
    if settings.bucket or settings.aws_access_key_id:
        verb = "is" if len(missing) == 1 else "are"
        yield HALF.finding(
            f"{' and '.join(missing)} {verb} missing, so memories go to ChromaDB.",
            *evidence,
            fixes=tuple(
                Fix(f"Set {name}", variable=_VARIABLES.get(name, name)) for name in missing
            ),
        )
    else:
        yield PART.finding(f"Only {' and '.join(present)} can be found.", *evidence)


def consistent(context: Context) -> Iterator[Finding]:
    """Find what keeps the service from opening before any store is asked."""
    try:
        _ = context.backend
    except SettingsError as exc:
        yield CONTRADICTION.finding(f"{exc}.")


CHECKS = (
    Check("settings.values", "Every variable can be read", read_values,
          (MALFORMED, QUOTED, SPACED_KEY)),
    Check("settings.names", "No variable is empty, padded or misspelt", check_names,
          (BLANK, SPACED, UNREAD)),
    Check("settings.complete", "AWS is configured completely or not at all", complete,
          (HALF, PART), needs=("settings.values", "credentials.found")),
    Check("settings.agree", "The settings do not contradict each other", consistent,
          (CONTRADICTION,), needs=("settings.complete", "region.name", "embedder.chosen")),
)  # fmt: skip


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _meant(name: str, known: tuple[str, ...]) -> str:
    """Return the variable that was probably meant, or an empty string."""
    upper = name.upper()
    if upper in _OTHER_NAMES or upper in known:
        return _OTHER_NAMES.get(upper, upper)
    near = (
        candidate
        for candidate in known
        if len(candidate) >= _LONG_ENOUGH
        and OSA.distance(upper, candidate, score_cutoff=_TYPOS) <= _TYPOS
        and not _differs_by_a_word(upper, candidate)
    )
    return next(near, "")


def _differs_by_a_word(name: str, known: str) -> bool:
    """Recognize a variable in its own right, told from a known one by a word."""
    return len(name.split("_")) != len(known.split("_")) and not name.startswith("MEMORY_")
