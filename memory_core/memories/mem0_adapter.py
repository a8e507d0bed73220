"""mem0 behind one class; the only file that imports it, loaded when there is something to compose.

mem0's `Memory` runs over parts that keep nothing: it turns a request into payloads and vectors, and
the service writes those in the order that makes them durable. So payloads are mem0's own, and
nothing is created on disk or over the network unnoticed (tests pin this for mem0ai 2.2.1).
"""

# ruff: noqa: E402 - mem0 reads its telemetry variables while it is imported.
from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..settings import Settings, silence_telemetry

silence_telemetry()

# mem0 asks Qdrant's client for one type to check settings against, and loading it takes a third of
# the time that saving takes to start. Other users of the client import it as ever.
_NO_CLIENT = ModuleType("qdrant_client")
_NO_CLIENT.__dict__["QdrantClient"] = object
_left_out = sys.modules.setdefault("qdrant_client", _NO_CLIENT) is _NO_CLIENT
try:
    from mem0 import Memory
finally:
    if _left_out:
        del sys.modules["qdrant_client"]
from mem0.configs.base import MemoryConfig
from mem0.embeddings.base import EmbeddingBase
from mem0.exceptions import LLMError
from mem0.memory.utils import extract_json, remove_code_blocks
from mem0.utils import spacy_models
from mem0.utils.factory import LlmFactory
from mem0.vector_stores.base import VectorStoreBase
from pydantic import BaseModel

from ..embedders import Embedder
from ..embedders.openai import make_client, translate
from ..errors import BackendError, BackendUnavailable, SettingsError
from ..model.limits import check_text
from ..model.records import Scope, Source
from ..storage.vectors import Vector

if TYPE_CHECKING:
    from ..storage.vectors.base import Values

Neighbours = Callable[[str, "Values"], Sequence[Vector]]
"""Given a text and its vector, returns the user's nearest memories, for mem0 to compare with."""

_CONFIG = MemoryConfig()
# mem0's copy of the text for a search that we do ourselves: half the size of a memory.
_NOT_STORED = "text_lemmatized"

# mem0 logs the text of memories, and messages of the provider, which may repeat the key. It raises
# its errors as well.
logging.getLogger("mem0").setLevel(logging.CRITICAL)
# Where spaCy is installed, mem0 would download a model for entities that we do not keep.
spacy_models._load_failed_full = True
spacy_models._load_failed_lemma = True


class Engine:
    """Composes memories and writes nothing. Safe to share between threads.

    The vectors it returns carry keys of mem0's, which mean nothing here.
    """

    def __init__(self, settings: Settings, embedder: Embedder) -> None:
        self._embedder = embedder
        self._llm = _open_llm(settings)

    def compose(self, scope: Scope, sources: Sequence[Source]) -> list[Vector]:
        """Return one memory per source, in order; their vectors are made in one batch."""
        texts = list(dict.fromkeys(source.text for source in sources))
        ready = dict(zip(texts, self._embedder.embed(texts), strict=True))
        memory = self._memory(_Collector(), ready)
        for source in sources:
            message = {"role": "user", "content": source.text}
            if source.name:
                message["name"] = source.name
            memory.add([message], infer=False, **_scoped(scope, source.metadata))
        return [
            # Set here, since mem0 leaves out messages whose role is "system".
            replace(vector, payload={**vector.payload, "role": source.role})
            for vector, source in zip(memory.vector_store.collected, sources, strict=True)
        ]

    def extract(
        self,
        scope: Scope,
        messages: Sequence[Mapping[str, Any]],
        metadata: Mapping[str, Any],
        neighbours: Neighbours,
    ) -> list[Vector]:
        """Return the memories that the language model extracts, possibly none.

        Raises:
            SettingsError: no language model is configured.
            BackendError: it did not answer, or refused.
        """
        if self._llm is None:
            raise SettingsError(
                "extraction needs a language model and MEMORY_LLM is not set; set it to "
                "openai:MODEL with OPENAI_API_KEY, or save without extraction"
            )
        memory = self._memory(_Collector(neighbours), {})
        try:
            memory.add(list(map(dict, messages)), infer=True, **_scoped(scope, metadata))
        except LLMError as exc:
            raise _translate(exc) from None
        if memory.embedding_model.failure:
            raise memory.embedding_model.failure
        for vector in memory.vector_store.collected:
            check_text(vector.payload["data"], "the extracted memory")
        return memory.vector_store.collected

    def revise(self, stored: Vector, text: str, metadata: Mapping[str, Any] | None) -> Vector:
        """Return `stored` with another text, and with `metadata` merged into its own."""
        memory = self._memory(_Collector(stored=stored), {text: self._embedder.embed([text])[0]})
        memory.update(stored.key, text=text, metadata=dict(metadata) if metadata else None)
        (revised,) = memory.vector_store.collected
        return revised

    def _memory(self, collector: _Collector, ready: Mapping[str, Values]) -> _Composer:
        return _Composer(collector, _Embedding(self._embedder, ready), self._llm)


class _Composer(Memory):  # type: ignore[misc]
    """mem0's Memory with its parts set by hand: its own constructor opens stores and files."""

    def __init__(self, collector: _Collector, embedding: _Embedding, llm: Any) -> None:
        self.config = _CONFIG
        self.embedding_model = embedding
        self.vector_store = collector
        self.llm = llm
        self.db = _NoHistory()
        self.collection_name = "holdfast"
        self.api_version = _CONFIG.version
        self.custom_instructions = None
        self.reranker = None
        # Entities are not kept; without spaCy's model none are found either.
        self._entity_store = _Collector()


