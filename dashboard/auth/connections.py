"""Limits that uvicorn lacks: number of connections, and size and duration of a request."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from asyncio.transports import BaseTransport
from itertools import count
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together; also trailers."""

MOST_HEADERS: Final = 200
"""Most headers of a request: one of four bytes takes fifty times that in memory."""

MOST_PIPELINED: Final = 16
"""Most requests waiting for the answer to an earlier one; browsers do not pipeline."""

HALF_OPEN_S: Final = 20.0
"""Seconds for a request to arrive or an answer to be read, or `LEAST_BYTES` of a long one."""

LEAST_BYTES: Final = 16 * 1024

UNSENT_BYTES: Final = 2 * LEAST_BYTES
"""Bytes of an answer that the system keeps beyond what the client has room for.

Without a limit it keeps megabytes, and takes more once a third of them is read: what a slow client
reads meanwhile cannot be seen (tcp_notsent_lowat in the ip-sysctl documentation of Linux).
"""

MOST_CONNECTIONS: Final = 400
MAX_MESSAGE_BYTES: Final = 64 * 1024
"""Longest socket message, until the gate allows a visitor longer ones."""

PEER: Final = "holdfast.peer"
"""Key in the state of a scope: the peer of the connection, whatever a header says."""

ALLOW_BYTES: Final = "holdfast.allow_bytes"
"""Key in the extensions of a socket's scope: a call that sets the longest message, in bytes."""

_PIECE: Final = 16 * 1024
_TOO_LARGE: Final = "The headers are too large."
_FULL: Final = "Too many connections are open. Try again in a moment."
_logger = logging.getLogger("dashboard")
_numbers = count(1)


def bound_connections() -> None:
    """Make uvicorn use the bounded protocol.

    It has chosen the class before it loads the application, so that class creates ours instead.
    """
    HttpToolsProtocol.__new__ = _new_bounded  # type: ignore[method-assign, assignment]


def _new_bounded(cls: type[Any], *_: Any, **__: Any) -> BoundedHttp:
    return object.__new__(BoundedHttp)


def _keep_little_unsent(connection: socket.socket) -> None:
    """Let what a client reads be seen soon; a socket of a file, or of Windows, stays as it is."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)


class BoundedSocket(WebSocketsSansIOProtocol):
    """WebSocket whose longest message depends on the visitor."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._allow_bytes(MAX_MESSAGE_BYTES)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            scope = cast(dict[str, Any], self.scope)
            scope["state"][PEER] = self.client
            scope["extensions"][ALLOW_BYTES] = self._allow_bytes

    def _allow_bytes(self, most: int) -> None:
        self.conn.max_message_size = most


class BoundedHttp(HttpToolsProtocol):
    """HTTP connection that is closed when a request is too large or does not arrive in time."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        if config.ws_protocol_class is WebSocketsSansIOProtocol:
            self.ws_protocol_class = BoundedSocket
        self._head_bytes = self._body_bytes = 0
        # Not a time: the loop's clock stands still while it accepts several connections.
        self._number = next(_numbers)
        self._due: asyncio.TimerHandle | None = None
        self._unread_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        _keep_little_unsent(transport.get_extra_info("socket"))
        self._expect()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._received()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            self._head_bytes += len(piece)
            super().data_received(piece)
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return
            headers = self._head_bytes and len(self.headers or ())
            if self._head_bytes > MAX_HEAD_BYTES or headers > MOST_HEADERS:
                self._refuse(431, _TOO_LARGE)
                return
            if len(self.pipeline) > MOST_PIPELINED:
                self._refuse(429, "Wait for each answer.")
                return
        if self._due is None and self._waits_for_client():
            self._expect()

    def handle_websocket_upgrade(self) -> None:
        self._received()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][PEER] = self.client

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self.app = cast(Any, _head_too_large)
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        self._received()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        if self._unread_due is not None:
            self._unread_due.cancel()
        super().resume_writing()

    def _expect_reading(self, unread: float = math.inf) -> None:
        """Drop a client that has read less than `LEAST_BYTES` since `unread` bytes were left."""
        left = self.transport.get_write_buffer_size()
        if unread - left < LEAST_BYTES:
            self.transport.abort()
        else:
            self._unread_due = self.loop.call_later(HALF_OPEN_S, self._expect_reading, left)

    def _waits_for_client(self) -> bool:
        return self._idle() or self.cycle.more_body

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect(self) -> None:
        self._body_bytes = 0
        self._due = self.loop.call_later(HALF_OPEN_S, self._overdue)

    def _received(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _overdue(self) -> None:
        self._due = None
        if not self._waits_for_client() or self.transport.is_closing():
            return
        if self._body_bytes >= LEAST_BYTES:
            self._expect()
        else:
            self._refuse(408, "The request did not arrive in time.")

    def _make_room(self) -> None:
        """Drop the oldest connection that waits for its client, or this one if there is none."""
        open_now = [each for each in self.connections if not each.transport.is_closing()]
        waiting = [
            each
            for each in open_now
            if isinstance(each, BoundedHttp)
            and each is not self
            and (each._waits_for_client() or each.flow.write_paused)
        ]
        if len(open_now) <= MOST_CONNECTIONS:
            return
        if waiting:
            min(waiting, key=lambda other: (not other._idle(), other._number)).transport.abort()
        else:
            _logger.warning("a connection was refused: %d are open", MOST_CONNECTIONS)
            self._refuse(503, _FULL)

    def _refuse(self, status: int, sentence: str) -> None:
        if self._idle():
            head = f"content-type: text/plain\r\ncontent-length: {len(sentence)}\r\n"
            head += f"connection: close\r\n\r\n{sentence}"
            self.transport.write(STATUS_LINE[status] + head.encode())
        self._received()
        self.transport.close()


async def _head_too_large(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": _TOO_LARGE.encode()})
