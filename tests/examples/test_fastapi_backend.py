"""The example backend: who may do what, and what callers are told."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.fastapi_backend import app as example
from memory_core import errors
from tests.support.paths import ROOT
from tests.support.s3_bench import open_bench

PASSWORD = "for tests"
OPEN_TO_ALL = {"/health", "/sign-in"}


class Backend:
    """The application in this process, asked as over HTTP."""

    def __init__(self, runner: asyncio.Runner, client: httpx.AsyncClient) -> None:
        self._runner = runner
        self._client = client

    def ask(self, method: str, path: str, token: str | None = None, **sent: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
        return self._runner.run(self._client.request(method, path, headers=headers, **sent))

    def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return self.ask("POST", "/sign-in", json={"email": email, "password": password})

    def token(self, email: str) -> str:
        return self.sign_in(email).json()["token"]

    def post(self, token: str, text: str) -> httpx.Response:
        return self.ask("POST", "/posts", token, json={"text": text})

    def upload(self, token: str, name: str, content: bytes) -> httpx.Response:
        return self.ask("POST", "/documents", token, files={"file": (name, content)})


@contextmanager
def _opened() -> Iterator[Backend]:
    transport = httpx.ASGITransport(example.app, raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(stack.enter_async_context(example.lifespan(example.app)))
        client = httpx.AsyncClient(transport=transport, base_url="http://backend")
        runner.run(stack.enter_async_context(client))
        try:
            yield Backend(runner, client)
        finally:
            runner.run(stack.aclose())


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    monkeypatch.setenv("BACKEND_PASSWORD", PASSWORD)
    with _opened() as backend:
        yield backend


def test_sign_in_loads_what_was_posted_under_another_form_of_the_address(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    token = backend.token("Alice@Example.com")
    for text in ("Cashews give her hives.", "Her sister lives in Braga."):
        assert backend.post(token, text).status_code == 201
    with caplog.at_level(logging.INFO, "memory_core"):
        session = backend.sign_in("alice@example.com ").json()
    assert "[API] Using normalized user_id for Memory: alice@example.com" in caplog.messages
    texts = [one["memory"] for one in session["memories"]]
    assert texts == ["Her sister lives in Braga.", "Cashews give her hives."]
    del session["memories"], session["token"]
    assert session == {
        "backend": "chroma", "persistent": False, "user_id": "alice@example.com", "count": 2
    }  # fmt: skip
    assert backend.ask("GET", "/health").json() == {"backend": "chroma", "persistent": False}


def test_a_document_is_found_by_a_question_and_by_nobody_else(backend: Backend) -> None:
    alice, bob = backend.token("alice@example.com"), backend.token("bob@example.com")
    saved = backend.upload(alice, "train.txt", b"The train leaves at 7:05 from platform 4.")
    assert saved.status_code == 201
    question = {"query": "When does the train leave?"}
    (found,) = backend.ask("GET", "/memories", alice, params=question).json()
    assert found["memory"]["id"] == saved.json()["memories"][0]["id"]
    assert found["score"] > 0
    assert backend.ask("GET", "/memories", bob, params=question).json() == []
    assert backend.sign_in("bob@example.com").json()["count"] == 0


def test_a_post_sent_twice_is_kept_once(backend: Backend) -> None:
    token = backend.token("alice@example.com")
    first, second = (backend.post(token, "Prefers tea.").json() for _ in range(2))
    assert first == second
    assert backend.sign_in("alice@example.com").json()["count"] == 1


def test_without_a_valid_token_nothing_is_done(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [
        (method.upper(), path)
        for path, methods in example.app.openapi()["paths"].items()
        for method in methods
        if path not in OPEN_TO_ALL
    ]
    assert len(asked) == 3
    ended = backend.token("alice@example.com")
    monkeypatch.setattr(example, "SESSION_S", -1)
    for method, path in asked:
        for token in (None, "nonsense", ended[:-1] + "é", ended):
            answer = backend.ask(method, path, token)
            assert answer.status_code == 401, (path, token)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_wrong_password_signs_nobody_in(backend: Backend) -> None:
    for password in ("", "For tests", "пароль"):
        answer = backend.sign_in("alice@example.com", password)
        assert answer.status_code == 401
        assert answer.json() == {"detail": "e-mail address or password is wrong; try again"}


def test_sessions_outlive_the_process_where_their_key_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BACKEND_PASSWORD", PASSWORD)
    monkeypatch.setenv("BACKEND_TOKEN_KEY", "")
    with _opened() as backend:
        token = backend.token("alice@example.com")
    with _opened() as backend:
        assert backend.post(token, "Prefers tea.").status_code == 401
    monkeypatch.setenv("BACKEND_TOKEN_KEY", "of this service")
    with _opened() as backend:
        token = backend.token("alice@example.com")
    with _opened() as backend:
        assert backend.post(token, "Prefers tea.").status_code == 201


def test_without_a_password_of_its_own_the_process_takes_one_it_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with _opened() as backend:
        (line,) = [one for one in caplog.messages if "BACKEND_PASSWORD" in one]
        assert backend.sign_in("alice@example.com", "").status_code == 401
        assert backend.sign_in("alice@example.com", line.split()[-1]).status_code == 200


@pytest.mark.parametrize(
    ("send", "said"),
    [
        (lambda backend, token: backend.post(token, " "), "memory is empty"),
        (lambda backend, token: backend.post(token, "x" * 33_000), "the limit is 32,768"),
        (lambda backend, token: backend.upload(token, "a.exe", b"MZ"), "a.exe"),
        (lambda backend, token: backend.upload(token, "a.txt", bytes(20 * 2**20 + 1)), "20 MB"),
        (lambda backend, _token: backend.sign_in("\u200b "), "no visible character"),
    ],
    ids=["blank", "long", "type", "large", "id"],
)
def test_what_cannot_be_saved_is_refused_with_the_sentence(
    backend: Backend, send: Callable[[Backend, str], httpx.Response], said: str
) -> None:
    answer = send(backend, backend.token("alice@example.com"))
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert backend.sign_in("alice@example.com").json()["count"] == 0


def test_a_body_beyond_the_limit_is_not_read_to_its_end(backend: Backend) -> None:
    token, read = backend.token("alice@example.com"), []

    async def unannounced() -> AsyncIterator[bytes]:
        for number in range(64):
            read.append(number)
            yield bytes(2**20)

    assert backend.ask("POST", "/posts", token, content=unannounced()).status_code == 413
    assert len(read) == 22
    answer = backend.upload(token, "a.txt", bytes(example.MAX_BODY_BYTES))
    assert answer.status_code == 413


def test_a_broken_character_is_no_error_of_the_server(backend: Backend) -> None:
    token = backend.token("alice@example.com")
    for path, body in (
        ("/posts", rb'{"text": "\ud800"}'),
        ("/sign-in", rb'{"email": "\ud800", "password": "for tests"}'),
    ):
        answer = backend.ask("POST", path, token, content=body)
        assert 400 <= answer.status_code < 500, answer.text


def _error(name: str) -> errors.MemoryCoreError:
    kind, said = getattr(errors, name), "s3:PutObject on the bucket secret"
    if issubclass(kind, errors.BackendError):
        return kind(said, backend="s3_vectors", operation="PutObject")
    with_more = "NotIndexed LedgerCorrupt MigrationConflict VerificationFailed MissingExtra".split()
    more = [""] if name in with_more else []
    return kind(said, *more)


@pytest.mark.parametrize("name", [name for name in vars(errors) if name in f"{errors.__doc__}"])
def test_every_error_has_its_code_and_only_the_callers_own_are_told(name: str) -> None:
    error = _error(name)
    answer = asyncio.run(example.answer_error(None, error))
    assert answer.status_code == errors.http_status(error)
    assert (b"secret" in answer.body) == (answer.status_code < 500)
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503)


def test_a_post_that_was_only_recorded_is_finished_by_sending_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BACKEND_PASSWORD", PASSWORD)
    with open_bench() as bench:
        for name, value in bench.environ.items():
            monkeypatch.setenv(name, value)
        with _opened() as backend:
            token = backend.token("alice@example.com")
            bench.standin.set_switches(deny_actions=["s3vectors:PutVectors"])
            refused = backend.post(token, "Prefers tea.")
            assert refused.status_code == 503
            assert refused.json()["detail"].startswith("recorded and safe")
            assert backend.sign_in("alice@example.com").json()["count"] == 1
            bench.standin.reset_switches()
            assert backend.post(token, "Prefers tea.").status_code == 201
            session = backend.sign_in("alice@example.com").json()
            assert (session["count"], session["persistent"]) == (1, True)


@pytest.mark.process
def test_wrong_settings_end_the_start_with_one_sentence(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, example.__file__],
        cwd=tmp_path,
        env={**environ, "MEMORY_REQUIRE_PERSISTENT": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("The backend cannot start: MEMORY_REQUIRE_PERSISTENT is set, but")
