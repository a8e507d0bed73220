"""A gate before an application that notes what gets through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from dashboard.auth.access import Access
from dashboard.auth.gate import Gate

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
    cookies: str = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        names = dict(scope["headers"])
        self.cookies = names.get(b"cookie", b"").decode()
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


@dataclass
class Server:
    """The whole dashboard in a process, and its answer to the very first request."""

    address: str
    users: Path
    first: httpx.Response
    log: Path
