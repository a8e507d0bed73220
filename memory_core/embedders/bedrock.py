"""Embeddings of Amazon Bedrock: Amazon's Titan and Cohere's Embed, through InvokeModel.

Requests and answers follow the pages "Amazon Titan Text Embeddings" and "Cohere Embed" of the
Amazon Bedrock User Guide:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, Literal

from ..errors import BackendError, SettingsError
from ..model.counting import batches
from ..settings import Settings
from .base import embed_in_pieces, to_slug

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .base import Vectors

Invoke = Callable[[str, bytes], bytes]
"""Given a model and the body of a request, returns the body of the answer; see `connect_with`."""
_InputType = Literal["search_document", "search_query"]

_THREADS = 8


@dataclass(frozen=True, slots=True)
class _Family:
    """Models that take the same request; `choices` are the dimensions that can be requested."""

    default: int
    choices: tuple[int, ...]
    piece_bytes: int
    texts_in_request: int
    languages: frozenset[str] | None = None


_TITAN_BYTES, _COHERE_BYTES, _COHERE_TEXTS = 8_000, 2_000, 96
# By a part of the model's id, which may have a region in front ("eu.") or be an ARN.
_FAMILIES = {
    "titan-embed-text-v2": _Family(1024, (256, 512, 1024), _TITAN_BYTES, 1),
    "titan-embed": _Family(1536, (), _TITAN_BYTES, 1),
    "cohere.embed-v4": _Family(1536, (256, 512, 1024, 1536), _COHERE_BYTES, _COHERE_TEXTS),
    "cohere.embed-english": _Family(1024, (), _COHERE_BYTES, _COHERE_TEXTS, frozenset({"English"})),
    "cohere.embed": _Family(1024, (), _COHERE_BYTES, _COHERE_TEXTS),
}
_connections: list[Callable[[Settings], Invoke]] = []


def connect_with(connect: Callable[[Settings], Invoke]) -> None:
    """Set how models are invoked: boto3 belongs to a package above this one."""
    _connections[:] = [connect]


class BedrockEmbedder:
    """One of Bedrock's embedding models, with the credentials that boto3 finds.

    Raises:
        SettingsError: a model of another provider, or dimensions that the model does not offer.
    """

    def __init__(self, model: str, settings: Settings, dimensions: int | None = None) -> None:
        family = next((made for part, made in _FAMILIES.items() if part in model), None)
        if family is None:
            raise SettingsError(
                f"MEMORY_EMBEDDER names the Bedrock model {model!r}; use one of Amazon's or "
                "Cohere's, such as amazon.titan-embed-text-v2:0 or cohere.embed-multilingual-v3"
            )
        if dimensions not in (None, family.default, *family.choices):
            allowed = ", ".join(map(str, family.choices or (family.default,)))
            raise SettingsError(
                f"MEMORY_EMBEDDER asks for vectors of length {dimensions} from {model!r}; "
                f"use {allowed}"
            )
        self._model = model
        self._family = family
        self.name = f"Bedrock {model}"
        self.slug = to_slug(model)
        self.dimensions = dimensions or family.default
        self.languages = family.languages
        self._invoke = _connections[0](settings)

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, "search_document")

    def embed_question(self, question: str) -> NDArray[np.float32]:
        """Return the vector of a question, which Cohere's models embed differently."""
        vector: NDArray[np.float32] = self._embed([question], "search_query")[0]
        return vector

    def _embed(self, texts: Sequence[str], input_type: _InputType) -> Vectors:
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)

        def embed(pieces: list[str]) -> Vectors:
            groups = list(batches(pieces, self._family.texts_in_request))
            with ThreadPoolExecutor(min(_THREADS, len(groups))) as threads:
                return np.concatenate([*threads.map(self._request, groups, repeat(input_type))])

        return embed_in_pieces(texts, self._family.piece_bytes, embed)

    def _request(self, texts: Sequence[str], input_type: _InputType) -> Vectors:
        """Return the vectors of the texts of one request."""
        import numpy as np

        asked: dict[str, Any]
        if "titan-embed" in self._model:
            asked = {"inputText": texts[0] or " "}
            if self._family.choices:
                asked |= {"dimensions": self.dimensions, "normalize": True}
        else:
            asked = {"texts": [text or " " for text in texts], "input_type": input_type}
            if self._family.choices:
                asked |= {"embedding_types": ["float"], "output_dimension": self.dimensions}
        answer = self._invoke(self._model, json.dumps(asked).encode())
        try:
            document = json.loads(answer)
            vectors = document["embeddings"] if "texts" in asked else [document["embedding"]]
            rows = np.asarray(
                vectors["float"] if isinstance(vectors, dict) else vectors, np.float32
            )
        except (ValueError, TypeError, KeyError) as exc:
            raise self._unexpected() from exc
        if rows.shape != (len(texts), self.dimensions) or not np.isfinite(rows).all():
            raise self._unexpected()
        return rows

    def _unexpected(self) -> BackendError:
        return BackendError(
            f"Bedrock model {self._model!r} did not answer with a vector of length "
            f"{self.dimensions} for each text; check MEMORY_EMBEDDER and the AWS_ENDPOINT_URL "
            "variables",
            backend="bedrock",
            operation="embed",
        )
