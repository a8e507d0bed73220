"""Our cookies: out of reach of scripts, and of plain HTTP where the dashboard is on HTTPS."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from dashboard.auth.access import Access
from dashboard.auth.asgi import Scope

SESSION: Final = "session"
FORM: Final = "form"
OIDC: Final = "oidc"


def read_cookie(scope: Scope, which: str, access: Access) -> str:
    """Return what the browser keeps under this name, or nothing."""
    sent = Headers(scope=scope).get("cookie", "")
    try:
        return cookie_parser(sent).get(_name(scope, which, access), "")
    except CookieError:
        return ""


def write_cookie(
    scope: Scope, which: str, value: str, access: Access, *, lasts_s: int | None = None
) -> str:
    """Return the header that makes the browser keep a value, until it is closed or so long."""
    name = _name(scope, which, access)
    cookie: SimpleCookie = SimpleCookie({name: value})
    cookie[name]["path"] = "/"
    cookie[name]["httponly"] = True
    cookie[name]["samesite"] = "Lax"
    if _https(scope, access):
        cookie[name]["secure"] = True
    if lasts_s is not None:
        cookie[name]["max-age"] = lasts_s
    return cookie[name].OutputString()


def _name(scope: Scope, which: str, access: Access) -> str:
    # The prefix lets no other host, and no plain HTTP, put a cookie of that name in place.
    return f"{'__Host-' if _https(scope, access) else ''}holdfast-{which}"


def _https(scope: Scope, access: Access) -> bool:
    host = Headers(scope=scope).get("host", "")
    return access.origin_of(host).startswith("https:")
