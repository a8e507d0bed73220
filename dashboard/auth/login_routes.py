"""Routes of the login: form, password, sign-out, and the round trip to a provider."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from memory_core.errors import MemoryCoreError

from ..connection import connection
from . import accounts, login_form, oidc, visitor
from .access import FORM, OIDC, SESSION, Access, Scope, read_cookie, write_cookie
from .sessions import Via

_logger = logging.getLogger("dashboard")

AT_ONCE: Final = 2
"""Passwords checked at a time; each takes some 20 MB."""

MAY_WAIT: Final = 16
_FORM_LASTS_S: Final = 3600


class SigningIn:
    """The routes that answer without a session."""

    def __init__(self, access: Access, revoke: Callable[[str, float], None] | None = None) -> None:
        """`revoke` ends a session on other instances, given its id and when it expires."""
        self._access, self._revoke = access, revoke
        self._checking = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._provider = oidc.Provider(access) if access.oidc else None

    async def answer(self, request: Request) -> Response:
        """Answer a request to one of `login_form.PATHS`."""
        path, method = request.url.path, request.method
        if path == login_form.LOGIN and method == "POST":
            return await self._password(request)
        if method not in {"GET", "HEAD"}:
            return Response(status_code=405)
        if path == login_form.LOGOUT:
            return await self._sign_out(request)
        if path == login_form.LOGIN:
            return self._form(request)
        if self._provider is None:
            return self._go(request, "/")
        if path == login_form.OIDC_START:
            return await self._to_the_provider(request, self._provider)
        return await self._from_the_provider(request, self._provider)

    def _form(
        self, request: Request, trouble: str = "", status: int = 200, next_path: str = ""
    ) -> Response:
        wanted = login_form.safe_next(next_path or request.query_params.get("next", "/"))
        # One nonce for all tabs of a browser, so that a second form leaves the first valid.
        nonce = read_cookie(request.scope, FORM, self._access) or secrets.token_urlsafe(18)
        body = login_form.page(
            form_token=login_form.form_token(self._access.secret, nonce),
            next_path=wanted,
            trouble=trouble,
            password=self._access.accounts.any,
            oidc=self._provider is not None,
        )
        answer = HTMLResponse(body, status, login_form.HEADERS)
        self._keep(request, answer, FORM, nonce, lasts_s=_FORM_LASTS_S)
        return answer

    async def _password(self, request: Request) -> Response:
        form = await _read_form(request)
        wanted = login_form.safe_next(form.get("next", "/"))
        nonce = read_cookie(request.scope, FORM, self._access)
        token = form.get("token", "")
        if not (_same_origin(request) and login_form.token_fits(self._access.secret, nonce, token)):
            return self._form(request, login_form.STALE, 403, wanted)
        name, address = (
            accounts.normalize_name(form.get("name", ""))[:254],
            address_of(request.scope, self._access),
        )
        wait = self._access.attempts.wait_s(name, address)
        if wait:
            answer = self._form(request, login_form.TOO_MANY, 429, wanted)
            answer.headers["Retry-After"] = str(wait)
            return answer
        if self._waiting >= MAY_WAIT:
            return self._form(request, login_form.BUSY, 503, wanted)
        # Counted before the check, so that parallel attempts do not evade the limit.
        self._access.attempts.failed(name, address)
        account = self._access.accounts.find(name)
        if not await self._fits(form.get("password", ""), account.hash if account else None):
            _logger.warning(
                "sign-in refused from %s%s", address, f" for {account.name}" if account else ""
            )
            return self._form(request, login_form.WRONG, 403, wanted)
        self._access.attempts.succeeded(name)
        return await self._let_in(request, name, "password", wanted)

    async def _fits(self, password: str, hashed: str | None) -> bool:
        self._waiting += 1
        try:
            async with self._checking:
                return await asyncio.to_thread(accounts.fits, password, hashed)
        finally:
            self._waiting -= 1

    async def _let_in(self, request: Request, name: str, via: Via, wanted: str) -> Response:
        # This browser may have been signed in as somebody else.
        await self._end(request)
        address = address_of(request.scope, self._access)
        cookie = self._access.sessions.begin(name, via, address)
        session = self._access.sessions.read(cookie, address) if cookie else None
        if cookie is None or session is None:
            return self._form(request, login_form.NOT_STAFF, 403, wanted)
        await _note(visitor.visitor_of(session), "sign-in")
        answer = self._go(request, wanted)
        self._keep(request, answer, SESSION, cookie)
        self._keep(request, answer, FORM, "", lasts_s=0)
        return answer

    async def _sign_out(self, request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            # A link on another site must not sign anybody out.
            return self._go(request, "/")
        who = await self._end(request)
        if who:
            await _note(who, "sign-out")
        answer = self._go(request, login_form.LOGIN)
        self._keep(request, answer, SESSION, "", lasts_s=0)
        return answer

    async def _end(self, request: Request) -> visitor.Visitor | None:
        cookie = read_cookie(request.scope, SESSION, self._access)
        address = address_of(request.scope, self._access)
        session = self._access.sessions.read(cookie, address) if cookie else None
        if session is None:
            return None
        until = self._access.sessions.end(session.id)
        if self._access.settings.secret and self._revoke:
            await asyncio.to_thread(self._revoke, session.id, until)
        return visitor.visitor_of(session)

    async def _to_the_provider(self, request: Request, provider: oidc.Provider) -> Response:
        wanted = login_form.safe_next(request.query_params.get("next", "/"))
        begun = await provider.begin(wanted)
        if begun is None:
            return self._form(request, oidc.NO_ANSWER, 503, wanted)
        url, kept = begun
        answer = RedirectResponse(url, 303, {"Cache-Control": "no-store"})
        self._keep(request, answer, OIDC, kept, lasts_s=oidc.LASTS_S)
        return answer

    async def _from_the_provider(self, request: Request, provider: oidc.Provider) -> Response:
        kept = read_cookie(request.scope, OIDC, self._access)
        result = await provider.finish(kept, dict(request.query_params))
        if isinstance(result, oidc.Refused):
            _logger.warning(
                "sign-in by the provider refused from %s: %s",
                address_of(request.scope, self._access),
                result.why,
            )
            answer = self._form(request, login_form.NOT_STAFF, 403, result.wanted)
        else:
            answer = await self._let_in(request, result.address, "oidc", result.wanted)
        self._keep(request, answer, OIDC, "", lasts_s=0)
        return answer

    def _go(self, request: Request, path: str) -> Response:
        return RedirectResponse(path, 303, {"Cache-Control": "no-store"})

    def _keep(
        self, request: Request, answer: Response, which: str, value: str, lasts_s: int | None = None
    ) -> None:
        cookie = write_cookie(request.scope, which, value, self._access, lasts_s=lasts_s)
        answer.headers.append("Set-Cookie", cookie)


def address_of(scope: Scope, access: Access) -> str:
    """Return the network address of the client.

    Only the entries of `X-Forwarded-For` that our own proxies wrote count, from the right; clients
    can forge the others.
    """
    proxies = access.settings.proxies
    if proxies:
        lines = Headers(scope=scope).getlist("x-forwarded-for")
        hops = [hop.strip() for line in lines for hop in line.split(",")]
        if len(hops) >= proxies and hops[-proxies]:
            return hops[-proxies][:64]
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


async def _read_form(request: Request) -> dict[str, str]:
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > login_form.LONGEST_FORM:
                return {}
    except ClientDisconnect:
        return {}
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _same_origin(request: Request) -> bool:
    host = request.headers.get("host", "")
    origin = request.headers.get("origin") or request.headers.get("referer") or ""
    site = request.headers.get("sec-fetch-site", "same-origin")
    return (
        bool(host)
        and hmac.compare_digest(urlsplit(origin).netloc.lower().encode(), host.lower().encode())
        and site in {"same-origin", "none"}
    )


async def _note(who: visitor.Visitor, action: str) -> None:
    def note() -> None:
        try:
            connection().service().activity.note(visitor.actor_of(who), action)
        except MemoryCoreError as error:
            _logger.warning("activity could not be noted: %s: %s", action, error)

    await asyncio.to_thread(note)
