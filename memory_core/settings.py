"""Settings from environment variables: read in this file only, and never at import."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import RLock
from typing import Literal, Self, TypeVar, get_args
from urllib.parse import urlsplit

from .errors import SettingsError

BackendChoice = Literal["auto", "s3_vectors", "chroma"]
EmbedderChoice = Literal["auto", "local", "multilingual", "openai"]
_EMBEDDING_PROVIDERS = ("openai", "bedrock")

WATCHED = tuple(
    """
    AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ENDPOINT_URL_STS KUBERNETES_SERVICE_HOST
    MEM0_DIR RENDER TZ WEB_CONCURRENCY
    """.split()
)
"""Variables of boto3, mem0 and the host that only the doctor looks at."""

AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Variables whose values boto3 sends unchanged."""

_BUCKET = re.compile(
    r"(?:s3a?://|arn:aws[a-z-]*:s3:::)?(?P<name>[\w.-]+)(?:/+(?P<path>.*))?",
    re.DOTALL | re.IGNORECASE,
)
# The ARN of an access point, which boto3 accepts in place of a bucket name.
_ACCESS_POINT = re.compile(r"arn:aws[a-z-]*:s3(?:-[a-z-]+)?:[a-z0-9-]*:\d+:[A-Za-z0-9:/._-]+")

_INTERVAL = re.compile(r"([0-9]{1,6}) ?([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_PASSED_ON = frozenset("HTTPS_PROXY HTTP_PROXY LANG NO_PROXY PATH SSL_CERT_FILE".split())
_PASSED_ON_BY_PREFIX = ("AWS_", "MEMORY_", "OPENAI_", "RENDER_")

# Variables that identify hosting platforms; an assigned port means the same.
_PLATFORMS = "RENDER DYNO FLY_APP_NAME K_SERVICE RAILWAY_ENVIRONMENT WEBSITE_HOSTNAME PORT".split()

# No library may call out on its own. mem0 reads its variables at import, and would write a
# configuration file into the home directory (seen in 2.2.1, `mem0/memory/setup.py`).
_QUIET = {
    "MEM0_TELEMETRY": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "HF_HUB_OFFLINE": "1",
}

_variables_lock = RLock()

_Value = TypeVar("_Value")
_Word = TypeVar("_Word", bound=str)


class VariableReader:
    """Reads variables by type.

    A malformed value raises `SettingsError`; with `problems` it is noted there by the variable's
    name instead, and the default is used.
    """

    def __init__(self, environ: Mapping[str, str], problems: dict[str, str] | None = None) -> None:
        self.names: list[str] = []
        self._environ = environ
        self._problems = problems

    def text(self, name: str) -> str | None:
        self.names.append(name)
        value = self._environ.get(name, "").strip()
        if value[:1] in "'\"" and value[:1] == value[-1:] and value:
            sentence = f"{name} has quotation marks around its value; set it again without them"
            return self._refuse(name, sentence, None)
        return value or None

    def choice(self, name: str, allowed: tuple[_Word, ...]) -> _Word:
        """Return one of the words allowed, by default the first."""
        value = self.text(name) or allowed[0]
        for option in allowed:
            if value.lower() == option:
                return option
        sentence = f"{name} is {value!r}; set it to one of {', '.join(allowed)}"
        return self._refuse(name, sentence, allowed[0])

    def model(self, name: str, words: tuple[str, ...], providers: tuple[str, ...]) -> str:
        """Return one of the words, by default the first, or PROVIDER:MODEL[@DIMENSIONS]."""
        value = self.text(name)
        provider, colon, model = (value or "").partition(":")
        if value is None or not colon or provider.lower() not in providers:
            return self.choice(name, (*words, *(f"{known}:MODEL" for known in providers)))
        if not split_model(value)[1].strip() or split_model(value)[2] == 0:
            sentence = f"{name} is {value!r}; set it to {provider.lower()}:MODEL[@DIMENSIONS]"
            return self._refuse(name, sentence, words[0])
        return f"{provider.lower()}:{model}"

    def prefix(self, name: str, default: str) -> str:
        """Return a prefix that ends with a slash, or an empty one for a slash alone."""
        value = self.text(name) or default
        if "://" in value or value.startswith("arn:"):
            sentence = f"{name} is {value!r}; set it to the path alone, such as {default}"
            return self._refuse(name, sentence, default)
        stripped = value.strip("/")
        return f"{stripped}/" if stripped else ""

    def bucket(self, name: str) -> str | None:
        """Return the name of a bucket, which may be given as an address or an ARN."""
        value = self.text(name)
        if value is None or _ACCESS_POINT.fullmatch(value):
            return value
        parts = _BUCKET.fullmatch(value)
        if parts and not parts["path"]:
            return parts["name"]
        advice = "set it to the name of the bucket alone, such as my-bucket"
        if parts:
            inside = parts["path"].strip("/")
            advice = (
                f"set it to {parts['name']}, and MEMORY_PREFIX to {inside}/ to keep memories below "
                "that path"
            )
        return self._refuse(name, f"{name} is {value!r}, which is not a name; {advice}", None)

    def spoiled_keys(self) -> tuple[str, ...]:
        """Return the variables of AWS keys whose values have characters that no key has."""
        return tuple(name for name in AWS_KEYS if is_spoiled(self._environ.get(name, "")))

    def number(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name) or str(default)
        if value.isascii() and value.isdigit() and least <= int(value) <= most:
            return int(value)
        sentence = f"{name} is {value!r}; set it to a whole number from {least} to {most}"
        return self._refuse(name, sentence, default)

    def interval(self, name: str, least_s: int) -> int:
        """Return an interval such as 15m in seconds; 0 if it is not set, 0 or off."""
        value = (self.text(name) or "off").lower()
        parts = _INTERVAL.fullmatch(value)
        if value in ("off", "0"):
            return 0
        if parts and (seconds := int(parts[1]) * _UNITS_S[parts[2]]) >= least_s:
            return seconds
        sentence = f"{name} is {value!r}; set it to {least_s}s or more, such as 15m, or to off"
        return self._refuse(name, sentence, 0)

    def web_hook(self, name: str) -> str | None:
        """Return an https address, or an http address of this machine."""
        value = self.text(name)
        try:
            url = urlsplit(value or "")
            host, _ = url.hostname or "", url.port
        except ValueError:
            url, host = urlsplit(""), ""
        if re.search(r"[\s\\]", value or ""):
            # Parsers differ on where the host ends.
            host = ""
        here = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host)
        if value is None or (host and url.scheme == "https") or (here and url.scheme == "http"):
            return value
        # The address may hold a token, so it is not shown.
        sentence = f"{name} is not an https address (http is for this machine only); set it to one"
        return self._refuse(name, sentence, None)

    def flag(self, name: str, default: bool = False) -> bool:
        value = (self.text(name) or str(default)).lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        return self._refuse(name, f"{name} is {value!r}; set it to 1 or 0", default)

    def _refuse(self, name: str, sentence: str, default: _Value) -> _Value:
        if self._problems is None:
            raise SettingsError(sentence)
        self._problems[name] = sentence
        return default


