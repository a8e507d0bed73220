"""A small real HTTP server that answers InvokeModel as Amazon Bedrock documents it.

Titan takes one text, Cohere up to 96 of at most 2,048 characters. What the service refuses is
refused; the vector of a text follows from the text, the model and, with Cohere, from the use of it.
Sources: "Amazon Titan Text Embeddings" and "Cohere Embed" in the Amazon Bedrock User Guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote

from tests.support.openai_server import vector_of

USES = {"search_document", "search_query", "classification", "clustering"}
MODELS = {
    "amazon.titan-embed-text-v2:0": 1024,
    "amazon.titan-embed-text-v1": 1536,
    "cohere.embed-english-v3": 1024,
    "cohere.embed-multilingual-v3": 1024,
    "eu.cohere.embed-v4:0": 1536,
}
Refusal = tuple[int, str, str]
"""Status, error type and message."""


@dataclass
class BedrockServer:
    """`refuse` is what the next requests get, in order."""

    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuse: list[Refusal] = field(default_factory=list)
    spoil: bool = False
    """Answers have one number too few."""
    lock: Lock = field(default_factory=Lock)

    def answer(self, model: str, body: dict[str, Any]) -> dict[str, Any] | Refusal:
        with self.lock:
            self.requests.append((model, body))
            if self.refuse:
                return self.refuse.pop(0)
        if model not in MODELS:
            return 404, "ResourceNotFoundException", "Could not resolve the foundation model"
        made = self._titan(model, body) if "titan" in model else self._cohere(model, body)
        return made or (400, "ValidationException", "Malformed input request")

    def _titan(self, model: str, body: dict[str, Any]) -> dict[str, Any] | None:
        text, size = body.pop("inputText", None), MODELS[model]
        if "v2" in model:
            size = body.pop("dimensions", size)
            body.pop("normalize", None)
        if not text or len(text) > 50_000 or body or size not in (256, 512, 1024, 1536):
            return None
        vector = vector_of(model + text, size - self.spoil)
        return {"embedding": vector, "inputTextTokenCount": 1}

    def _cohere(self, model: str, body: dict[str, Any]) -> dict[str, Any] | None:
        texts, use = body.pop("texts", []), body.pop("input_type", None)
        kinds, size = body.pop("embedding_types", None), MODELS[model]
        if "v4" in model:
            size = body.pop("output_dimension", size)
        if use not in USES or body or not 1 <= len(texts) <= 96:
            return None
        if not all(0 < len(text) <= 2_048 for text in texts):
            return None
        rows = [vector_of(use + text, size - self.spoil) for text in texts]
        vectors = {"float": rows} if kinds else rows
        form = "embeddings_by_type" if kinds else "embeddings_floats"
        return {"id": "1", "response_type": form, "embeddings": vectors, "texts": texts}


@contextmanager
def bedrock_server() -> Iterator[BedrockServer]:
    """Run the server on a free port until the block ends."""
    state = BedrockServer()

    class Handler(_Handler):
        server_state = state

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: BedrockServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, kind, model, operation = unquote(self.path).split("/", 3)
        assert (kind, operation) == ("model", "invoke")
        assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
        assert "/bedrock/aws4_request" in self.headers["Authorization"]
        answer = self.server_state.answer(model, body)
        status = 200
        if isinstance(answer, tuple):
            status, error, message = answer
            answer = {"message": message}
        content = json.dumps(answer).encode()
        self.send_response(status)
        # Other servers of models mark no answer as Amazon does.
        if "titan" in model:
            self.send_header("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000")
        if status != 200:
            self.send_header("x-amzn-ErrorType", error)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing on stderr."""
