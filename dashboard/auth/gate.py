"""ASGI gate: without a session only the login and the health path answer."""

import asyncio
from collections import Counter
from typing import Final
from urllib.parse import urlencode

from google.protobuf.message import DecodeError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.websockets import WebSocketClose
from streamlit.proto.BackMsg_pb2 import BackMsg

from memory_core.model.limits import MAX_LOG_BYTES, MAX_PASTED_CHARS

from .. import health
from . import login_form, notes
from .access import (
    SESSION,
    Access,
    ASGIApp,
    Message,
    Receive,
    Scope,
    Send,
    access,
    is_address,
    is_loopback,
    read_cookie,
    write_cookie,
)
from .connections import ALLOW_BYTES, MAX_MESSAGE_BYTES
from .login_routes import SigningIn, address_of
from .roles import Role
from .sessions import NotYetKnown, Session, Sessions, revoke
from .uploads import Uploads
from .visitor import IDENTITY_HEADER, actor_of, visitor_of

CHECK_S: Final = 2.0
"""Seconds between checks of a silent socket."""

HEALTH: Final = frozenset({"/_stcore/health", *health.FOR_MONITORS})
MOST_SOCKETS: Final = 12
"""Most pages that a session may have open, where there is a login."""

LONGEST_MESSAGES: Final = {
    Role.VIEWER: MAX_MESSAGE_BYTES,
    # For a pasted log; what JavaScript counts as a character takes up to three bytes.
    Role.OPERATOR: MAX_MESSAGE_BYTES + 3 * MAX_PASTED_CHARS,
    Role.ADMIN: MAX_MESSAGE_BYTES + 3 * MAX_PASTED_CHARS,
}
"""Bytes of a socket message, by role."""

# What pages need. Streamlit's others clear everybody's caches, stop the process or change files.
_MESSAGES: Final = {
    "rerun_script": Role.VIEWER,
    "stop_script": Role.VIEWER,
    "app_heartbeat": Role.VIEWER,
    "backend_operation_request": Role.VIEWER,
    "file_urls_request": Role.OPERATOR,
}
_OPERATIONS: Final = frozenset({"deferred_file", "dataframe_chunk"})
_SIGNED_OUT: Final = 4401
_TOO_BIG: Final = 1009
_TRY_LATER: Final = 1013
_UPLOADS: Final = "/_stcore/upload_file"
_MAX_BODY: Final = MAX_LOG_BYTES + 64 * 1024
_INNER: Final = ("/_stcore/", "/static/", "/media/", "/component/", "/vendor/")
_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_NOT_HERE: Final = (
    "This dashboard has no login and answers to this computer only. "
    "Set DASHBOARD_USERS and DASHBOARD_URL to open it to others."
)