class _Embedding(EmbeddingBase):  # type: ignore[misc]
    """Our embedder as mem0's; texts embedded in a batch beforehand are not embedded again."""

    def __init__(self, embedder: Embedder, ready: Mapping[str, Values]) -> None:
        super().__init__()
        self._embedder = embedder
        self._ready = ready
        self.failure: BackendError | None = None

    def embed(self, text: str, memory_action: str | None = None) -> Values:
        known = self._ready.get(text)
        return known if known is not None else self._embedder.embed([text])[0]

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[Values]:
        try:
            return list(self._embedder.embed(texts))
        except BackendError as exc:
            # mem0 would continue without the memories that it could not embed.
            self.failure = exc
            raise


class _Stored(BaseModel):
    """A stored memory as mem0 reads it."""

    id: str
    score: float
    payload: dict[str, Any]


class _Collector(VectorStoreBase):  # type: ignore[misc]
    """Takes what mem0 would store, and shows it what is stored; refuses everything else."""

    def __init__(self, neighbours: Neighbours | None = None, stored: Vector | None = None) -> None:
        self.collected: list[Vector] = []
        self._neighbours = neighbours
        self._stored = stored

    def insert(
        self, vectors: Iterable[Any], payloads: Iterable[Any] = (), ids: Iterable[str] = ()
    ) -> None:
        for key, values, payload in zip(ids, vectors, payloads, strict=True):
            self._collect(key, values, payload)

    def update(self, vector_id: str, vector: Any = None, payload: Any = None) -> None:
        self._collect(vector_id, vector, payload)

    def get(self, vector_id: str) -> _Stored | None:
        if self._stored is None or self._stored.key != vector_id:
            return None
        return _stored(self._stored)

    def search(
        self, query: str, vectors: Any, top_k: int = 5, filters: Any = None
    ) -> list[_Stored]:
        near = self._neighbours(query, vectors) if self._neighbours else ()
        return [_stored(vector) for vector in near[:top_k]]

    def list(self, filters: Any = None, top_k: int | None = None) -> list[list[_Stored]]:
        return [[]]

    def _collect(self, key: str, values: Any, payload: Mapping[str, Any]) -> None:
        kept = {name: value for name, value in payload.items() if name != _NOT_STORED}
        self.collected.append(Vector(key, kept, values))

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("mem0 is used to compose memories, not to store them")

    create_col = delete = delete_col = list_cols = col_info = reset = _refuse


class _NoHistory:
    """In place of mem0's local database: history is the ledger's, and messages are not kept.

    mem0 would put a scope's last ten messages into the next prompt, even those forgotten since.
    """

    def get_last_messages(self, session_scope: str, limit: int = 10) -> list[dict[str, Any]]:
        return []

    def _keep_nothing(self, *args: Any, **kwargs: Any) -> None:
        """Take the call and keep nothing."""

    save_messages = add_history = batch_add_history = _keep_nothing


class _CheckedLlm:
    """A language model whose answers are checked: mem0 takes unreadable ones for "nothing"."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm

    def generate_response(self, messages: Any, response_format: Any = None, **options: Any) -> str:
        answer = self._llm.generate_response(messages, response_format, **options)
        for read in (remove_code_blocks, extract_json):
            with suppress(ValueError, KeyError, TypeError):
                document = json.loads(read(answer or ""), strict=False)
                if all(isinstance(fact["text"], str) for fact in document["memory"]):
                    return json.dumps(document)
        raise BackendError(
            "the language model did not answer with a list of memories; try again, or set "
            "MEMORY_LLM to a model that answers in JSON",
            backend="openai",
            operation="extraction",
        )


def _stored(vector: Vector) -> _Stored:
    return _Stored(id=vector.key, score=1.0, payload=dict(vector.payload))


def _scoped(scope: Scope, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "user_id": scope.user_id,
        "agent_id": scope.agent_id,
        "run_id": scope.run_id,
        "metadata": dict(metadata),
    }


def _open_llm(settings: Settings) -> Any:
    if settings.llm is None:
        return None
    provider, _, model = settings.llm.partition(":")
    if provider != "openai" or not model:
        raise SettingsError(
            f"MEMORY_LLM is {settings.llm!r}; set it to openai:MODEL, which also reaches any "
            "server that speaks OpenAI's protocol through OPENAI_BASE_URL"
        )
    if not settings.openai_api_key:
        raise SettingsError("MEMORY_LLM is set but OPENAI_API_KEY is not; set it as well")
    llm = LlmFactory.create(provider, {"model": model, "api_key": settings.openai_api_key})
    # mem0's own waits up to ten minutes, and follows OPENROUTER_API_KEY if it is set.
    llm.client = make_client(settings.openai_api_key, settings.openai_base_url)
    return _CheckedLlm(llm)


def _translate(exc: LLMError) -> BackendError:
    """Return our error for the provider's, which mem0 keeps as the cause."""
    # Not at the top: it takes half a second of every start, and few installations extract.
    import openai

    cause = exc.__cause__
    if isinstance(cause, BackendError):
        return cause
    if isinstance(cause, openai.APIError):
        return translate(cause, "extraction")
    return BackendUnavailable(
        f"the language model did not answer ({type(cause).__name__}); try again, or save without "
        "extraction",
        backend="llm",
        operation="extraction",
    )
