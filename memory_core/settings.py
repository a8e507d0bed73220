"""What the environment says, read in one place and never at import."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, get_args

from .errors import SettingsError

_Choice = TypeVar("_Choice", bound=str)


class VariableReader:
    """Reads variables; raises `SettingsError` for a value that is none of those allowed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        value = self._environ.get(name, "").strip()
        if value[:1] in "'\"" and value[:1] == value[-1:] and value:
            raise SettingsError(
                f"{name} has quotation marks around its value; set it again without them"
            )
        return value or None

    def choice(self, name: str, allowed: tuple[_Choice, ...]) -> _Choice:
        value = self.text(name)
        if value is None:
            return allowed[0]
        for option in allowed:
            if value.lower() == option:
                return option
        raise SettingsError(f"{name} is {value!r}; set it to one of {', '.join(allowed)}")

    def prefix(self, name: str, default: str) -> str:
        """Return a prefix that ends with a slash, or none at all for a slash alone."""
        stripped = (self.text(name) or default).strip("/")
        return f"{stripped}/" if stripped else ""

    def number(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name) or str(default)
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise SettingsError(
                f"{name} is {value!r}; set it to a whole number from {least} to {most}"
            )
        return int(value)

    def flag(self, name: str, default: str = "0") -> bool:
        value = (self.text(name) or default).lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        raise SettingsError(f"{name} is {value!r}; set it to 1 or 0")


class Surveyor(VariableReader):
    """Notes what is wrong with a variable and takes the default in its place."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.names: list[str] = []
        self.problems: dict[str, str] = {}

    def text(self, name: str) -> str | None:
        self.names.append(name)
        try:
            return super().text(name)
        except SettingsError as exc:
            self.problems[name] = str(exc)
            return None

    def choice(self, name: str, allowed: tuple[_Choice, ...]) -> _Choice:
        try:
            return super().choice(name, allowed)
        except SettingsError as exc:
            self.problems[name] = str(exc)
            return allowed[0]

    def number(self, name: str, default: int, least: int, most: int) -> int:
        try:
            return super().number(name, default, least, most)
        except SettingsError as exc:
            self.problems[name] = str(exc)
            return default

    def flag(self, name: str, default: str = "0") -> bool:
        try:
            return super().flag(name, default)
        except SettingsError as exc:
            self.problems[name] = str(exc)
            return default == "1"


BackendChoice = Literal["auto", "s3_vectors", "chroma"]
EmbedderChoice = Literal["auto", "local", "openai"]

DEFAULT_OPENAI_EMBEDDING_MODEL = "text-embedding-3-small"
DEFAULT_DATA_DIR = "data"
DEFAULT_PREFIX = "memory/"
DEFAULT_ACTIVITY_DAYS = 365

WATCHED = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_STS",
    "KUBERNETES_SERVICE_HOST",
    "MEM0_DIR",
    "RENDER",
    "TZ",
    "WEB_CONCURRENCY",
)
"""Variables of boto3, mem0 and the host that nothing but the doctor looks at."""

_PASSED_ON = frozenset("HTTPS_PROXY HTTP_PROXY LANG NO_PROXY PATH SSL_CERT_FILE".split())
_PASSED_ON_BY_PREFIX = ("AWS_", "MEMORY_", "OPENAI_", "RENDER_")

# How hosting platforms show themselves. A port that is handed out means the same.
_PLATFORMS = "RENDER DYNO FLY_APP_NAME K_SERVICE RAILWAY_ENVIRONMENT WEBSITE_HOSTNAME PORT".split()

# None of the libraries may call out on its own. mem0 reads its two at import and would write
# a configuration file into the home directory (seen in 2.2.1, `mem0/memory/setup.py`).
_QUIET = {
    "MEM0_TELEMETRY": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "HF_HUB_OFFLINE": "1",
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the host says of the deployment that runs, where it says anything."""

    commit: str | None = None
    instance: str | None = None
    service: str | None = None
    host: str | None = None
    hook_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything Holdfast takes from outside. Secrets do not show in its repr.

    `aws_access_key_id` is here only to notice a configuration that is half there; credentials
    themselves always come through boto3's own chain.
    """

    backend: BackendChoice = "auto"
    require_persistent: bool = False
    data_dir: Path = Path(DEFAULT_DATA_DIR)
    chroma_path: Path = Path(DEFAULT_DATA_DIR, "chroma")
    index: str | None = None
    embedder: EmbedderChoice = "auto"
    embedding_model: str = DEFAULT_OPENAI_EMBEDDING_MODEL
    llm: str | None = None
    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str | None = None
    bucket: str | None = None
    region: str | None = None
    aws_profile: str | None = None
    aws_access_key_id: str | None = field(default=None, repr=False)
    vector_bucket: str | None = None
    prefix: str = DEFAULT_PREFIX
    endpoint_s3: str | None = None
    endpoint_s3vectors: str | None = None
    receipt_key: str | None = field(default=None, repr=False)
    auto_migrate: bool = True
    activity_days: int = DEFAULT_ACTIVITY_DAYS
    activity_key: str | None = field(default=None, repr=False)
    deployment: Deployment = Deployment()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the variables that docs/configuration.md lists.

        A variable that is set but empty counts as not set.

        Raises:
            SettingsError: a value is not one of those allowed; names the variable and the value.
        """
        return cls._read(VariableReader(os.environ if environ is None else environ))

    @classmethod
    def _read(cls, read: VariableReader) -> Settings:
        data_dir = Path(read.text("MEMORY_DATA_DIR") or DEFAULT_DATA_DIR)
        # As boto3 chooses them; its configuration file comes after these.
        endpoint_s3 = read.text("AWS_ENDPOINT_URL_S3") or read.text("AWS_ENDPOINT_URL")
        endpoint_s3vectors = read.text("AWS_ENDPOINT_URL_S3VECTORS") or read.text(
            "AWS_ENDPOINT_URL"
        )
        if read.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
            endpoint_s3 = endpoint_s3vectors = None
        return cls(
            backend=read.choice("MEMORY_BACKEND", get_args(BackendChoice)),
            require_persistent=read.flag("MEMORY_REQUIRE_PERSISTENT"),
            data_dir=data_dir,
            chroma_path=Path(read.text("CHROMA_PATH") or data_dir / "chroma"),
            index=read.text("MEMORY_INDEX"),
            embedder=read.choice("MEMORY_EMBEDDER", get_args(EmbedderChoice)),
            embedding_model=read.text("MEMORY_EMBEDDING_MODEL") or DEFAULT_OPENAI_EMBEDDING_MODEL,
            llm=read.text("MEMORY_LLM"),
            openai_api_key=read.text("OPENAI_API_KEY"),
            openai_base_url=read.text("OPENAI_BASE_URL"),
            bucket=read.text("AWS_S3_BUCKET"),
            region=read.text("AWS_REGION") or read.text("AWS_DEFAULT_REGION"),
            aws_profile=read.text("AWS_PROFILE"),
            aws_access_key_id=read.text("AWS_ACCESS_KEY_ID"),
            vector_bucket=read.text("MEMORY_VECTOR_BUCKET"),
            prefix=read.prefix("MEMORY_PREFIX", DEFAULT_PREFIX),
            endpoint_s3=endpoint_s3,
            endpoint_s3vectors=endpoint_s3vectors,
            receipt_key=read.text("MEMORY_RECEIPT_KEY"),
            auto_migrate=read.flag("MEMORY_AUTO_MIGRATE", default="1"),
            activity_days=read.number("MEMORY_ACTIVITY_DAYS", DEFAULT_ACTIVITY_DAYS, 0, 36_500),
            activity_key=read.text("MEMORY_ACTIVITY_KEY"),
            deployment=Deployment(
                commit=read.text("RENDER_GIT_COMMIT"),
                instance=read.text("RENDER_INSTANCE_ID"),
                service=read.text("RENDER_SERVICE_ID"),
                host=read.text("MEMORY_HOST"),
                hook_url=read.text("RENDER_DEPLOY_HOOK_URL"),
            ),
        )


