"""Login page: a plain form without scripts; its parts are in login.html."""

import base64
import hashlib
import hmac
import html
import re
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import urlencode, urlsplit

LOGIN: Final = "/login"
LOGOUT: Final = "/auth/logout"
OIDC_START: Final = "/login/oidc"
OIDC_BACK: Final = "/oauth2callback"
PATHS: Final = frozenset({LOGIN, LOGOUT, OIDC_START, OIDC_BACK})

LONGEST_FORM: Final = 8 * 1024
LONGEST_NEXT: Final = 2000
LONGEST_NAME: Final = 254

WRONG: Final = "Wrong name or password."
TOO_MANY: Final = "Too many attempts. Wait a quarter of an hour, then try again."
STALE: Final = "This form has expired. Try again."
BUSY: Final = "Too many people are signing in at the moment. Try again shortly."
STARTING: Final = (
    "The dashboard has just started and does not know yet which sessions have ended. This page "
    "reloads by itself; you can also sign in again at /login."
)
NOT_STAFF: Final = "You have no access to this dashboard. Ask its administrator."

_PAGE: Final = Path(__file__).with_name("login.html").read_text("utf-8")
# Each begins with a comment that names it.
_PARTS: Final = {
    name: Template(part)
    for name, _, part in (part.partition(" -->") for part in _PAGE.split("<!-- ")[1:])
}
_STYLE: Final = _PAGE.partition("<style>")[2].partition("</style>")[0]
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f\\]")

HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Under no-referrer a form is sent with the origin null, which proves nothing.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(*, form_token: str, next_path: str, trouble: str = "", password: bool, oidc: bool) -> str:
    """Return the page: a form if there are passwords, a link if there is a provider."""
    # A link, since form-action also restricts where a form is redirected to.
    optional = {"trouble": trouble, "form": password, "provider": oidc}
    values = {
        "form_token": form_token,
        "next_path": next_path,
        "next_query": urlencode({"next": next_path}),
        "trouble": trouble,
    }
    escaped = {name: html.escape(value) for name, value in values.items()}
    names = ["head", *(name for name, wanted in optional.items() if wanted), "foot"]
    return "".join(_PARTS[name].substitute(escaped) for name in names)


def safe_next(path: str) -> str:
    """Return the path to open after the login: one of this site, else the front page."""
    if len(path) > LONGEST_NEXT:
        return "/"
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    ours = path.startswith("/") and not path.startswith("//") and not (parts.scheme or parts.netloc)
    if not ours or _CONTROL.search(path) or parts.path in PATHS:
        return "/"
    return path


def form_token(secret: str, nonce: str) -> str:
    """Return the form token that belongs to the nonce in the browser's cookie."""
    return hmac.new(secret.encode(), f"form/{nonce}".encode(), "sha256").hexdigest()


def token_fits(secret: str, nonce: str, token: str) -> bool:
    """Return whether a form was made for this browser."""
    return bool(nonce) and hmac.compare_digest(form_token(secret, nonce).encode(), token.encode())