def split_model(choice: str) -> tuple[str, str, int | None]:
    """Split PROVIDER:MODEL[@DIMENSIONS]; a word alone is a provider without a model."""
    provider, _, model = choice.partition(":")
    name, _, dimensions = model.rpartition("@")
    if name and dimensions.isascii() and dimensions.isdigit():
        return provider, name, int(dimensions)
    return provider, model, None


def is_spoiled(key: str) -> bool:
    """Return whether a key has a space, a line break or another character that no key has."""
    return bool(key.strip()) and not re.fullmatch("[!#-&(-~]+", key)


def _variable(read: Callable[[VariableReader], _Value], *, secret: bool = False) -> _Value:
    """Declare a field by its reader, which also gives the default: that of no variables."""
    default = read(VariableReader({}))
    return field(default=default, repr=not secret, metadata={"read": read})


def _text(name: str, *, secret: bool = False) -> str | None:
    return _variable(lambda read: read.text(name), secret=secret)


def _read(kind: type[_Value], read: VariableReader) -> _Value:
    """Read a settings object, field by field."""
    declared = fields(kind)  # type: ignore[arg-type]
    return kind(**{item.name: item.metadata["read"](read) for item in declared})


def _data_dir(read: VariableReader) -> Path:
    return Path(read.text("MEMORY_DATA_DIR") or "data")


def _endpoint(read: VariableReader, of_service: str | None) -> str | None:
    """Choose an endpoint as boto3 does; its configuration file comes after these variables."""
    chosen = of_service or read.text("AWS_ENDPOINT_URL")
    return None if read.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") else chosen


