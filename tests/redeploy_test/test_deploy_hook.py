"""Starting a deployment at a host of our own: one POST, and no word of the secret address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from memory_core import Settings
from memory_core.errors import BackendUnavailable, SettingsError
from memory_core.redeploy_test import start_deployment
from standin.httpd import HttpServer, Request, Response
from tests.support.ports import held_port

SECRET = "key=rnd-s3cret"


def settings(url: str) -> Settings:
    return Settings.from_env({"RENDER_DEPLOY_HOOK_URL": url})


@contextmanager
def host(answer: Callable[[Request], Response]) -> Iterator[tuple[str, list[Request]]]:
    """Serve a deploy hook; yields its address and what it was asked."""
    asked: list[Request] = []

    def note(request: Request) -> Response:
        asked.append(request)
        return answer(request)

    server = HttpServer(note)
    server.start()
    try:
        yield f"{server.url}/deploy/srv-1?{SECRET}", asked
    finally:
        server.stop()


def refused(url: str, words: str) -> None:
    """Assert that no deployment was started, and that the address is in no message."""
    with pytest.raises(BackendUnavailable, match=words) as caught:
        start_deployment(settings(url))
    error: BaseException | None = caught.value
    assert "no deployment was started" in str(error)
    while error:
        assert SECRET not in f"{error!s} {error!r}"
        assert "srv-1" not in f"{error!s} {error!r}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_deployment_is_started_by_one_post(status: int) -> None:
    with host(lambda request: Response(status, (), b"{}")) as (url, asked):
        start_deployment(settings(url))
    assert [(one.method, one.path) for one in asked] == [("POST", "/deploy/srv-1")]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_refusal_is_told_without_the_address(status: int) -> None:
    with host(lambda request: Response(status, (), SECRET.encode())) as (url, asked):
        refused(url, f"answered {status}")
    assert len(asked) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with host(lambda request: Response(status, (("Location", "/elsewhere"),), b"")) as (url, asked):
        refused(url, f"answered {status}")
    assert len(asked) == 1


def test_nobody_there_is_told_without_the_address() -> None:
    with held_port() as port:
        refused(f"http://127.0.0.1:{port}/deploy/srv-1?{SECRET}", "did not answer")


@pytest.mark.parametrize("end", ["a b", "a\x01b", "\u00e4", "a\nb"])
def test_a_mangled_address_is_told_without_it(end: str) -> None:
    with host(lambda request: Response(400, (), b"")) as (url, _):
        refused(f"{url}&{end}&x", "did not answer|answered 400")


@pytest.mark.parametrize("url", ["ftp://host/a", "http://api.render.com/a", "file:///etc/passwd"])
def test_only_a_safe_address_is_asked(url: str) -> None:
    with pytest.raises(SettingsError, match="not an https address") as caught:
        start_deployment(settings(url))
    assert url not in str(caught.value)


def test_without_a_hook_the_variable_is_named() -> None:
    with pytest.raises(SettingsError, match="RENDER_DEPLOY_HOOK_URL is not set"):
        start_deployment(Settings.from_env({}))


def test_the_address_is_not_shown_with_the_settings() -> None:
    assert SECRET not in repr(settings(f"https://api.render.com/deploy/srv-1?{SECRET}"))
