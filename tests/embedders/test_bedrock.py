"""Embeddings of Amazon Bedrock, through real boto3 from a server that answers as documented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from memory_core import (
    AccessDenied,
    BackendError,
    Settings,
    SettingsError,
    open_service,
)
from memory_core.embedders import Embedder, embed_question, open_embedder
from tests.support.bedrock_server import MODELS, BedrockServer, bedrock_server
from tests.support.openai_server import vector_of

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-multilingual-v3"


@pytest.fixture(scope="module")
def running() -> Iterator[BedrockServer]:
    with bedrock_server() as server:
        yield server


@pytest.fixture
def server(running: BedrockServer, monkeypatch: pytest.MonkeyPatch) -> BedrockServer:
    running.requests.clear()
    running.refuse.clear()
    running.spoil = False
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return running


def settings(server: BedrockServer, model: str, **variables: str) -> Settings:
    environ = {
        "MEMORY_EMBEDDER": f"bedrock:{model}",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
    }
    return Settings.from_env({**environ, **variables})


def opened(server: BedrockServer, model: str) -> Embedder:
    return open_embedder(settings(server, model))


def unit(vector: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(vector) / np.linalg.norm(vector)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_gives_each_text_its_vector(server: BedrockServer, model: str) -> None:
    embedder = opened(server, model)
    texts = [f"text {number}" for number in range(100)] + ["", "text 3"]
    rows = embedder.embed(texts)
    assert rows.shape == (102, embedder.dimensions) == (102, MODELS[model])
    assert rows.dtype == np.float32
    start = model if "titan" in model else "search_document"
    for at in (0, 50, 99, 101):
        wanted = unit(vector_of(start + texts[at], MODELS[model]))
        np.testing.assert_allclose(rows[at], wanted, atol=1e-6)
    assert len(server.requests) == (102 if "titan" in model else 2)
    assert {asked for asked, _ in server.requests} == {model}
    assert set(embedder.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert model in embedder.name
    assert embedder.embed([]).shape == (0, MODELS[model])


@pytest.mark.parametrize(
    ("model", "dimensions"), [(f"{TITAN}@256", 256), ("eu.cohere.embed-v4:0@512", 512)]
)
def test_a_shorter_vector_is_asked_for(server: BedrockServer, model: str, dimensions: int) -> None:
    embedder = opened(server, model)
    assert embedder.dimensions == dimensions
    assert embedder.embed(["text"]).shape == (1, dimensions)


def test_cohere_is_told_a_question_from_a_memory(server: BedrockServer) -> None:
    embedder = opened(server, COHERE)
    np.testing.assert_allclose(
        embed_question(embedder, "why?"), unit(vector_of("search_querywhy?", 1024)), atol=1e-6
    )
    titan = opened(server, TITAN)
    np.testing.assert_allclose(embed_question(titan, "why?"), titan.embed(["why?"])[0], atol=1e-6)


@pytest.mark.parametrize("model", [TITAN, COHERE])
@pytest.mark.parametrize("text", ["word " * 10_000, "語" * 10_000, "e\u0301" * 9_000])
def test_a_long_text_is_embedded_in_pieces(server: BedrockServer, model: str, text: str) -> None:
    (row,) = opened(server, model).embed([text])
    assert np.linalg.norm(row) == pytest.approx(1.0, rel=1e-5)


REFUSALS = [
    (400, "ValidationException", "too long", BackendError, "too long"),
    (403, "AccessDeniedException", "no access", AccessDenied, "bedrock:InvokeModel"),
    (403, "UnrecognizedClientException", "who?", AccessDenied, "credentials"),
    (404, "ResourceNotFoundException", "no model", BackendError, "MEMORY_EMBEDDER"),
]


@pytest.mark.parametrize(("status", "code", "message", "kind", "sentence"), REFUSALS)
def test_every_refusal_is_one_error_of_ours(
    server: BedrockServer,
    status: int,
    code: str,
    message: str,
    kind: type[BackendError],
    sentence: str,
) -> None:
    # A second try with credentials read anew gets the same.
    server.refuse += [(status, code, message)] * 2
    with pytest.raises(BackendError) as caught:
        opened(server, TITAN).embed(["text"])
    assert type(caught.value) is kind
    assert sentence in str(caught.value)
    assert caught.value.backend == "bedrock"


@pytest.mark.parametrize("code", ["ThrottlingException", "ModelTimeoutException"])
def test_a_passing_refusal_is_not_seen_at_all(server: BedrockServer, code: str) -> None:
    server.refuse.append((429, code, "slow down"))
    assert opened(server, TITAN).embed(["text"]).shape == (1, 1024)
    assert len(server.requests) == 2


@pytest.mark.parametrize("model", [TITAN, COHERE])
def test_an_answer_of_another_shape_is_one_clear_error(server: BedrockServer, model: str) -> None:
    server.spoil = True
    with pytest.raises(BackendError, match="did not answer with a vector of length 1024"):
        opened(server, model).embed(["text"])


@pytest.mark.parametrize(
    ("model", "sentence"),
    [("meta.llama3", "amazon.titan-embed-text-v2:0"), (f"{TITAN}@300", "256, 512, 1024")],
)
def test_a_model_or_length_that_cannot_be_had_is_named(
    server: BedrockServer, model: str, sentence: str
) -> None:
    with pytest.raises(SettingsError, match="MEMORY_EMBEDDER") as caught:
        opened(server, model)
    assert sentence in str(caught.value)
    assert server.requests == []


def test_a_missing_region_names_the_variable(server: BedrockServer) -> None:
    with pytest.raises(SettingsError, match="AWS_REGION"):
        open_embedder(settings(server, TITAN, AWS_REGION="")).embed(["text"])


def test_memories_are_saved_and_found_with_it(server: BedrockServer, tmp_path: Path) -> None:
    chosen = settings(server, COHERE, MEMORY_DATA_DIR=str(tmp_path))
    with open_service(chosen) as service:
        service.add_text_memory("ann", "likes tea")
        service.add_text_memory("ann", "likes rye")
        assert service.query_memories("ann", "tea")[0].memory.memory == "likes tea"
        assert service.status().dimensions == 1024
