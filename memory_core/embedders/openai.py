"""Embeddings of OpenAI, or of any server that speaks its protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import AccessDenied, BackendError, BackendUnavailable, SettingsError
from ..extras import require
from ..model.counting import batches, counted
from .base import plain_text, unit_rows

if TYPE_CHECKING:
    import openai

    from .base import Vectors

DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""Source: https://platform.openai.com/docs/guides/embeddings"""

_BATCH = 256
# The service takes 300,000 tokens in one request.
_BATCH_BYTES = 300_000
_TIMEOUT_S = 30.0
_ATTEMPTS = 3
# A token is at least one byte in the worst scripts, and the models take 8,191 tokens; longer texts
# are embedded in pieces and averaged.
_PIECE_BYTES = 8_000


class OpenAIEmbedder:
    """One of OpenAI's embedding models; the client connects on first use.

    Raises:
        SettingsError: a model whose dimensions are not known.
    """

    def __init__(self, model: str, api_key: str, base_url: str | None = None) -> None:
        if model not in DIMENSIONS:
            raise SettingsError(
                f"MEMORY_EMBEDDING_MODEL is {model!r}; set it to one of {', '.join(DIMENSIONS)}"
            )
        self._model = model
        self._api_key = api_key
        self._base_url = base_url

    @property
    def name(self) -> str:
        return f"OpenAI {self._model}"

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9.-]+", "-", self._model.lower())

    @property
    def dimensions(self) -> int:
        return DIMENSIONS[self._model]

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        pieces = [_pieces(plain_text(text)) for text in texts]
        vectors = self._request([piece for group in pieces for piece in group])
        rows, start = [], 0
        for group in pieces:
            weights = [len(piece) for piece in group]
            rows.append(np.average(vectors[start : start + len(group)], axis=0, weights=weights))
            start += len(group)
        return unit_rows(np.asarray(rows, dtype=np.float32).reshape(-1, self.dimensions))

    def _request(self, texts: Sequence[str]) -> Vectors:
        import numpy as np
        import openai

        def size(text: str) -> int:
            return len(text.encode())

        rows: list[list[float]] = []
        try:
            for batch in batches(texts, _BATCH, max_bytes=_BATCH_BYTES, size_of=size):
                # Read raw: the client's own models take 45 ms for each vector (openai 3.54).
                answer = self._client.embeddings.with_raw_response.create(
                    model=self._model, input=batch, encoding_format="float"
                )
                items = sorted(json.loads(answer.content)["data"], key=lambda item: item["index"])
                rows += [item["embedding"] for item in items]
            vectors = np.asarray(rows, dtype=np.float32)
        except openai.APIError as exc:
            raise translate(exc, "embed") from exc
        except (ValueError, TypeError, KeyError) as exc:
            # Not JSON, or JSON of another shape.
            raise self._unexpected("something other than vectors") from exc
        if vectors.shape != (len(texts), self.dimensions):
            raise self._unexpected(f"vectors of shape {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise self._unexpected("numbers that are not finite")
        return vectors

    def _unexpected(self, content: str) -> BackendError:
        return BackendError(
            f"the embedding service answered with {content}, not with "
            f"{counted(self.dimensions, 'number')} for each text; check OPENAI_BASE_URL and the "
            "model it serves",
            backend="openai",
            operation="embed",
        )

    @cached_property
    def _client(self) -> openai.OpenAI:
        return make_client(self._api_key, self._base_url)


def make_client(api_key: str, base_url: str | None) -> openai.OpenAI:
    """Return a client that gives up after 3 tries of 30 seconds; raises MissingExtra."""
    require("openai")
    import openai

    return openai.OpenAI(
        api_key=api_key, base_url=base_url, timeout=_TIMEOUT_S, max_retries=_ATTEMPTS - 1
    )


def translate(exc: openai.APIError, operation: str) -> BackendError:
    """Return our error for one of the OpenAI client's, raised after its own retries."""
    import openai

    code = str(getattr(exc, "status_code", "") or exc.code or "")
    name = type(exc).__name__
    error, message = (
        BackendError,
        (
            f"OpenAI refused the {operation} request ({code or name}); "
            "check MEMORY_EMBEDDING_MODEL, MEMORY_LLM and OPENAI_BASE_URL"
        ),
    )
    passing = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)
    if isinstance(exc, (openai.AuthenticationError, openai.PermissionDeniedError)):
        error = AccessDenied
        message = "OpenAI refused the key; check OPENAI_API_KEY and its permissions"
    elif isinstance(exc, passing):
        error = BackendUnavailable
        message = (
            f"OpenAI did not answer the {operation} request after {_ATTEMPTS} tries ({name}); "
            "try again, and check OPENAI_BASE_URL if it lasts"
        )
    return error(message, backend="openai", operation=operation, code=code)


def _pieces(text: str) -> list[str]:
    raw, pieces = text.encode(), []
    while raw:
        end = _PIECE_BYTES
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # Within a character.
            end -= 1
        pieces.append(raw[:end].decode())
        raw = raw[end:]
    return pieces or [text]
