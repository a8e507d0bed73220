"""A gate before an application that notes what gets through, and a whole server with a login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from dashboard.auth.access import Access, access
from dashboard.auth.gate import Gate
from memory_core.settings import DashboardSettings
from tests.browser.server import running_server

from .staff import SECRET, entries

ORIGIN = "http://127.0.0.1:8501"


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Inner:
    """What is behind the gate: it notes each request and whose it is said to be."""

    reached: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        names = dict(scope["headers"])
        self.reached.append((scope["path"], names.get(b"x-holdfast-session", b"").decode()))
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await socket.accept()
            async for said in socket.iter_bytes():
                await socket.send_bytes(said)
            return
        headers = {"Cache-Control": "public, max-age=9"}
        await PlainTextResponse("inner", headers=headers)(scope, receive, send)


@dataclass
class Site:
    """A gate with a clock, and a browser before it."""

    access: Access
    clock: Clock
    inner: Inner
    client: TestClient

    def another(self) -> TestClient:
        """Return a browser without cookies."""
        gate = Gate(self.inner, self.access)
        return TestClient(gate, base_url=str(self.client.base_url), follow_redirects=False)


Open = Callable[..., Site]


@pytest.fixture
def open_site() -> Open:
    """Make a gate of these variables."""

    def open_one(url: str = ORIGIN, **variables: str) -> Site:
        environ = {"DASHBOARD_SECRET": SECRET, "DASHBOARD_USERS": entries(), **variables}
        access, clock, inner = Access(DashboardSettings.from_env(environ)), Clock(), Inner()
        access.sessions._clock = clock
        access.attempts._clock = clock
        client = TestClient(Gate(inner, access), base_url=url, follow_redirects=False)
        return Site(access, clock, inner, client)

    return open_one


@pytest.fixture(autouse=True)
def fresh_access() -> Iterator[None]:
    """The access of the process is read anew by each test."""
    access.cache_clear()
    yield
    access.cache_clear()


@dataclass
class Server:
    """The whole dashboard in a process, and its answer to the very first request."""

    address: str
    users: Path
    first: httpx.Response
    log: Path


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    users = folder / "users.txt"
    users.write_text(entries())
    variables = {"DASHBOARD_USERS_FILE": str(users), "DASHBOARD_SECRET": SECRET}
    with running_server(folder, **variables) as address:
        first = httpx.get(f"{address}/user?user=alice@example.com", follow_redirects=False)
        yield Server(address, users, first, folder / "server.log")