def _dashboard_urls(read: VariableReader) -> tuple[str, ...]:
    urls = read.text("DASHBOARD_URL") or read.text("RENDER_EXTERNAL_URL") or ""
    return tuple(urls.replace(",", " ").split())


def _platform(read: VariableReader) -> str | None:
    return next((name for name in _PLATFORMS if read.text(name)), None)


def _proxies(read: VariableReader) -> int:
    """Return the number of the platform's proxies that append to X-Forwarded-For.

    Render's CDN adds the client, and the load balancer behind it adds the CDN's edge.
    """
    platform = _platform(read)
    return 2 if platform == "RENDER" else int(platform is not None)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The running deployment as the host describes it."""

    commit: str | None = _text("RENDER_GIT_COMMIT")
    instance: str | None = _text("RENDER_INSTANCE_ID")
    service: str | None = _text("RENDER_SERVICE_ID")
    host: str | None = _text("MEMORY_HOST")
    hook_url: str | None = _text("RENDER_DEPLOY_HOOK_URL", secret=True)


class _FromVariables:
    __slots__ = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the variables that docs/configuration.md lists.

        A variable that is set but empty counts as not set.

        Raises:
            SettingsError: a value is not one of those allowed; names the variable and the value.
        """
        return _read(cls, VariableReader(os.environ if environ is None else environ))


@dataclass(frozen=True, slots=True)
class Settings(_FromVariables):
    """The configuration of Holdfast. Its repr shows no secrets.

    `aws_access_key_id` only serves to detect an incomplete configuration; credentials always come
    from boto3's own chain. `spoiled_keys` names the variables whose values no key can have.
    """

    backend: BackendChoice = _variable(
        lambda read: read.choice("MEMORY_BACKEND", get_args(BackendChoice))
    )
    require_persistent: bool = _variable(lambda read: read.flag("MEMORY_REQUIRE_PERSISTENT"))
    data_dir: Path = _variable(_data_dir)
    chroma_path: Path = _variable(
        lambda read: Path(read.text("CHROMA_PATH") or _data_dir(read) / "chroma")
    )
    index: str | None = _text("MEMORY_INDEX")
    embedder: str = _variable(
        lambda read: read.model("MEMORY_EMBEDDER", get_args(EmbedderChoice), _EMBEDDING_PROVIDERS)
    )
    embedding_model: str = _variable(
        lambda read: read.text("MEMORY_EMBEDDING_MODEL") or "text-embedding-3-small"
    )
    llm: str | None = _text("MEMORY_LLM")
    openai_api_key: str | None = _text("OPENAI_API_KEY", secret=True)
    openai_base_url: str | None = _text("OPENAI_BASE_URL")
    bucket: str | None = _variable(lambda read: read.bucket("AWS_S3_BUCKET"))
    region: str | None = _variable(
        lambda read: read.text("AWS_REGION") or read.text("AWS_DEFAULT_REGION")
    )
    aws_profile: str | None = _text("AWS_PROFILE")
    aws_access_key_id: str | None = _text("AWS_ACCESS_KEY_ID", secret=True)
    spoiled_keys: tuple[str, ...] = _variable(lambda read: read.spoiled_keys())
    vector_bucket: str | None = _text("MEMORY_VECTOR_BUCKET")
    prefix: str = _variable(lambda read: read.prefix("MEMORY_PREFIX", "memory/"))
    endpoint_s3: str | None = _variable(
        lambda read: _endpoint(read, read.text("AWS_ENDPOINT_URL_S3"))
    )
    endpoint_s3vectors: str | None = _variable(
        lambda read: _endpoint(read, read.text("AWS_ENDPOINT_URL_S3VECTORS"))
    )
    endpoint_bedrock: str | None = _variable(
        lambda read: _endpoint(read, read.text("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"))
    )
    receipt_key: str | None = _text("MEMORY_RECEIPT_KEY", secret=True)
    auto_migrate: bool = _variable(lambda read: read.flag("MEMORY_AUTO_MIGRATE", default=True))
    activity_days: int = _variable(lambda read: read.number("MEMORY_ACTIVITY_DAYS", 365, 0, 36_500))
    activity_key: str | None = _text("MEMORY_ACTIVITY_KEY", secret=True)
    recall_days: int = _variable(lambda read: read.number("MEMORY_RECALL_LOG", 0, 0, 36_500))
    watch_s: int = _variable(lambda read: read.interval("MEMORY_WATCH", 5))
    alert_url: str | None = _variable(lambda read: read.web_hook("MEMORY_ALERT_URL"), secret=True)
    dashboard_url: str | None = _variable(lambda read: next(iter(_dashboard_urls(read)), None))
    deployment: Deployment = _variable(lambda read: _read(Deployment, read))


