"""ASGI edge: which requests are answered at all, and the headers of every answer."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketClose

from dashboard import health
from dashboard.auth.access import access, is_loopback

from .access import ASGIApp, Message, Receive, Scope, Send

_HEALTH = frozenset({"/_stcore/health", health.PATH})
_CLOSED_PATHS = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
_POLICY_VIOLATION = 1008


def content_security_policy() -> str:
    """Build the policy; the inline script of Streamlit's own page is allowed by its hash."""
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'wasm-unsafe-eval' {' '.join(_inline_script_hashes())}".strip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class SecureHeaders:
    """Refuse foreign hosts and origins, close the metrics, send the security headers.

    Answered are the names of `DASHBOARD_URL`, and on a loopback address those of this computer: a
    page of another site that points its own name here (DNS rebinding) gets nothing. The health
    path is answered under any name, since hosts ask for it by number.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": content_security_policy(),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "Cross-Origin-Opener-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, self._with_headers(scope, send))
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in _HEALTH:
            await self._app(scope, receive, send)
        elif not host_is_ours(Headers(scope=scope).get("host", "")):
            refusal = PlainTextResponse("This host name is not served here.", 421)
            await refusal(scope, receive, send)
        elif any(closed in scope["path"] for closed in _CLOSED_PATHS):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host_is_ours(host) and (origin is None or urlsplit(origin).netloc == host):
            await self._app(scope, receive, send)
        else:
            await WebSocketClose(_POLICY_VIOLATION)(scope, receive, send)

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        host = Headers(scope=scope).get("host", "")
        https = access().origin_of(host).startswith("https:")
        more = {"Strict-Transport-Security": "max-age=31536000"} if https else {}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**self._headers, **more}.items():
                    # The login has a stricter policy of its own.
                    headers.setdefault(name, value)
                if https:
                    message["headers"] = [_secured(*header) for header in headers.raw]
            await send(message)

        return send_with_headers


def host_is_ours(host: str) -> bool:
    """Whether a Host header may be answered, given the settings and the address that is bound."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in access().hosts or name in (st.get_option("server.allowedHosts") or []):
        return True
    return is_loopback(name) and is_loopback(st.get_option("server.address") or "")


def _secured(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Keep a cookie off plain HTTP; Streamlit does not say so of its own."""
    if name.lower() != b"set-cookie" or b"secure" in value.lower():
        return name, value
    return name, value + b"; Secure"


def _inline_script_hashes() -> list[str]:
    page = Path(st.__file__).parent.joinpath("static", "index.html").read_text("utf-8")
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    return [f"'sha256-{_digest(script)}'" for script in scripts]


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
