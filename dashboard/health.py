"""Health path: the process is alive, and the state of the storage in a word.

It always answers 200: a platform restarts what is unhealthy, and a restart does not repair storage;
it would only take down the page that says what is broken. Monitors read the word.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from memory_core.errors import MemoryCoreError

from .connection import connection

PATH: Final = "/health"
FRESH_S: Final = 30.0


class Watch:
    """Latest known state of the storage, refreshed in the background so that no answer waits."""

    def __init__(self, fresh_s: float = FRESH_S) -> None:
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._looking = False
        self._word = "opening"
        self._looked_at = float("-inf")

    def word(self) -> str:
        """Return opening, persistent, temporary or broken; at most `fresh_s` old."""
        with self._lock:
            stale = time.monotonic() - self._looked_at > self._fresh_s
            if stale and not self._looking:
                self._looking = True
                threading.Thread(target=self._look, name="health", daemon=True).start()
            return self._word

    def _look(self) -> None:
        word = "broken"
        try:
            word = look()
        finally:
            with self._lock:
                self._word, self._looked_at, self._looking = word, time.monotonic(), False


def look() -> str:
    """Read one key from the storage and return its state in a word."""
    try:
        backend = connection().service().parts.backend
        next(iter(backend.objects.list("ledger/")), None)
    except MemoryCoreError:
        return "broken"
    return "persistent" if backend.persistent else "temporary"


_watch = Watch()


async def answer(_: Request) -> JSONResponse:
    """Answer with the state; without names or numbers, since strangers may ask."""
    return JSONResponse(
        {"alive": True, "storage": _watch.word()}, headers={"Cache-Control": "no-store"}
    )


route = Route(PATH, answer, methods=["GET", "HEAD"])
