"""A small threaded HTTP/1.1 server that can also hang up on its client."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import responses
from socketserver import StreamRequestHandler, TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl, unquote

BODY_CAP_BYTES = 20_971_520
HANG_UP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body already read."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw_headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    length: int = 0
    chunked: bool = False

    @property
    def path(self) -> str:
        """Return the path as sent, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def decoded_path(self) -> str:
        """Return the path with its percent-encoding undone."""
        return unquote(self.path)

    @property
    def query_string(self) -> str:
        """Return what follows the question mark."""
        return self.target.partition("?")[2]

    @property
    def query(self) -> list[tuple[str, str]]:
        """Return the query parameters in order, repeated ones included."""
        return list(_pairs(self.query_string))


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Dropped(Exception):
    """Raised by an application to close the connection without an answer."""


App = Callable[[Request], Response]


@dataclass
class HttpServer:
    """Serve one application on 127.0.0.1; port 0 picks a free one."""

    app: App
    port: int = 0
    body_cap_bytes: int | None = None
    _server: _Server | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Return the base address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Bind the port and serve from a background thread."""
        self._server = _Server(self.app, self.port, self.body_cap_bytes)
        self.port = self._server.server_address[1]
        self._server.serving.start()

    def stop(self) -> None:
        """Stop listening and close every open connection."""
        if self._server is not None:
            self._server.end()
            self._server.server_close()
            self._server.hang_up_all()
            self._server = None


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, app: App, port: int, body_cap_bytes: int | None):
        self.app = app
        self.body_cap_bytes = body_cap_bytes
        self.serving = threading.Thread(target=self._serve, daemon=True)
        self._ending = False
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def _serve(self) -> None:
        # Unlike `serve_forever`, which looks every so often whether it is to end.
        while not self._ending:
            self.handle_request()

    def end(self) -> None:
        """Take no more connections; the one made here is what the thread waits for."""
        self._ending = True
        with socket.create_connection(self.server_address[:2]):
            self.serving.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up_all(self) -> None:
        for connection in list(self._open):
            _shutdown(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that go away: they are part of the tests."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(StreamRequestHandler):
    """Answers the requests of one connection, until either side closes it."""

    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        while (line := self.rfile.readline()) and self._serve(line.decode("latin-1").split()):
            pass

    def _serve(self, line: list[str]) -> bool:
        """Answer the request that begins with this line; return whether another may follow."""
        if len(line) != 3 or not line[2].startswith("HTTP/1."):
            # Such as the beginning of an encrypted connection, after which nothing may come.
            self._write(Response(400), "GET")
            return False
        sent = tuple(self._read_headers())
        headers = {name.lower(): value for name, value in sent}
        request = self._read_request(line[0], line[1], headers, sent)
        try:
            response = self.server.app(request)
        except Dropped:
            _shutdown(self.connection)
            return False
        except Exception:
            traceback.print_exc()
            response = Response(500)
        self._write(response, request.method)
        return line[2] != "HTTP/1.0" and headers.get("connection", "").lower() != "close"

    def _read_headers(self) -> Iterator[tuple[str, str]]:
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            yield name, value.strip()

    def _read_request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        sent: tuple[tuple[str, str], ...],
    ) -> Request:
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = int(headers.get("content-length") or 0)
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_chunks() if chunked else self._read_body(length)
        return Request(
            method=method,
            target=target,
            headers=headers,
            raw_headers=sent,
            body=body,
            length=len(body) if chunked else length,
            chunked=chunked,
        )

    def _read_body(self, length: int) -> bytes:
        cap = self.server.body_cap_bytes
        if cap is None or length <= cap:
            return self.rfile.read(length)
        # Judged by Content-Length alone. The body is still read, for a client in the
        # middle of sending would otherwise see a reset and never the answer.
        while length > 0:
            length -= len(self.rfile.read(min(length, HANG_UP_BYTES))) or length
        return b""

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _write(self, response: Response, method: str) -> None:
        lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        if not any(name.lower() == "content-length" for name, _ in response.headers):
            lines.append(f"Content-Length: {len(response.body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        body = b"" if method == "HEAD" else response.body
        # One write: two would wait for the client's delayed acknowledgement.
        self.wfile.write(head + body)


@lru_cache(maxsize=1024)
def _pairs(query: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(query, keep_blank_values=True))


def _shutdown(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
