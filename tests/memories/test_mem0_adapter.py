"""What we rely on in mem0 2.2.1, and what it may not do behind our back."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_core import Settings, SettingsError, UserId, open_service
from memory_core.embedders import Embedder
from memory_core.errors import AccessDenied, BackendError, BackendUnavailable
from memory_core.memories.mem0_adapter import Engine
from memory_core.model.records import Scope, Source
from memory_core.storage.vectors import Vector
from tests.support.openai_server import Fault, OpenAIServer, openai_server
from tests.support.paths import ROOT

KEY = "sk-a-secret-key-0123456789"
ALICE = Scope(UserId("alice@example.com"))
SAID = "I stopped eating cashews."
FACT = "Alice stopped eating cashews."


@pytest.fixture(scope="module")
def engine(embedder: Embedder) -> Engine:
    return Engine(Settings(), embedder)


@pytest.fixture(scope="module")
def running(embedder: Embedder) -> Iterator[tuple[OpenAIServer, Engine]]:
    with openai_server() as server:
        yield server, Engine(llm_settings(server), embedder)


@pytest.fixture
def server(running: tuple[OpenAIServer, Engine]) -> OpenAIServer:
    running[0].reset()
    return running[0]


@pytest.fixture
def reader(running: tuple[OpenAIServer, Engine], server: OpenAIServer) -> Engine:
    """An engine with a language model, whose client is made once for all tests."""
    return running[1]


def llm_settings(server: OpenAIServer, **more: str) -> Settings:
    environ = {"MEMORY_LLM": "openai:test-model", "OPENAI_API_KEY": KEY, "MEMORY_EMBEDDER": "local"}
    return Settings.from_env({**environ, "OPENAI_BASE_URL": server.url, **more})


def found(*texts: object) -> str:
    return json.dumps({"memory": [{"id": str(at), "text": one} for at, one in enumerate(texts)]})


def extract(engine: Engine, *stored: Vector, said: str = SAID) -> list[Vector]:
    message = {"role": "user", "content": said}
    return engine.extract(ALICE, [message], {"topic": "diet"}, lambda text, values: stored)


def test_the_version_of_mem0_is_the_one_these_tests_pin() -> None:
    assert importlib.metadata.version("mem0ai") == "2.2.1"


def test_a_raw_memory_has_mem0s_own_payload(engine: Engine) -> None:
    scope = Scope(UserId("alice@example.com"), "agent-1", "run-1")
    metadata = {"topic": "diet", "n": [1, 2]}
    (one,) = engine.compose(scope, [Source("Likes tea.", metadata=metadata)])
    ids = {"user_id": "alice@example.com", "agent_id": "agent-1", "run_id": "run-1"}
    text = {"data": "Likes tea.", "hash": hashlib.md5(b"Likes tea.").hexdigest()}
    now = one.payload["created_at"]
    times = {"created_at": now, "updated_at": now}
    assert one.payload == {**metadata, **ids, **text, **times, "role": "user"}
    assert abs((datetime.now(UTC) - datetime.fromisoformat(now)).total_seconds()) < 60


def test_what_is_not_given_is_no_key(engine: Engine) -> None:
    plain, named = engine.compose(ALICE, [Source("Hi."), Source("Hello.", "assistant", "Bot")])
    always = {"data", "hash", "user_id", "role", "created_at", "updated_at"}
    assert set(plain.payload) == always
    assert set(named.payload) == always | {"actor_id"}
    assert (named.payload["role"], named.payload["actor_id"]) == ("assistant", "Bot")


def test_every_source_becomes_one_memory_in_order(engine: Engine, embedder: Embedder) -> None:
    roles = ["user", "system", "assistant", "tool", "developer", "user"]
    sources = [Source(f"text {at % 5}", role) for at, role in enumerate(roles)]
    composed = engine.compose(ALICE, sources)
    assert [one.payload["data"] for one in composed] == [one.text for one in sources]
    assert [one.payload["role"] for one in composed] == roles
    for one in composed:
        assert one.values is not None
        np.testing.assert_allclose(one.values, embedder.embed([one.payload["data"]])[0], atol=1e-6)


@pytest.mark.parametrize("text", ['{"a": 1}', "```json\n{}\n```", "a\x00b", "<think>x</think>y"])
def test_a_raw_text_is_kept_as_it_is(engine: Engine, text: str) -> None:
    assert engine.compose(ALICE, [Source(text)])[0].payload["data"] == text


def test_revising_keeps_ids_and_creation_and_merges_metadata(
    engine: Engine, embedder: Embedder
) -> None:
    scope = Scope(UserId("alice@example.com"), "agent-1", "run-1")
    source = Source("Likes tea.", "assistant", "Bot", {"topic": "diet", "place": "p. 1"})
    (before,) = engine.compose(scope, [source])
    after = engine.revise(before, "Likes coffee.", {"topic": "drinks", "new": True})
    text = {"data": "Likes coffee.", "hash": hashlib.md5(b"Likes coffee.").hexdigest()}
    now = after.payload["updated_at"]
    merged = {"topic": "drinks", "new": True, "updated_at": now}
    assert (after.key, after.payload) == (before.key, {**before.payload, **text, **merged})
    assert now > before.payload["updated_at"]
    assert after.values is not None
    np.testing.assert_allclose(after.values, embedder.embed(["Likes coffee."])[0], atol=1e-6)
    assert engine.revise(before, "Same", None).payload["topic"] == "diet"


PROGRAM = """
import os, socket, sys
def refuse(*args): raise AssertionError(f"connects: {args[1:]}")
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
sys.path.insert(0, sys.argv[1])
from memory_core.embedders.local import LocalEmbedder
from memory_core.memories.mem0_adapter import Engine
from memory_core.model.records import Scope, Source
from memory_core.settings import Settings
engine = Engine(Settings(), LocalEmbedder())
(one,) = engine.compose(Scope("alice", "a", "r"), [Source("text", metadata={"due": "tomorrow"})])
engine.revise(one, "other", {"due": "today"})
print(os.environ["MEM0_TELEMETRY"], os.environ["ANONYMIZED_TELEMETRY"], os.environ["MEM0_DIR"])
"""


def test_nothing_is_made_on_the_disk_and_no_socket_is_used(tmp_path: Path) -> None:
    for name in ("home", "work", "temp"):
        (tmp_path / name).mkdir()
    places = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "temp")}
    command = [sys.executable, "-c", PROGRAM, str(ROOT)]
    env = {**places, "MEM0_TELEMETRY": "True"}
    done = subprocess.run(command, cwd=tmp_path / "work", env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *switches, mem0_dir = done.stdout.split()
    assert switches == ["False", "False"]
    made = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in made if not path.is_relative_to(mem0_dir)} == set()
    assert Path(mem0_dir).is_relative_to(tmp_path / "temp")


def test_facts_of_the_language_model_become_memories(server: OpenAIServer, reader: Engine) -> None:
    server.answer = found(FACT, "Alice likes tea.", FACT)
    composed = extract(reader)
    assert [one.payload["data"] for one in composed] == [FACT, "Alice likes tea."]
    for one in composed:
        assert (one.payload["user_id"], one.payload["topic"]) == ("alice@example.com", "diet")
        assert "text_lemmatized" not in one.payload
        assert one.values is not None
    (request,) = server.requests
    assert (request.path, request.body["model"]) == ("/v1/chat/completions", "test-model")
    assert SAID in request.prompt


def test_what_is_stored_already_is_shown_to_the_model_and_not_added_again(
    server: OpenAIServer, reader: Engine, engine: Engine
) -> None:
    stored = engine.compose(ALICE, [Source("Alice likes tea.")])
    server.answer = found("Alice likes tea.", FACT)
    assert [one.payload["data"] for one in extract(reader, *stored)] == [FACT]
    assert "Alice likes tea." in server.requests[0].prompt


def test_nothing_worth_remembering_is_nothing(server: OpenAIServer, reader: Engine) -> None:
    assert server.answer == '{"memory": []}'
    assert extract(reader) == []


@pytest.mark.parametrize(
    "wrapped", ["```json\n{}\n```", "<think>hm</think>{}", "Here you are:\n{}\nAnything else?"]
)
def test_json_among_other_words_is_read(server: OpenAIServer, reader: Engine, wrapped: str) -> None:
    server.answer = wrapped.replace("{}", found(FACT))
    assert [one.payload["data"] for one in extract(reader)] == [FACT]


UNREADABLE = [
    "", "I am sorry.", "null", '["a fact"]', '{"memory": ["a fact"]}', '{"memory": "a fact"}',
    '{"memory": [{"text": 5}]}', '{"memory": null}', '{"facts": ["a fact"]}', '{"memory": [{"te',
]  # fmt: skip


@pytest.mark.parametrize("answer", UNREADABLE)
def test_an_unreadable_answer_is_an_error_not_nothing(
    server: OpenAIServer, reader: Engine, answer: str
) -> None:
    server.answer = answer
    with pytest.raises(BackendError, match="language model"):
        extract(reader)


FAULTS = [
    ("401", AccessDenied, "OPENAI_API_KEY"),
    ("400", BackendError, "MEMORY_LLM"),
    ("429", BackendUnavailable, "after 3 tries"),
    ("500", BackendUnavailable, "after 3 tries"),
    ("drop", BackendUnavailable, "after 3 tries"),
    ("garbage", BackendUnavailable, "language model"),
    ("empty", BackendUnavailable, "language model"),
]


@pytest.mark.parametrize(("fault", "kind", "sentence"), FAULTS)
def test_every_fault_of_the_language_model_is_one_error_of_ours(
    server: OpenAIServer, reader: Engine, fault: Fault, kind: type[BackendError], sentence: str
) -> None:
    server.fail(fault)
    with pytest.raises(BackendError) as caught:
        extract(reader)
    assert (type(caught.value), caught.value.operation) == (kind, "extraction")
    assert sentence in str(caught.value)


def test_the_key_is_in_no_error_and_no_log_line(
    server: OpenAIServer, reader: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail("401")
    with caplog.at_level(logging.INFO), pytest.raises(AccessDenied) as caught:
        extract(reader)
    assert KEY not in f"{caught.value} {caught.value!r} {caplog.text}"


class FailsLater:  # Embeds the question, and then nothing more.
    name = slug = "fails-later"
    dimensions = 256
    asked = 0

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.asked += 1
        if self.asked > 1:
            raise BackendUnavailable("the embedder is gone", backend="test", operation="embed")
        return np.eye(256, dtype=np.float32)[: len(texts)]


def test_an_embedder_that_fails_on_the_facts_is_an_error(server: OpenAIServer) -> None:
    server.answer = found(FACT)
    with pytest.raises(BackendUnavailable, match="the embedder is gone"):
        extract(Engine(llm_settings(server), FailsLater()))


def test_a_missing_model_or_key_is_named(engine: Engine, server: OpenAIServer) -> None:
    with pytest.raises(SettingsError, match=r"MEMORY_LLM is not set"):
        extract(engine)
    with pytest.raises(SettingsError, match=r"MEMORY_LLM is 'anthropic:x'"):
        Engine(llm_settings(server, MEMORY_LLM="anthropic:x"), FailsLater())
    with pytest.raises(SettingsError, match="OPENAI_API_KEY is not"):
        Engine(llm_settings(server, OPENAI_API_KEY=""), FailsLater())


def test_another_providers_key_in_the_environment_changes_nothing(
    server: OpenAIServer, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    server.answer = found(FACT)
    assert len(extract(Engine(llm_settings(server), embedder))) == 1
    assert server.requests[0].authorization == f"Bearer {KEY}"


def test_forgotten_messages_are_not_sent_to_the_language_model_again(
    server: OpenAIServer, tmp_path: Path
) -> None:
    server.answer = found(FACT)
    with open_service(llm_settings(server, MEMORY_DATA_DIR=str(tmp_path))) as service:
        service.add_text_memory("alice", SAID, infer=True)
        service.forget_user("alice")
        service.add_text_memory("alice", "Hello again.", infer=True)
    prompt = server.requests[-1].prompt
    assert ("Hello again." in prompt, "cashews" in prompt) == (True, False)


def test_no_text_of_a_memory_is_logged(
    server: OpenAIServer, reader: Engine, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "Xylophone-4711"
    server.answer = found(f"Owns a {secret}.")
    with caplog.at_level(logging.INFO):
        composed = engine.compose(ALICE, [Source(secret)])
        engine.revise(composed[0], f"{secret} again", {"note": secret})
        assert len(extract(reader, said=secret)) == 1
    assert secret not in caplog.text
