"""Text to unit vectors: the model in the package, and OpenAI's protocol over real HTTP."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from memory_core import (
    AccessDenied,
    BackendError,
    BackendUnavailable,
    MemoryCoreError,
    Settings,
    SettingsError,
)
from memory_core.embedders import Embedder, local, open_embedder
from memory_core.embedders.base import plain_text
from memory_core.embedders.local import LocalEmbedder
from memory_core.embedders.openai import OpenAIEmbedder, make_client
from tests.support.garbage import unclosed_behind
from tests.support.openai_server import DIMENSIONS, Fault, OpenAIServer, openai_server, vector_of

KEY = "sk-a-secret-key-0123456789"
SMALL = "text-embedding-3-small"
MODEL_TOKENS = 8_191
"""What one text may have, by the service's documentation; a token is at least one byte."""


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[OpenAIServer, OpenAIEmbedder]]:
    with openai_server() as server:
        yield server, OpenAIEmbedder(SMALL, KEY, server.url)


@pytest.fixture
def server(running: tuple[OpenAIServer, OpenAIEmbedder]) -> OpenAIServer:
    running[0].reset()
    return running[0]


@pytest.fixture
def remote(running: tuple[OpenAIServer, OpenAIEmbedder], server: OpenAIServer) -> OpenAIEmbedder:
    """The embedder of the server, whose client is made once for all tests."""
    return running[1]


def failure(embedder: Embedder, *texts: str) -> MemoryCoreError:
    with pytest.raises(MemoryCoreError) as caught:
        embedder.embed(texts or ["text"])
    message = str(caught.value)
    assert KEY not in message
    assert KEY not in repr(caught.value)
    assert "\n" not in message
    return caught.value


TEXTS = [
    "Cashews give her hives.",
    "毎週火曜日",
    "x",
    "word " * 5_000,
    "",
    " ",
    "😀",
    "\x00",
    "!!!",
]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("The o\ufb03ce is on the \ufb01rst \ufb02oor.", "The office is on the first floor."),
        ("The cus\u00adtomer likes fu\u00adji apples", "The customer likes fuji apples"),
        ("Ｒｕｔｈ ｌｉｋｅｓ ｆｉｇｓ", "Ruth likes figs"),
        ("Lives in Zu\u0308rich", "Lives in Z\u00fcrich"),
    ],
)
def test_spellings_of_the_same_text_have_the_same_vector(
    embedder: Embedder, written: str, plain: str
) -> None:
    first, second = embedder.embed([written, plain])
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_every_text_gets_a_vector_of_length_one(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions) == (9, 256)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)


def test_a_text_has_the_same_vector_alone_in_a_batch_and_in_a_new_embedder(
    embedder: Embedder,
) -> None:
    together = embedder.embed(TEXTS)
    assert np.array_equal(embedder.embed(TEXTS), together)
    local._model.cache_clear()
    alone = LocalEmbedder()
    for row, text in zip(together, TEXTS, strict=True):
        np.testing.assert_allclose(alone.embed([text])[0], row, atol=1e-6)


def test_nearness_means_something(embedder: Embedder) -> None:
    asked, near, far = embedder.embed(
        ["Which nuts must she avoid?", "She is allergic to cashews.", "The van needs new tyres."]
    )
    assert asked @ near > asked @ far