class _Socket:
    """WebSocket that passes on what pages need, while its session lasts with the same role.

    Without a login there is no session, and everybody is admin.
    """

    def __init__(
        self, sessions: Sessions, session: Session | None, receive: Receive, send: Send
    ) -> None:
        self._sessions, self._session = sessions, session
        self._role = session.role if session else Role.ADMIN
        self._receive, self._send = receive, send
        self._opened = self._closed = False

    async def serve(self, app: ASGIApp, scope: Scope) -> None:
        """Serve until either side, or the end of the session, closes the socket."""
        if allow_bytes := scope.get("extensions", {}).get(ALLOW_BYTES):
            allow_bytes(LONGEST_MESSAGES[self._role])
        watching = asyncio.create_task(self._watch())
        try:
            await app(scope, self._receive_checked, self._send_checked)
        finally:
            watching.cancel()

    async def _receive_checked(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            content, code = message.get("bytes") or b"", _SIGNED_OUT
            if len(content) > LONGEST_MESSAGES[self._role]:
                code = _TOO_BIG
            elif not self._closed:
                asked = _read_message(content)
                if self._still(active=_is_by_person(asked)):
                    if _is_needed(asked, self._role):
                        return message
                    continue
            await self._close(code)
            return {"type": "websocket.disconnect", "code": code}

    async def _send_checked(self, message: Message) -> None:
        if self._closed:
            # Streamlit may still send; nobody receives it.
            return
        if message["type"] == "websocket.close":
            self._closed = True
        elif message["type"] == "websocket.send" and not self._still():
            await self._close()
            return
        self._opened = True
        await self._send(message)

    async def _watch(self) -> None:
        while not self._closed:
            await asyncio.sleep(CHECK_S)
            if self._opened and not self._still():
                await self._close()

    async def _close(self, code: int = _SIGNED_OUT) -> None:
        if not self._closed:
            self._closed = True
            await self._send({"type": "websocket.close", "code": code})

    def _still(self, *, active: bool = False) -> bool:
        """Return whether the session is live, with the role that the socket began with."""
        if self._session is None:
            return True
        session = self._sessions.find(self._session.id, active=active)
        return session is not None and session.role == self._role


def _read_message(content: bytes) -> BackMsg:
    """Return the message of Streamlit's page, an empty one if it cannot be read."""
    asked = BackMsg()
    try:
        asked.ParseFromString(content)
    except DecodeError:
        return BackMsg()
    return asked


def _is_by_person(asked: BackMsg) -> bool:
    """Return whether a person acted, rather than a fragment rerunning by itself."""
    return asked.WhichOneof("type") == "rerun_script" and not asked.rerun_script.is_auto_rerun


def _is_needed(asked: BackMsg, role: Role) -> bool:
    """Return whether pages need such a message, for this role."""
    kind = asked.WhichOneof("type")
    if kind == "backend_operation_request":
        return asked.backend_operation_request.WhichOneof("payload") in _OPERATIONS
    return kind is not None and kind in _MESSAGES and role >= _MESSAGES[kind]


class Gate:
    """Middleware that lets signed-in people through, for as long as their session lasts."""

    def __init__(self, app: ASGIApp, of: Access | None = None) -> None:
        self._app = app
        self._access = of or access()
        # Only the gate of the process shares its storage; tests make others.
        self._signing_in = SigningIn(self._access, None if of else revoke)
        self._uploads = Uploads()
        self._sockets: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        scope = _without_claims(scope)
        if scope["path"] in HEALTH and scope["type"] == "http":
            await self._app(scope, receive, send)
        elif self._access.open:
            if _from_here(scope):
                await self._serve(scope, receive, send)
            else:
                await _refuse(scope, receive, send, PlainTextResponse(_NOT_HERE, 403))
        elif scope["type"] == "http" and scope["path"] in login_form.PATHS:
            answer = await self._signing_in.answer(Request(scope, receive))
            await answer(scope, receive, send)
        else:
            await self._signed_in_only(scope, receive, send)

    async def _signed_in_only(self, scope: Scope, receive: Receive, send: Send) -> None:
        cookie = read_cookie(scope, SESSION, self._access)
        active = not scope["path"].startswith("/_stcore/")
        address = address_of(scope, self._access)
        try:
            session = self._access.sessions.read(cookie, address, active=active) if cookie else None
        except NotYetKnown:
            headers = {"Cache-Control": "no-store", "Retry-After": "2", "Refresh": "2"}
            answer = PlainTextResponse(login_form.STARTING, 503, headers)
            await _refuse(scope, receive, send, answer, _TRY_LATER)
            return
        if session is None:
            await _refuse(scope, receive, send, _to_the_login(scope))
            return
        scope["headers"] = [*scope["headers"], (IDENTITY_HEADER.encode(), session.id.encode())]

        if scope["type"] == "http":
            send = self._private(scope, send, cookie, session)
        await self._serve(scope, receive, send, session)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, session: Session | None = None
    ) -> None:
        uploads = scope["path"].startswith(_UPLOADS)
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send, session)
        elif uploads and session and session.role < Role.OPERATOR:
            actor = actor_of(visitor_of(session))
            notes.note_refusal(actor, "overstep", "an upload needs operator")
            await PlainTextResponse("Ask an operator: your role does not allow this.", 403)(
                scope, receive, send
            )
        elif refused := _too_large(scope):
            await refused(scope, receive, send)
        elif uploads and scope["method"] == "PUT":
            key = session.id if session else ""
            await self._uploads.take(self._app, scope, receive, send, key)
        else:
            await self._app(scope, receive, send)

    async def _serve_socket(
        self, scope: Scope, receive: Receive, send: Send, session: Session | None
    ) -> None:
        key = session.id if session else ""
        if session and self._sockets[key] >= MOST_SOCKETS:
            await WebSocketClose(_TRY_LATER)(scope, receive, send)
            return
        self._sockets[key] += 1
        try:
            await _Socket(self._access.sessions, session, receive, send).serve(self._app, scope)
        finally:
            self._sockets[key] -= 1
            self._sockets += Counter()  # drops the zeros

    def _private(self, scope: Scope, send: Send, cookie: str, session: Session) -> Send:
        """Keep answers out of shared caches; renew the cookie with each page."""

        async def send_private(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                kept = headers.get("cache-control", "no-store").replace("public", "private")
                headers["Cache-Control"] = kept
                renewed = self._access.sessions.renewed(cookie, session)
                if renewed and _is_page(scope):
                    headers.append("Set-Cookie", write_cookie(SESSION, renewed, self._access))
            await send(message)

        return send_private


def _without_claims(scope: Scope) -> Scope:
    """Remove the identity header, in every spelling that is read as the same name.

    Also removes cookies with backslashes, which we never set: Python before 3.11.10 parses them in
    time quadratic in their length (CVE-2024-7592).
    """
    headers = [
        (name, _without_escapes(value) if name == b"cookie" else value)
        for name, value in scope["headers"]
        if name.lower().replace(b"_", b"-") != IDENTITY_HEADER.encode()
    ]
    return {**scope, "headers": headers}


def _without_escapes(cookies: bytes) -> bytes:
    return b";".join(cookie for cookie in cookies.split(b";") if b"\\" not in cookie)


def _from_here(scope: Scope) -> bool:
    """Return whether a request came neither by another interface nor through a proxy."""
    server, headers = scope.get("server"), Headers(scope=scope)
    foreign = server is not None and is_address(str(server[0])) and not is_loopback(str(server[0]))
    return not foreign and not any(name in headers for name in _PROXY_HEADERS)


def _too_large(scope: Scope) -> Response | None:
    """Refuse a body that is too large or has no declared length."""
    if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS", "DELETE"}:
        return None
    length = Headers(scope=scope).get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return PlainTextResponse("The Content-Length header is missing.", 411)
    if int(length) > _MAX_BODY:
        return PlainTextResponse(f"The body exceeds {MAX_LOG_BYTES // 1024**2} MB.", 413)
    return None


def _is_page(scope: Scope) -> bool:
    path = scope["path"]
    return (
        scope["type"] == "http"
        and scope["method"] in {"GET", "HEAD"}
        and not path.startswith(_INNER)
        and "." not in path.rsplit("/", 1)[-1]
    )


def _to_the_login(scope: Scope) -> Response:
    if not _is_page(scope):
        return PlainTextResponse("Sign in first.", 401, {"Cache-Control": "no-store"})
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = login_form.safe_next(scope["path"] + (f"?{query}" if query else ""))
    target = (
        login_form.LOGIN if wanted == "/" else f"{login_form.LOGIN}?{urlencode({'next': wanted})}"
    )
    return RedirectResponse(target, 303, {"Cache-Control": "no-store"})


async def _refuse(
    scope: Scope, receive: Receive, send: Send, answer: Response, code: int = _SIGNED_OUT
) -> None:
    if scope["type"] == "websocket":
        await WebSocketClose(code)(scope, receive, send)
    else:
        await answer(scope, receive, send)
