"""Embeddings of OpenAI, or of any server with its protocol."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..errors import AccessDenied, BackendError, BackendUnavailable
from ..extras import require
from ..model.counting import batches, counted
from .base import embed_in_pieces, to_slug

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
# A token is at least one byte in the worst scripts, and OpenAI's models take 8,191 tokens; longer
# texts are embedded in pieces and averaged. Models of other servers may take less.
_PIECE_BYTES = (8_000, 2_000, 500)


class OpenAIEmbedder:
    """A model of a server with OpenAI's protocol; the client connects on first use.

    `dimensions` is the length of vectors to request. Without it, a model that is not OpenAI's is
    asked for a vector once the length is needed.
    """

    def __init__(
        self,
        model: str,
        api_key: str,
        base_url: str | None = None,
        dimensions: int | None = None,
    ) -> None:
        self._model = model
        self.name = f"OpenAI {model}"
        self.slug = to_slug(model)
        self._api_key = api_key
        self._base_url = base_url
        self._wanted = dimensions or DIMENSIONS.get(model)
        # Other servers refuse the parameter for models of a fixed length; they get it once their
        # vectors turn out longer than wanted.
        self._tell_dimensions = self._wanted != DIMENSIONS.get(model, self._wanted)

    @property
    def dimensions(self) -> int:
        if self._wanted is None:
            self._wanted = self._request(["dimensions"]).shape[1]
        return self._wanted

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np
        import openai

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        longest = max(len(text.encode()) for text in texts)
        for most_bytes, smaller in pairwise(_PIECE_BYTES):
            try:
                return embed_in_pieces(texts, most_bytes, self._request)
            except BackendError as exc:
                too_long = isinstance(exc.__cause__, openai.BadRequestError)
                if not too_long or longest <= smaller:
                    raise
        return embed_in_pieces(texts, _PIECE_BYTES[-1], self._request)

    def _request(self, texts: Sequence[str]) -> Vectors:
        import numpy as np
        import openai

        options: dict[str, Any] = {"dimensions": self._wanted} if self._tell_dimensions else {}
        rows: list[list[float]] = []
        try:
            for batch in batches(
                texts, _BATCH, max_bytes=_BATCH_BYTES, size_of=lambda text: len(text.encode())
            ):
                # Read raw: the client's own models take 45 ms for each vector (openai 3.54).
                answer = self._client.embeddings.with_raw_response.create(
                    model=self._model, input=batch, encoding_format="float", **options
                )
                items = sorted(json.loads(answer.content)["data"], key=lambda item: item["index"])
                rows += [item["embedding"] for item in items]
            vectors = np.asarray(rows, dtype=np.float32)
        except openai.APIError as exc:
            raise translate(exc, "embed") from exc
        except (ValueError, TypeError, KeyError) as exc:
            # Not JSON, or JSON of another shape.
            raise self._unexpected("something other than vectors") from exc
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
            raise self._unexpected(f"vectors of shape {vectors.shape}")
        if self._wanted not in (None, vectors.shape[1]):
            if self._tell_dimensions or self._model in DIMENSIONS:
                raise self._unexpected(f"vectors of shape {vectors.shape}")
            self._tell_dimensions = True
            return self._request(texts)
        if not np.isfinite(vectors).all():
            raise self._unexpected("numbers that are not finite")
        return vectors

    def _unexpected(self, content: str) -> BackendError:
        return BackendError(
            f"the embedding service answered with {content}, not with "
            f"{counted(self._wanted or 1, 'number')} for each text; check OPENAI_BASE_URL and the "
            "model it serves",
            backend="openai",
            operation="embed",
        )

    @cached_property
    def _client(self) -> openai.OpenAI:
        return make_client(self._api_key, self._base_url)


def make_client(api_key: str, base_url: str | None) -> openai.OpenAI:
    """Return a client that gives up after 3 attempts of 30 seconds; raises MissingExtra.

    Its connections are closed with it: they live no longer, not even for one of its copies.
    """
    require("openai")
    import openai

    http_client = openai.DefaultHttpxClient()
    client = openai.OpenAI(
        api_key=api_key,
        base_url=base_url,
        timeout=_TIMEOUT_S,
        max_retries=_ATTEMPTS - 1,
        http_client=http_client,
    )
    # OpenAI's own client closes them when it is collected, maybe after a socket that is in use.
    weakref.finalize(client, http_client.close)
    return client


def translate(exc: openai.APIError, operation: str) -> BackendError:
    """Return our error for one of the OpenAI client, raised after its own retries."""
    import openai

    code = str(getattr(exc, "status_code", "") or exc.code or "")
    name = type(exc).__name__
    error = BackendError
    message = (
        f"OpenAI refused the {operation} request ({code or name}); check MEMORY_EMBEDDER, "
        "MEMORY_EMBEDDING_MODEL, MEMORY_LLM and OPENAI_BASE_URL"
    )
    passing = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)
    if isinstance(exc, (openai.AuthenticationError, openai.PermissionDeniedError)):
        error = AccessDenied
        message = "OpenAI refused the key; check OPENAI_API_KEY and its permissions"
    elif isinstance(exc, passing):
        error = BackendUnavailable
        message = (
            f"OpenAI did not answer the {operation} request after {_ATTEMPTS} tries ({name}); "
            "try again, and check OPENAI_BASE_URL if the error persists"
        )
    return error(message, backend="openai", operation=operation, code=code)
