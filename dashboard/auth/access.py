"""Access of the process: login settings, accounts, sessions, and the cookies that carry them."""

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

from memory_core.errors import SettingsError
from memory_core.settings import DashboardSettings

from .accounts import Accounts, Attempts
from .sessions import Sessions

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SHORTEST_SECRET: Final = 32
SESSION: Final = "session"
FORM: Final = "form"
OIDC: Final = "oidc"
BROWSER: Final = "browser"
_LOGIN = "DASHBOARD_USERS (or the DASHBOARD_OIDC_ variables) and DASHBOARD_URL"


class Access:
    """Accounts, sessions and failed sign-ins of this process.

    Raises:
        SettingsError: a variable is missing or cannot be read; names it and the remedy.
    """

    def __init__(self, settings: DashboardSettings) -> None:
        self.settings = settings
        self.accounts = Accounts(settings.users, settings.users_file, settings.oidc_allow)
        self.open = not (settings.users or settings.users_file or settings.oidc_url)
        """True without a login: everybody at this computer is admin."""
        self.origins = tuple(_origin(url) for url in settings.urls)
        self.hosts = frozenset(urlsplit(origin).hostname or "" for origin in self.origins)
        """Host names of `DASHBOARD_URL`."""
        self.https = any(origin.startswith("https:") for origin in self.origins)
        """True if the dashboard is served over HTTPS, whatever a request claims."""
        self.secret = settings.secret or secrets.token_urlsafe(32)
        if len(self.secret) < SHORTEST_SECRET:
            raise SettingsError(
                f"DASHBOARD_SECRET is shorter than {SHORTEST_SECRET} characters; set a longer one"
            )
        self._check_oidc()
        self.attempts = Attempts()
        self.sessions = Sessions(
            self.accounts,
            self.secret,
            idle_s=settings.idle_minutes * 60,
            lasts_s=settings.session_hours * 3600,
            shared=settings.secret is not None,
        )

    def is_origin(self, origin: str, host: str) -> bool:
        """Return whether an Origin header is ours: configured, or this computer's own address."""
        try:
            parts, name = urlsplit(origin), urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        given = f"{parts.scheme}://{_without_default_port(parts.netloc.lower(), parts.scheme)}"
        return given in self.origins or (is_loopback(name) and origin == f"http://{host.lower()}")

    def _check_oidc(self) -> None:
        settings = self.settings
        needed = {
            "DASHBOARD_OIDC_URL": settings.oidc_url,
            "DASHBOARD_OIDC_CLIENT_ID": settings.oidc_client_id,
            "DASHBOARD_OIDC_CLIENT_SECRET": settings.oidc_client_secret,
            "DASHBOARD_OIDC_ALLOW": settings.oidc_allow,
            "DASHBOARD_URL": self.origins,
        }
        missing = [name for name, value in needed.items() if not value]
        given = [name for name in needed if name not in missing and "OIDC" in name]
        if given and missing:
            raise SettingsError(f"{given[0]} is set but {missing[0]} is not; set it as well")
        url = urlsplit(settings.oidc_url or "")
        if settings.oidc_url and url.scheme != "https" and not is_loopback(url.hostname or ""):
            raise SettingsError(
                "DASHBOARD_OIDC_URL is not https; give the provider's https address"
            )


@lru_cache(maxsize=1)
def access() -> Access:
    """Return the access of this process, created at first use.

    Raises:
        SettingsError: a variable is missing or cannot be read.
    """
    return Access(DashboardSettings.from_env())


def refusal(access: Access, address: str | None) -> str | None:
    """Return why a server bound to this address must not start, None when it may."""
    local = is_loopback(address or "")
    platform = access.settings.platform
    if access.open and platform:
        return (
            f"{platform} is set, as on a hosting platform, and the dashboard has no login; "
            f"set {_LOGIN}, or unset {platform} on a computer of your own"
        )
    if access.open and not local:
        return (
            f"the dashboard has no login and would be served on {address or 'every address'}; "
            f"set {_LOGIN}, or server.address to 127.0.0.1"
        )
    if not local and not access.origins:
        return (
            "DASHBOARD_URL is not set; set it to the address that people type, such as "
            "https://holdfast.example.com"
        )
    return None


def is_loopback(name: str) -> bool:
    """Return whether a name or address is this computer's own."""
    return name == "localhost" or (is_address(name) and ipaddress.ip_address(name).is_loopback)


def is_address(name: str) -> bool:
    """Return whether this is an IP address, not a name or the path of a socket."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def read_cookie(scope: Scope, which: str, access: Access) -> str:
    """Return the value of one of our cookies, or an empty string."""
    header = Headers(scope=scope).get("cookie", "")
    return cookie_parser(header).get(_cookie_name(which, access), "")


def write_cookie(which: str, value: str, access: Access, *, lasts_s: int | None = None) -> str:
    """Return the header that sets a cookie, for `lasts_s` or until the browser is closed."""
    answer, name = Response(), _cookie_name(which, access)
    same_site: Any = "Lax"
    answer.set_cookie(name, value, lasts_s, secure=access.https, httponly=True, samesite=same_site)
    return answer.headers["set-cookie"]


def _cookie_name(which: str, access: Access) -> str:
    # The prefix keeps other hosts, and plain HTTP, from setting a cookie of that name.
    return f"{'__Host-' if access.https else ''}holdfast-{which}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    try:
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    odd = parts.username or parts.query or parts.fragment or parts.path not in {"", "/"}
    if parts.scheme not in {"http", "https"} or not named or odd:
        raise SettingsError(
            f"DASHBOARD_URL has {url[:80]!r}; write it like https://holdfast.example.com"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise SettingsError(
            f"DASHBOARD_URL has {url[:80]!r}, over which passwords would travel unencrypted; "
            "put TLS in front and write https"
        )
    return f"{parts.scheme}://{_without_default_port(parts.netloc.lower(), parts.scheme)}"


def _without_default_port(host: str, scheme: str) -> str:
    return host.removesuffix(":443" if scheme == "https" else ":80")
