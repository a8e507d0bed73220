"""Health path, badge and metrics for monitors; alerts on the storage and the doctor's findings.

The health path always answers 200: a platform restarts what is unhealthy, and a restart does not
repair storage; it would only take down the page that says what is broken. Monitors read the body.
"""

import asyncio
import hmac
import threading
import time
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from memory_core import settings
from memory_core.doctor import Level, diagnose
from memory_core.errors import MemoryCoreError
from memory_core.settings import DashboardSettings
from memory_core.watch import alerts_to

from .connection import connection

PATH: Final = "/health"
FOR_MONITORS: Final = frozenset({PATH, "/badge.svg", "/metrics"})
"""Paths that need no session; the badge has to be switched on, the metrics need a token."""

FRESH_S: Final = 30.0
_LOOK_S: Final = 60.0
_DOCTOR_S: Final = 3600.0
_LOOKED_AT: Final = ("settings", "credentials", "index", "disk")
_NO_STORE: Final = {"Cache-Control": "no-store"}
_COLOURS: Final = {
    "proven": "#15803D",
    "lost": "#DC2626",
    "missed": "#B45309",
    "removed": "#B45309",
}
_SENTENCES: Final = {
    "persistent": "The storage is persistent: deployments keep it.",
    "temporary": "The storage is temporary: the next deployment deletes it.",
    "broken": "The storage cannot be used.",
}
_BADGE: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="20" role="img" '
    'aria-label="memories: {word}"><rect width="66" height="20" fill="#374151"/>'
    '<rect x="66" width="54" height="20" fill="{colour}"/><g fill="#fff" text-anchor="middle" '
    'font-family="Verdana,sans-serif" font-size="11"><text x="33" y="14">memories</text>'
    '<text x="93" y="14">{word}</text></g></svg>'
)


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
    """List one key of the storage; return whether it is persistent, temporary or broken."""
    try:
        backend = connection().service().parts.backend
        next(iter(backend.objects.list("ledger/")), None)
    except MemoryCoreError:
        return "broken"
    return "persistent" if backend.persistent else "temporary"


class Lookout:
    """Alerts on the storage at each check, and on the doctor's findings once an hour."""

    def __init__(self) -> None:
        self._alerts = alerts_to(settings.survey().settings)
        self._asked_at = float("-inf")

    def look(self) -> None:
        """Check now, and alert on changes."""
        word = look()
        if service := connection().opened:
            self._alerts.objects = service.parts.backend.objects
        self._alerts.see("storage", word, _SENTENCES[word])
        if time.monotonic() - self._asked_at < _DOCTOR_S:
            return
        self._asked_at = time.monotonic()
        findings = diagnose(only=_LOOKED_AT).findings
        errors = {finding.id: finding.title for finding in findings if finding.level is Level.ERROR}
        sentence = "; ".join(f"{name}: {title}" for name, title in errors.items())
        words = f"The doctor finds {sentence}." if errors else "The doctor finds no error."
        self._alerts.see("doctor", "problems" if errors else "well", words, findings=[*errors])


async def look_out() -> None:
    """Check every minute, if an address for alerts is set."""
    if settings.survey().settings.alert_url is None:
        return
    lookout = Lookout()
    while True:
        await asyncio.to_thread(lookout.look)
        await asyncio.sleep(_LOOK_S)


_watch = Watch()


def _proof() -> tuple[str, str | None, str | None]:
    """Return the state of the standing proof, its last good check, and since when it holds."""
    service = connection().opened
    proof, trouble = service.last_proof if service else (None, "")
    if proof is None:
        return "unread" if trouble else "off", None, None
    word = "unread" if trouble else proof.outcome
    return word, proof.passed_at or None, proof.proven_since or None


async def answer(_: Request) -> JSONResponse:
    """Answer with states and times, but no names or numbers, since strangers may ask."""
    word, passed_at, since = _proof()
    states = {"alive": True, "storage": _watch.word(), "proof": word}
    return JSONResponse({**states, "proven_at": passed_at, "proven_since": since}, 200, _NO_STORE)


async def badge(_: Request) -> Response:
    """Answer with the state of the proof as an SVG picture, if DASHBOARD_BADGE is on."""
    if not DashboardSettings.from_env().badge:
        return PlainTextResponse("Not Found", 404, _NO_STORE)
    word = _proof()[0]
    picture = _BADGE.format(word=word, colour=_COLOURS.get(word, "#64748B"))
    return Response(picture, 200, _NO_STORE, "image/svg+xml")


async def metrics(request: Request) -> Response:
    """Answer with the metrics, given the token; with 404 if none is set."""
    token = DashboardSettings.from_env().metrics_token
    if token is None:
        return PlainTextResponse("Not Found", 404, _NO_STORE)
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode("latin-1"), f"Bearer {token}".encode()):
        challenge = {**_NO_STORE, "WWW-Authenticate": "Bearer"}
        return PlainTextResponse("Give the token of MEMORY_METRICS_TOKEN.", 401, challenge)
    from memory_core.render.metrics import CONTENT_TYPE, exposition

    try:
        text = await asyncio.to_thread(lambda: exposition(connection().service()))
    except MemoryCoreError as exc:
        return PlainTextResponse(str(exc), 503, _NO_STORE)
    return Response(text, 200, _NO_STORE, CONTENT_TYPE)


ROUTES: Final = [
    Route(PATH, answer, methods=["GET", "HEAD"]),
    Route("/badge.svg", badge, methods=["GET", "HEAD"]),
    Route("/metrics", metrics, methods=["GET", "HEAD"]),
]
