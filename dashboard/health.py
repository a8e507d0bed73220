"""The health path: alive as long as the process answers, and what is known of the storage.

It always answers 200. A host restarts what is not healthy, and a restart mends no storage: it would
only take the page that says what is broken away from staff. Monitors read the word.
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
    """What the storage was like the last time somebody looked; looking never holds an answer up."""

    def __init__(self, fresh_s: float = FRESH_S) -> None:
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._looking = False
        self._word = "opening"
        self._looked_at = float("-inf")

    def word(self) -> str:
        """Return opening, persistent, temporary or broken, as of half a minute ago at most."""
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
    """Ask the storage for one thing, and say what it is."""
    # Not at the top: cached functions want the runtime, which starts after the routes are made.

    try:
        backend = connection().service().parts.backend
        next(iter(backend.objects.list("ledger/")), None)
    except MemoryCoreError:
        return "broken"
    return "persistent" if backend.persistent else "temporary"


_watch = Watch()


async def answer(_: Request) -> JSONResponse:
    """Say how it is; no name and no number, for a stranger may ask."""
    return JSONResponse(
        {"alive": True, "storage": _watch.word()}, headers={"Cache-Control": "no-store"}
    )


route = Route(PATH, answer, methods=["GET", "HEAD"])
