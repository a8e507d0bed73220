"""A small threaded HTTP/1.1 server that can also hang up on its client."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

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
        return urlsplit(self.target).path

    @property
    def decoded_path(self) -> str:
        """Return the path with its percent-encoding undone."""
        return unquote(self.path)

    @property
    def query_string(self) -> str:
        """Return what follows the question mark."""
        return urlsplit(self.target).query

    @property
    def query(self) -> list[tuple[str, str]]:
        """Return the query parameters in order, repeated ones included."""
        return parse_qsl(self.query_string, keep_blank_values=True)


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
        threading.Thread(target=self._server.serve, daemon=True).start()

    def stop(self) -> None:
        """Stop listening and close every open connection."""
        if self._server is not None:
            self._server.leave()
            self._server.server_close()
            self._server.hang_up_all()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, app: App, port: int, body_cap_bytes: int | None):
        self.app = app
        self.body_cap_bytes = body_cap_bytes
        self._open: set[socket.socket] = set()
        self._leaving, self._left = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)

    def serve(self) -> None:
        """Take connections until `leave`; asleep in between, where `serve_forever` would poll."""
        while not self._leaving.is_set():
            self.handle_request()
        self._left.set()

    def leave(self) -> None:
        """End `serve`, which a last connection wakes."""
        self._leaving.set()
        socket.create_connection(("127.0.0.1", self.server_port)).close()
        self._left.wait()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self._leaving.is_set()

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def parse_request(self) -> bool:
        """Read the headers line by line: Python's own go through its parser of e-mails."""
        self.command, self.path, version = str(self.raw_requestline, "latin-1").split()
        sent: list[tuple[str, str]] = []
        while line := str(self.rfile.readline(), "latin-1").strip():
            name, _, value = line.partition(":")
            sent.append((name, value.strip()))
        self._sent = tuple(sent)
        self._headers = {name.lower(): value for name, value in sent}
        connection = self._headers.get("connection", "").lower()
        self.close_connection = version != self.protocol_version or connection == "close"
        if self._headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _serve(self) -> None:
        request = self._read_request()
        try:
            response = self.server.app(request)
        except Dropped:
            self.close_connection = True
            _shutdown(self.connection)
            return
        except Exception:
            traceback.print_exc()
            response = Response(500)
        self._write(response)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve

    def _read_request(self) -> Request:
        chunked = self._headers.get("transfer-encoding", "").lower() == "chunked"
        length = int(self._headers.get("content-length") or 0)
        body = self._read_chunks() if chunked else self._read_body(length)
        return Request(
            method=self.command,
            target=self.path,
            headers=self._headers,
            raw_headers=self._sent,
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

    def _write(self, response: Response) -> None:
        lines = [f"HTTP/1.1 {response.status} {self.responses.get(response.status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        if not any(name.lower() == "content-length" for name, _ in response.headers):
            lines.append(f"Content-Length: {len(response.body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        body = b"" if self.command == "HEAD" else response.body
        # One write: two would wait for the client's delayed acknowledgement.
        self.wfile.write(head + body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep standard error clean; the request log is asked for instead."""


def _shutdown(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
