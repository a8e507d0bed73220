"""Login page: a plain form without any script."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
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
    "The dashboard has just started, and does not know yet who signed out. This page loads again "
    "by itself; you can also sign in again at /login."
)
NOT_STAFF: Final = "You cannot be signed in here. Ask whoever looks after this dashboard."

_STYLE: Final = """
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#F3F7F6;color:#0B1917;
font:15px/1.5 system-ui,sans-serif}
main{box-sizing:border-box;width:min(22rem,100vw);padding:2rem;background:#FFFFFF;border-radius:8px}
h1{margin:0 0 1.25rem;font-size:20px}
label{display:block;margin:.9rem 0 .25rem;font-weight:600}
input{box-sizing:border-box;width:100%;padding:.55rem .7rem;font:inherit;color:inherit;
background:transparent;border:1px solid #64807B;border-radius:8px}
button,.other{box-sizing:border-box;display:block;width:100%;margin-top:1.25rem;padding:.6rem;
font:inherit;font-weight:600;text-align:center;text-decoration:none;color:#FFFFFF;
background:#0F766E;border:1px solid #0F766E;border-radius:8px;cursor:pointer}
.other{background:transparent;color:inherit;border-color:#64807B}
:focus-visible{outline:3px solid #0F766E;outline-offset:2px}
.trouble{margin:0;padding:.6rem .7rem;color:#B91C1C;border:1px solid #B91C1C;border-radius:8px}
@media (prefers-color-scheme:dark){body{background:#0B1514;color:#E6F1EF}
main{background:#13211F}:focus-visible{outline-color:#5EEAD4}
.trouble{color:#F87171;border-color:#F87171}}
"""
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
    hidden = f'<input type="hidden" name="next" value="{html.escape(next_path)}">'
    form = (
        f'<form method="post" action="{LOGIN}">'
        f'<input type="hidden" name="token" value="{html.escape(form_token)}">{hidden}'
        '<label for="name">Name</label>'
        '<input id="name" name="name" autocomplete="username" autocapitalize="none" '
        'spellcheck="false" maxlength="254" required autofocus>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" '
        'maxlength="1024" required>'
        "<button>Sign in</button></form>"
    )
    # A link, since form-action also restricts where a form is redirected to.
    link = f'<a class="other" href="{OIDC_START}?{urlencode({"next": next_path})}">'
    alert = f'<p class="trouble" role="alert">{html.escape(trouble)}</p>' if trouble else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex"><link rel="icon" href="data:,">'
        f"<title>Sign in · Holdfast</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Sign in to Holdfast</h1>{alert}{form if password else ''}"
        f"{f'{link}Sign in with your organisation</a>' if oidc else ''}"
        "</main></body></html>"
    )


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
