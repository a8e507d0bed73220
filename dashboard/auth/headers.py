"""Outermost ASGI layer: refuses foreign hosts and origins, and sets the security headers."""

import asyncio
import base64
import hashlib
import zlib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocketClose

from .access import ASGIApp, Message, Receive, Scope, Send, access, is_loopback
from .gate import HEALTH

_CLOSED_PATHS = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
_POLICY_VIOLATION = 1008
_LASTING = "public, immutable, max-age=31536000"


def content_security_policy() -> str:
    """Return the policy; Streamlit's own inline script is allowed by its hash."""
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
    """Refuse foreign hosts and origins, block Streamlit's metrics, send the security headers.

    Only the names of `DASHBOARD_URL`, and on a loopback address those of this computer, are
    answered: a site that points its own name here (DNS rebinding) gets nothing. The health path
    is answered under any name, since hosting platforms ask for it by IP address.
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
        if scope["type"] == "http":
            send = self._with_headers(send)
        await (_refusal(scope) or self._app)(scope, receive, send)

    def _with_headers(self, send: Send) -> Send:
        https = access().https
        strict = {"Strict-Transport-Security": "max-age=31536000"} if https else {}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**self._headers, **strict}.items():
                    # The login sets a stricter policy itself.
                    headers.setdefault(name, value)
                if https:
                    message["headers"] = [_secured(*header) for header in headers.raw]
            await send(message)

        return send_with_headers


class CompressedFiles:
    """Send Streamlit's scripts and styles, most of a first visit, and others of ours compressed.

    Each is compressed once.
    """

    def __init__(self, app: ASGIApp, *own: Path) -> None:
        self._app = app
        files = Path(st.__file__).parent.glob("static/static/*/*.*s")
        self._files = {f"{file.parent.name}/{file.name}": file for file in files}
        self._files |= {f"/{file.name}": file for file in own}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        file = self._files.get(scope.get("path", "").rpartition("/static/")[2])
        asked = file and scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if file and asked and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            body = await asyncio.to_thread(_compressed, file)
            headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            kind = "text/css" if file.suffix == ".css" else "text/javascript"
            answer = Response(body, 200, {"Cache-Control": _LASTING, **headers}, kind)
        await answer(scope, receive, send)


@cache
def _compressed(file: Path) -> bytes:
    packer = zlib.compressobj(wbits=31)  # gzip
    # In parts, so that five megabytes are not in memory at once.
    with file.open("rb") as parts:
        packed = [*map(packer.compress, iter(lambda: parts.read(65_536), b""))]
    return b"".join([*packed, packer.flush()])


def host_is_ours(host: str) -> bool:
    """Return whether a Host header is answered, given the settings and the bound address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in access().hosts or name in (st.get_option("server.allowedHosts") or []):
        return True
    return is_loopback(name) and is_loopback(st.get_option("server.address") or "")


def _refusal(scope: Scope) -> ASGIApp | None:
    """Return the answer to a request that must not get through, None for others."""
    if scope["type"] not in {"http", "websocket"}:
        return None
    headers = Headers(scope=scope)
    host, origin = headers.get("host", ""), headers.get("origin")
    if scope["type"] == "websocket":
        ours = host_is_ours(host) and (origin is None or access().is_origin(origin, host))
        return None if ours else WebSocketClose(_POLICY_VIOLATION)
    if scope["path"] in HEALTH:
        return None
    if not host_is_ours(host):
        return PlainTextResponse("This host name is not served here.", 421)
    if any(closed in scope["path"] for closed in _CLOSED_PATHS):
        return PlainTextResponse("Not found", 404)
    return None


def _secured(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Mark a cookie as secure, as Streamlit does not for its own."""
    if name.lower() != b"set-cookie" or b"secure" in value.lower():
        return name, value
    return name, value + b"; Secure"


def _inline_script_hashes() -> list[str]:
    page = Path(st.__file__).parent.joinpath("static", "index.html").read_text("utf-8")
    tags = [tag.partition(">") for tag in page.split("<script")[1:]]
    scripts = [text.partition("</script>")[0] for head, _, text in tags if " src=" not in head]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()) for script in scripts]
    return [f"'sha256-{digest.decode()}'" for digest in digests]
