"""A real server for alerts, which refuses, redirects, hangs or loses its answer when told to."""

from __future__ import annotations

import json
import threading
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """A server on this machine that notes what is posted, and answers by a list of ways."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.headers: list[Message] = []
        self.ways: list[str] = []
        self.over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers.append(self.headers)
                receiver.posts.append(json.loads(body))
                way = receiver.ways.pop(0) if receiver.ways else "204"
                if way == "hang":
                    receiver.over.wait()
                elif way != "drop":
                    self.send_response(int(way))
                    self.send_header("Location", receiver.url)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
