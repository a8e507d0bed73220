"""Checks of the variables: each can be read, none is misspelt, and together they make sense."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from rapidfuzz.distance import OSA

from ...errors import SettingsError
from ...model.counting import counted
from ...settings import AWS_KEYS, WATCHED, is_spoiled
from ..context import Context
from ..findings import Check, Evidence, Finding, Fix, finding, listed

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


def read_values(context: Context) -> Iterator[Finding]:
    problems = context.survey.problems
    for name, problem in problems.items():
        quoted = "quotation marks" in problem
        if not quoted or name not in AWS_KEYS:
            value = context.masker.value_of(name, context.given.get(name, ""))
            kind = "settings.E002" if quoted else "settings.E001"
            yield finding(kind, f"{problem}.", Evidence(name, value, "environment"))
    for name in _ADDRESSES:
        value = context.given.get(name, "").strip()
        if value and name not in problems and not _is_address(value):
            yield finding(
                "settings.E001",
                f"{name} is {value!r}; set it to an address that begins with https://.",
                Evidence(name, context.masker.value_of(name, value), "environment"),
            )
    for name in AWS_KEYS:
        value = context.given.get(name, "")
        if is_spoiled(value):
            extra = listed(sorted({repr(char) for char in value if is_spoiled(f"x{char}")}))
            yield finding(
                "settings.E003",
                f"{name} has characters that no key has, and boto3 sends them as they are.",
                Evidence(name, f"{counted(len(value), 'character')}, with {extra}", "environment"),
                fixes=(Fix("Set the variable again", variable=name),),
            )


def check_names(context: Context) -> Iterator[Finding]:
    """Find variables that are blank, padded, or misspelt."""
    given = context.given
    known = tuple(dict.fromkeys((*context.survey.names, *WATCHED)))
    if blank := [name for name in known if name in given and not given[name].strip()]:
        yield finding(
            "settings.I001",
            f"Set but empty: {listed(blank)}.",
            *(Evidence(name, "empty", "environment") for name in blank),
        )
    for name in dict.fromkeys(context.survey.names):
        value = given.get(name, "")
        if value.strip() != value and value.strip() and name not in AWS_KEYS:
            yield finding(
                "settings.W001",
                f"{name} has spaces or a line break around its value; Holdfast ignores them.",
                Evidence(name, repr(value), "environment"),
            )
    for name in sorted(given.keys() - set(known)):
        meant = _meant(name, known)
        if meant and not given.get(meant, "").strip():
            yield finding(
                "settings.W002",
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
        yield finding(
            "settings.E004",
            f"{' and '.join(missing)} {verb} missing, so memories go to ChromaDB.",
            *evidence,
            fixes=tuple(
                Fix(f"Set {name}", variable=_VARIABLES.get(name, name)) for name in missing
            ),
        )
    else:
        yield finding("settings.I002", f"Only {' and '.join(present)} can be found.", *evidence)


def consistent(context: Context) -> Iterator[Finding]:
    """Find what stops the service from opening before any store is asked."""
    try:
        _ = context.backend
    except SettingsError as exc:
        yield finding("settings.E005", f"{exc}.")


CHECKS = (
    Check("settings.values", "Every variable can be read", read_values,
          "settings.E001 settings.E002 settings.E003"),
    Check("settings.names", "No variable is empty, padded or misspelt", check_names,
          "settings.I001 settings.W001 settings.W002"),
    Check("settings.complete", "AWS is configured completely or not at all", complete,
          "settings.E004 settings.I002", needs=("settings.values", "credentials.found")),
    Check("settings.agree", "The settings do not contradict each other", consistent,
          "settings.E005", needs=("settings.complete", "region.name", "embedder.chosen")),
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
    """Recognize a variable in its own right: it has more or fewer words than a known one."""
    return len(name.split("_")) != len(known.split("_")) and not name.startswith("MEMORY_")