def test_the_local_embedder_uses_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError(f"connects to {args[1:]}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    local._model.cache_clear()
    assert LocalEmbedder().embed(["text"]).shape == (1, 256)


def test_no_texts_make_no_vectors(embedder: Embedder, remote: OpenAIEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 256)
    assert remote.embed([]).shape == (0, 1536)


@pytest.mark.parametrize("model", sorted(DIMENSIONS))
def test_an_embedder_says_what_it_is(server: OpenAIServer, model: str) -> None:
    for one, slug in ((OpenAIEmbedder(model, KEY, server.url), model), (LocalEmbedder(), None)):
        assert one.slug == (slug or "wordllama")
        assert one.name
        assert set(one.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert OpenAIEmbedder(model, KEY).dimensions == DIMENSIONS[model]


def test_vectors_come_back_in_the_order_of_the_texts(
    server: OpenAIServer, remote: OpenAIEmbedder
) -> None:
    """The server answers in reverse order, as its protocol allows: `index` tells the place."""
    texts = [f"text {number}" for number in range(300)]
    start = time.thread_time()
    rows = remote.embed(texts)
    # The client's own models take 45 ms for a vector, 14 s for these (openai 3.54).
    assert time.thread_time() - start < 10
    assert rows.shape == (300, 1536)
    for text, row in zip(texts, rows, strict=True):
        wanted = np.asarray(vector_of(text, 1536))
        np.testing.assert_allclose(row, wanted / np.linalg.norm(wanted), atol=1e-6)
    assert 1 < len(server.requests) < 10
    assert [text for request in server.requests for text in request.inputs] == texts


def test_the_request_names_model_and_key(server: OpenAIServer, remote: OpenAIEmbedder) -> None:
    remote.embed(["text"])
    (request,) = server.requests
    assert request.path == "/v1/embeddings"
    assert request.authorization == f"Bearer {KEY}"
    assert request.body["model"] == SMALL


LONG = {
    "ascii": "word " * 10_000,
    "japanese": "語" * 10_000,
    "emoji": "😀" * 9_000,
    "ascii, then emoji": "a" * 16_000 + "😀" * 4_000,
    "emoji, then ascii": "😀" * 4_000 + "a" * 16_000,
    "joined": "e\u0301" * 9_000,
}


@pytest.mark.parametrize("name", LONG)
def test_no_piece_of_a_long_text_is_longer_than_the_model_takes(
    server: OpenAIServer, remote: OpenAIEmbedder, name: str
) -> None:
    (row,) = remote.embed([LONG[name]])
    pieces = [text for request in server.requests for text in request.inputs]
    assert "".join(pieces) == plain_text(LONG[name])
    assert len(pieces) > 1
    assert max(len(piece.encode()) for piece in pieces) <= MODEL_TOKENS
    assert np.linalg.norm(row) == pytest.approx(1.0, rel=1e-5)


def test_a_long_text_between_short_ones_moves_no_vector(remote: OpenAIEmbedder) -> None:
    texts = ["first", LONG["ascii"], "last"]
    together = remote.embed(texts)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(remote.embed([text])[0], row, atol=1e-6)


def test_a_big_batch_is_sent_in_requests_that_the_service_takes(
    server: OpenAIServer, remote: OpenAIEmbedder
) -> None:
    """The server refuses more than 300,000 tokens in one request, as the service does."""
    assert remote.embed([f"{number} " + "word " * 1_500 for number in range(256)]).shape[0] == 256
    assert len(server.requests) > 1


FAULTS: list[tuple[Fault, type[BackendError], str, int]] = [
    ("401", AccessDenied, "OPENAI_API_KEY", 1),
    ("403", AccessDenied, "OPENAI_API_KEY", 1),
    ("400", BackendError, "MEMORY_EMBEDDING_MODEL", 1),
    ("429", BackendUnavailable, "after 3 tries", 3),
    ("500", BackendUnavailable, "after 3 tries", 3),
    ("drop", BackendUnavailable, "after 3 tries", 3),
]


@pytest.mark.parametrize(("fault", "kind", "sentence", "tries"), FAULTS)
def test_every_fault_is_one_error_of_ours(
    server: OpenAIServer,
    remote: OpenAIEmbedder,
    fault: Fault,
    kind: type[BackendError],
    sentence: str,
    tries: int,
) -> None:
    server.fail(fault)
    error = failure(remote)
    assert type(error) is kind
    assert isinstance(error, BackendError)
    assert sentence in str(error)
    assert (error.backend, error.operation) == ("openai", "embed")
    assert error.code == (fault if fault != "drop" else "")
    assert error.__cause__ is not None
    assert len(server.requests) == tries


@pytest.mark.parametrize("fault", ["429", "500", "drop"])
def test_a_passing_fault_is_not_seen_at_all(
    server: OpenAIServer, remote: OpenAIEmbedder, fault: Fault
) -> None:
    server.fail(fault, times=1)
    assert remote.embed(["text"]).shape == (1, 1536)
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", ["dimension", "ragged", "empty", "garbage", "nulls", "missing"])
def test_an_answer_that_is_not_what_was_asked_is_one_clear_error(
    server: OpenAIServer, remote: OpenAIEmbedder, fault: Fault
) -> None:
    server.fail(fault)
    error = failure(remote, "one", "two")
    assert type(error) is BackendError
    assert "OPENAI_BASE_URL" in str(error)


def test_a_service_that_hangs_is_given_up(server: OpenAIServer) -> None:
    client = make_client(KEY, server.url)
    assert isinstance(client.timeout, float)
    assert client.timeout * (client.max_retries + 1) <= 90
    hasty = OpenAIEmbedder(SMALL, KEY, server.url)
    hasty._client = client.with_options(timeout=0.2, max_retries=0)
    server.fail("hang")
    error = failure(hasty)
    assert type(error) is BackendUnavailable
    assert "OPENAI_BASE_URL" in str(error)


def test_a_failure_that_is_kept_leaves_no_connection_open(server: OpenAIServer) -> None:
    server.fail("401")
    assert unclosed_behind(lambda: failure(OpenAIEmbedder(SMALL, KEY, server.url))) == []


def test_nobody_at_the_address_is_an_error_that_names_the_variable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        # Bound, and thereby nobody else's; it does not listen.
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        error = failure(OpenAIEmbedder(SMALL, KEY, url))
    assert type(error) is BackendUnavailable
    assert "OPENAI_BASE_URL" in str(error)


def test_the_key_is_in_no_log_line(
    server: OpenAIServer, remote: OpenAIEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    """The server repeats the key in what it answers, as some do."""
    server.fail("401")
    with caplog.at_level(logging.INFO):
        failure(remote)
    assert KEY not in caplog.text


def test_the_settings_choose_the_embedder(server: OpenAIServer) -> None:
    keyed = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    chosen = {
        "local": [{}, {"MEMORY_EMBEDDER": "local"}, {**keyed, "MEMORY_EMBEDDER": "local"}],
        "openai": [keyed, {**keyed, "MEMORY_EMBEDDER": "openai"}],
    }
    for name, environs in chosen.items():
        for environ in environs:
            opened = open_embedder(Settings.from_env(environ))
            assert isinstance(opened, LocalEmbedder if name == "local" else OpenAIEmbedder)
    opened.embed(["text"])
    assert len(server.requests) == 1


def chosen(embedder: str, server: OpenAIServer, **variables: str) -> Embedder:
    variables = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY, **variables}
    return open_embedder(Settings.from_env({"MEMORY_EMBEDDER": embedder, **variables}))


def test_any_model_of_a_server_is_asked_for_the_length_of_its_vectors(server: OpenAIServer) -> None:
    own = chosen("openai:hf.co/Org/Model-v1.5:F16", server)
    assert server.requests == []
    assert (own.dimensions, own.slug) == (384, "hf.co-org-model-v1.5-f16")
    assert own.embed(["text"]).shape == (1, 384)
    assert [request.body["model"] for request in server.requests] == [
        "hf.co/Org/Model-v1.5:F16"
    ] * 2
    assert all("dimensions" not in request.body for request in server.requests)


@pytest.mark.parametrize(
    ("embedder", "dimensions", "told"),
    [
        (f"openai:{SMALL}", 1536, [None]),
        (f"openai:{SMALL}@512", 512, [512]),
        ("openai:mine@384", 384, [None]),
        ("openai:mine@256", 256, [None, 256]),
        ("openai:@cf/baai/bge@384", 384, [None]),
    ],
)
def test_the_length_is_told_only_where_another_one_is_wanted(
    server: OpenAIServer, embedder: str, dimensions: int, told: list[int | None]
) -> None:
    opened = chosen(embedder, server)
    assert opened.dimensions == dimensions
    assert opened.embed(["text"]).shape == (1, dimensions)
    assert [request.body.get("dimensions") for request in server.requests] == told
    opened.embed(["text"])
    assert server.requests[-1].body.get("dimensions") == told[-1], "it is learned once"


def test_a_server_of_ones_own_needs_no_key(server: OpenAIServer) -> None:
    own = open_embedder(
        Settings.from_env({"MEMORY_EMBEDDER": "openai:mine", "OPENAI_BASE_URL": server.url})
    )
    assert own.embed(["text"]).shape == (1, 384)
    with pytest.raises(SettingsError, match="'openai:mine' but OPENAI_API_KEY is not set"):
        open_embedder(Settings.from_env({"MEMORY_EMBEDDER": "openai:mine"}))


def test_a_model_with_a_short_context_gets_shorter_pieces(server: OpenAIServer) -> None:
    server.most_bytes = 512
    own = chosen("openai:mine@384", server)
    assert own.embed(["short", "word " * 1_000]).shape == (2, 384)
    assert len(server.requests[-1].inputs) == 11
    server.most_bytes = 3
    assert "MEMORY_EMBEDDER" in str(failure(own, "text"))


@pytest.mark.parametrize("embedder", ["openai:", "bedrock:", "openai:mine@0", "cohere:x", "s4"])
def test_a_choice_without_a_model_is_refused_with_its_form(embedder: str) -> None:
    with pytest.raises(SettingsError, match=r"MEMORY_EMBEDDER is '.*MODEL"):
        Settings.from_env({"MEMORY_EMBEDDER": embedder})


def test_a_missing_key_and_an_unknown_model_are_named() -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY is not set"):
        open_embedder(Settings.from_env({"MEMORY_EMBEDDER": "openai"}))
    with pytest.raises(SettingsError, match=r"MEMORY_EMBEDDING_MODEL is 'nope'.*3-small"):
        open_embedder(Settings.from_env({"OPENAI_API_KEY": KEY, "MEMORY_EMBEDDING_MODEL": "nope"}))
