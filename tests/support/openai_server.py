"""A small real HTTP server that speaks OpenAI's protocol, with faults to switch on.

Answers follow from the request alone: the vector of a text is drawn from its digest, and a
chat answers with `answer`. Every request is kept in `requests`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Literal

import numpy as np

Fault = Literal[
    "401", "403", "400", "429", "500", "hang", "drop", "garbage",  # Any request.
    "empty", "dimension", "ragged", "nulls", "missing",  # Embeddings; "empty" also a chat.
]  # fmt: skip

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
OWN = 384
"""The length of vectors of any other model."""
REQUEST_TOKENS = 300_000
"""The service refuses a request whose inputs have more tokens together; four bytes count as one."""
_HANG_S = 20.0


@dataclass(frozen=True)
class Request:
    path: str
    authorization: str
    body: dict[str, Any]

    @property
    def inputs(self) -> list[str]:
        """The texts of an embedding request."""
        return list(self.body["input"])

    @property
    def prompt(self) -> str:
        """All that a chat request says, in one text."""
        return "\n".join(str(message["content"]) for message in self.body["messages"])


@dataclass
class OpenAIServer:
    """`fail` switches a fault on, for the next `times` requests or for good."""

    url: str = ""
    answer: str = '{"memory": []}'
    shuffled: bool = True
    most_bytes: int = 8_191
    """Of one input; a longer one is refused."""
    requests: list[Request] = field(default_factory=list)
    released: Event = field(default_factory=Event)
    _faults: list[Fault] = field(default_factory=list)
    _lasting: Fault | None = None
    _lock: Lock = field(default_factory=Lock)

    def fail(self, fault: Fault, times: int | None = None) -> None:
        if times is None:
            self._lasting = fault
        else:
            self._faults += [fault] * times

    def reset(self) -> None:
        """Forget requests and faults, for the next test."""
        self.answer, self._lasting, self.most_bytes = '{"memory": []}', None, 8_191
        self.requests.clear()
        self._faults.clear()

    def asked(self, path: str) -> list[Request]:
        return [one for one in self.requests if one.path.endswith(path)]

    def take(self, request: Request) -> Fault | None:
        """Log a request and return the fault it is to meet."""
        with self._lock:
            self.requests.append(request)
            return self._faults.pop(0) if self._faults else self._lasting


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """Run the server on a free port until the block ends."""
    state = OpenAIServer()

    class Handler(_Handler):
        server_state = state

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            server.shutdown()
            thread.join()


def vector_of(text: str, dimensions: int) -> list[float]:
    """Return the vector that the server gives to a text; not of unit length."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return list(np.random.default_rng(seed).normal(size=dimensions).round(6))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: OpenAIServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(self.path, self.headers.get("Authorization", ""), body)
        fault = self.server_state.take(request)
        if fault == "drop":
            self.close_connection = True
        elif fault == "hang":
            self.server_state.released.wait(_HANG_S)
            self.close_connection = True
        elif fault == "garbage":
            self._send(200, b'{"data": [{"embedd')
        elif fault and fault.isdigit():
            self._refuse(int(fault), f"told to fail; the key was {request.authorization}")
        else:
            self._answer(request, fault)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing on stderr."""

    def _answer(self, request: Request, fault: Fault | None) -> None:
        if request.path == "/v1/embeddings":
            tokens = sum(len(text.encode()) for text in request.inputs) // 4
            longest = max(len(text.encode()) for text in request.inputs)
            if longest > self.server_state.most_bytes:
                self._refuse(400, "the input length exceeds the context length")
            elif tokens > REQUEST_TOKENS:
                self._refuse(400, f"Requested {tokens} tokens, max {REQUEST_TOKENS} per request")
            else:
                self._send_json(self._embeddings(request, fault))
        elif request.path == "/v1/chat/completions":
            self._send_json(self._completion(request, fault))
        else:
            self._refuse(404, f"no such path: {request.path}")

    def _embeddings(self, request: Request, fault: Fault | None) -> dict[str, Any]:
        size = request.body.get("dimensions") or DIMENSIONS.get(request.body["model"], OWN)
        size //= 2 if fault == "dimension" else 1
        rows: list[dict[str, Any]] = [
            {"object": "embedding", "index": at, "embedding": vector_of(text, size)}
            for at, text in enumerate(request.inputs)
        ]
        spoiled = {"ragged": [1.0, 2.0], "nulls": [None] * size}
        if fault in spoiled:
            rows[-1]["embedding"] = spoiled[fault]
        if self.server_state.shuffled:
            rows.reverse()
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        data = [] if fault == "empty" else rows[1:] if fault == "missing" else rows
        return {"object": "list", "model": request.body["model"], "data": data, "usage": usage}

    def _completion(self, request: Request, fault: Fault | None) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.server_state.answer}
        choices = [{"index": 0, "finish_reason": "stop", "message": message}]
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": request.body["model"],
            "choices": [] if fault == "empty" else choices,
        }

    def _refuse(self, status: int, message: str) -> None:
        error = {"error": {"message": message, "type": "told", "code": f"code_{status}"}}
        self._send_json(error, status)

    def _send_json(self, document: dict[str, Any], status: int = 200) -> None:
        self._send(status, json.dumps(document).encode())

    def _send(self, status: int, content: bytes) -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status in {429, 500}:
                self.send_header("Retry-After", "0.01")
            self.end_headers()
            self.wfile.write(content)