@dataclass(frozen=True, slots=True)
class SettingsSurvey:
    """An environment and all its problems; `from_env` stops at the first.

    `given` is the whole environment, secrets included; `problems` maps a variable to the sentence
    that `from_env` would raise; `settings` has its default instead. `names` are the variables that
    Holdfast reads.
    """

    settings: Settings
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    problems: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def survey(environ: Mapping[str, str] | None = None) -> SettingsSurvey:
    """Read the variables as `Settings.from_env` does, but collect the problems."""
    given = dict(os.environ if environ is None else environ)
    problems: dict[str, str] = {}
    read = VariableReader(given, problems)
    settings = _read(Settings, read)
    return SettingsSurvey(settings, given, problems, tuple(dict.fromkeys(read.names)))


@dataclass(frozen=True, slots=True)
class DashboardSettings(_FromVariables):
    """Access to the dashboard, and its addresses. Its repr shows no secrets.

    `platform` is the variable that identifies a hosting platform, None elsewhere.
    """

    users: str | None = _text("DASHBOARD_USERS", secret=True)
    users_file: Path | None = _variable(
        lambda read: Path(name) if (name := read.text("DASHBOARD_USERS_FILE")) else None
    )
    urls: tuple[str, ...] = _variable(lambda read: _dashboard_urls(read))
    secret: str | None = _text("DASHBOARD_SECRET", secret=True)
    oidc_url: str | None = _text("DASHBOARD_OIDC_URL")
    oidc_client_id: str | None = _text("DASHBOARD_OIDC_CLIENT_ID")
    oidc_client_secret: str | None = _text("DASHBOARD_OIDC_CLIENT_SECRET", secret=True)
    oidc_allow: str | None = _text("DASHBOARD_OIDC_ALLOW", secret=True)
    idle_minutes: int = _variable(lambda read: read.number("DASHBOARD_IDLE_MINUTES", 60, 1, 1440))
    session_hours: int = _variable(lambda read: read.number("DASHBOARD_SESSION_HOURS", 12, 1, 168))
    proxies: int = _variable(lambda read: read.number("DASHBOARD_PROXIES", _proxies(read), 0, 9))
    badge: bool = _variable(lambda read: read.flag("DASHBOARD_BADGE"))
    metrics_token: str | None = _text("MEMORY_METRICS_TOKEN", secret=True)
    migrate_from: tuple[str, ...] = _variable(
        lambda read: tuple((read.text("DASHBOARD_MIGRATE_FROM") or "").split())
    )
    platform: str | None = _variable(_platform)


def child_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that a child process needs.

    Files with AWS credentials are named by path, since the child has another home directory.
    """
    given = dict(os.environ if environ is None else environ)
    kept = {
        name: value
        for name, value in given.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_BY_PREFIX)
    }
    home = Path(given.get("HOME") or Path.home())
    kept.setdefault("AWS_CONFIG_FILE", str(home / ".aws" / "config"))
    kept.setdefault("AWS_SHARED_CREDENTIALS_FILE", str(home / ".aws" / "credentials"))
    return kept


def loader_environment() -> dict[str, str]:
    """Return the variables without which an interpreter may not start."""
    names = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
    return {name: os.environ[name] for name in names if name in os.environ}


def silence_telemetry() -> None:
    """Keep mem0, ChromaDB and Streamlit from calling out; call before importing them."""
    for name, value in _QUIET.items():
        os.environ[name] = value
    os.environ.setdefault("MEM0_DIR", str(Path(tempfile.gettempdir(), "holdfast-mem0")))


@contextmanager
def variable_set(name: str, value: str) -> Iterator[None]:
    """Set a variable for a library that reads it now, and give it back what it was."""
    with _variables_lock:
        before = os.environ.get(name)
        os.environ[name] = value
        try:
            yield
        finally:
            os.environ.pop(name, None)
            if before is not None:
                os.environ[name] = before


def keep_files_private() -> None:
    """Let only this user read the files that this process creates; for programs, not the library.

    ChromaDB and SQLite create files too, with the permissions that the process allows.
    """
    os.umask(0o077)