@dataclass(frozen=True, slots=True)
class SettingsSurvey:
    """An environment with all that is wrong in it, where `from_env` stops at the first fault.

    `given` is the whole environment, secrets included; `problems` maps a variable to the sentence
    that `from_env` would raise, and `settings` has the default in its place. `names` are the
    variables that Holdfast reads.
    """

    settings: Settings
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    problems: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def survey(environ: Mapping[str, str] | None = None) -> SettingsSurvey:
    """Read the variables as `Settings.from_env` does, and go on where one is malformed."""
    given = dict(os.environ if environ is None else environ)
    read = Surveyor(given)
    settings = Settings._read(read)
    return SettingsSurvey(settings, given, read.problems, tuple(dict.fromkeys(read.names)))


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """Who may use the dashboard, and where it is reached. Secrets do not show in its repr."""

    users: str | None = field(default=None, repr=False)
    users_file: Path | None = None
    urls: tuple[str, ...] = ()
    secret: str | None = field(default=None, repr=False)
    oidc_url: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_allow: str | None = field(default=None, repr=False)
    idle_minutes: int = 60
    session_hours: int = 12
    proxies: int = 0
    platform: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> DashboardSettings:
        """Read the variables that docs/configuration.md lists under the dashboard.

        `platform` is the variable by which a hosting platform shows itself, None on a computer of
        one's own.

        Raises:
            SettingsError: a value is not one of those allowed; names the variable.
        """
        read = VariableReader(os.environ if environ is None else environ)
        platform = next((name for name in _PLATFORMS if read.text(name)), None)
        urls = read.text("DASHBOARD_URL") or read.text("RENDER_EXTERNAL_URL") or ""
        users_file = read.text("DASHBOARD_USERS_FILE")
        return cls(
            users=read.text("DASHBOARD_USERS"),
            users_file=Path(users_file) if users_file else None,
            urls=tuple(urls.replace(",", " ").split()),
            secret=read.text("DASHBOARD_SECRET"),
            oidc_url=read.text("DASHBOARD_OIDC_URL"),
            oidc_client_id=read.text("DASHBOARD_OIDC_CLIENT_ID"),
            oidc_client_secret=read.text("DASHBOARD_OIDC_CLIENT_SECRET"),
            oidc_allow=read.text("DASHBOARD_OIDC_ALLOW"),
            idle_minutes=read.number("DASHBOARD_IDLE_MINUTES", 60, 1, 24 * 60),
            session_hours=read.number("DASHBOARD_SESSION_HOURS", 12, 1, 7 * 24),
            proxies=read.number("DASHBOARD_PROXIES", 1 if platform else 0, 0, 9),
            platform=platform,
        )


def child_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a process of ours needs of an environment, and nothing else.

    Files with AWS credentials are named by their path, since the process gets another home.
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


def silence_telemetry() -> None:
    """Keep mem0, ChromaDB and Streamlit from calling out; call before importing them."""
    for name, value in _QUIET.items():
        os.environ[name] = value
    os.environ.setdefault("MEM0_DIR", str(Path(tempfile.gettempdir(), "holdfast-mem0")))
