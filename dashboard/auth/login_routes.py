"""Routes of the login: form, password, sign-out, and the round trip to a provider."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from memory_core.activity import Actor

from . import accounts, login_form, notes, visitor
from .access import (
    BROWSER,
    FORM,
    OIDC,
    SESSION,
    Access,
    Scope,
    is_address,
    read_cookie,
    write_cookie,
)
from .accounts import Account, Browser
from .connections import PEER
from .sessions import NotYetKnown, Session, Via

if TYPE_CHECKING:
    from . import oidc

_logger = logging.getLogger("dashboard")

AT_ONCE: Final = 2
"""Passwords checked at a time; each takes some 20 MB. One more is for known browsers."""

MAY_WAIT: Final = 200
MAY_WAIT_TOGETHER: Final = 4
"""Attempts from one network that may wait, so that none takes all places."""

_FORM_LASTS_S: Final = 3600
_BROWSER_LASTS_S: Final = 180 * 24 * 3600


class SigningIn:
    """The routes that answer without a session."""

    def __init__(self, access: Access, revoke: Callable[[str, float], None] | None = None) -> None:
        """`revoke` ends a session on other instances, given its id and when it expires."""
        self._access, self._revoke = access, revoke
        self._checking, self._checking_known = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(1)
        self._waiting: Counter[str] = Counter()
        self._browsers = URLSafeTimedSerializer(
            access.secret, salt="holdfast.browser", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._provider: oidc.Provider | None = None
        if access.settings.oidc_url:
            # Its libraries take some 20 MB.
            from . import oidc

            self._provider = oidc.Provider(access)

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
            return _go("/")
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
            password=bool(self._access.accounts.by_name()),
            oidc=self._provider is not None,
        )
        answer = HTMLResponse(body, status, login_form.HEADERS)
        self._keep(answer, FORM, nonce, lasts_s=_FORM_LASTS_S)
        return answer

    async def _password(self, request: Request) -> Response:
        form = await _read_form(request)
        wanted = login_form.safe_next(form.get("next", "/"))
        nonce = read_cookie(request.scope, FORM, self._access)
        token = form.get("token", "")
        is_ours = _same_origin(request, self._access)
        if not (is_ours and login_form.token_fits(self._access.secret, nonce, token)):
            return self._form(request, login_form.STALE, 403, wanted)
        name = accounts.normalize_name(form.get("name", "")[: login_form.LONGEST_NAME])
        address = address_of(request.scope, self._access)
        browser = self._browser(request)
        account = self._access.accounts.find(name)
        wait = self._access.attempts.wait_s(name, address, browser)
        if wait:
            _note_refused(account, address, "too many attempts")
            answer = self._form(request, login_form.TOO_MANY, 429, wanted)
            answer.headers["Retry-After"] = str(wait)
            return answer
        place = f"browser {browser.id}" if browser else accounts.network_of(address)
        full = not browser and self._waiting.total() >= MAY_WAIT
        if full or self._waiting[place] >= MAY_WAIT_TOGETHER:
            return self._form(request, login_form.BUSY, 503, wanted)
        # Counted before the check, so that parallel attempts do not evade the limit.
        self._access.attempts.failed(name, address, browser)
        self._waiting[place] += 1
        try:
            async with self._checking_known if browser else self._checking:
                fits = await asyncio.to_thread(
                    accounts.fits, form.get("password", ""), account.hash if account else None
                )
        finally:
            self._waiting[place] -= 1
            self._waiting += Counter()  # drops the zeros
        if not fits:
            _logger.warning(
                "sign-in refused from %s%s", address, f" for {account.name}" if account else ""
            )
            _note_refused(account, address)
            return self._form(request, login_form.WRONG, 403, wanted)
        self._access.attempts.succeeded(name, address, browser)
        return await self._let_in(request, name, "password", wanted)

    def _browser(self, request: Request) -> Browser | None:
        """Return the browser that the cookie names; None if it was not used to sign in before."""
        cookie = read_cookie(request.scope, BROWSER, self._access)
        try:
            return Browser(*self._browsers.loads(cookie, max_age=_BROWSER_LASTS_S))
        except BadSignature:
            return None

    async def _let_in(self, request: Request, name: str, via: Via, wanted: str) -> Response:
        # This browser may have been signed in as somebody else.
        await self._end(request)
        address = address_of(request.scope, self._access)
        cookie = self._access.sessions.begin(name, via, address)
        session = self._session(cookie or "", address)
        if cookie is None or session is None:
            return self._form(request, login_form.NOT_STAFF, 403, wanted)
        who = visitor.actor_of(visitor.visitor_of(session))
        await asyncio.to_thread(notes.note, who, "sign-in")
        answer = _go(wanted)
        self._keep(answer, SESSION, cookie)
        self._keep(answer, FORM, "", lasts_s=0)
        known = str(self._browsers.dumps(Browser(secrets.token_urlsafe(18), name)))
        self._keep(answer, BROWSER, known, lasts_s=_BROWSER_LASTS_S)
        return answer

    async def _sign_out(self, request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            # A link on another site must not sign anybody out.
            return _go("/")
        who = await self._end(request)
        if who:
            await asyncio.to_thread(notes.note, visitor.actor_of(who), "sign-out")
        answer = _go(login_form.LOGIN)
        self._keep(answer, SESSION, "", lasts_s=0)
        return answer

    async def _end(self, request: Request) -> visitor.Visitor | None:
        cookie = read_cookie(request.scope, SESSION, self._access)
        address = address_of(request.scope, self._access)
        session = self._session(cookie, address)
        if session is None:
            return None
        until = self._access.sessions.end(session.id)
        if self._access.settings.secret and self._revoke:
            await asyncio.to_thread(self._revoke, session.id, until)
        return visitor.visitor_of(session)

    def _session(self, cookie: str, address: str) -> Session | None:
        try:
            return self._access.sessions.read(cookie, address)
        except NotYetKnown as error:
            # Ending a session again does no harm.
            return error.session

    async def _to_the_provider(self, request: Request, provider: oidc.Provider) -> Response:
        wanted = login_form.safe_next(request.query_params.get("next", "/"))
        begun = await provider.begin(wanted)
        if begun is None:
            return self._form(request, provider.no_answer, 503, wanted)
        url, kept = begun
        answer = _go(url)
        self._keep(answer, OIDC, kept, lasts_s=provider.lasts_s)
        return answer

    async def _from_the_provider(self, request: Request, provider: oidc.Provider) -> Response:
        kept = read_cookie(request.scope, OIDC, self._access)
        result = await provider.finish(kept, dict(request.query_params))
        if result.refused:
            address = address_of(request.scope, self._access)
            _logger.warning("sign-in by the provider refused from %s: %s", address, result.refused)
            _note_refused(None, address, result.refused)
            answer = self._form(request, login_form.NOT_STAFF, 403, result.wanted)
        else:
            answer = await self._let_in(request, result.address, "oidc", result.wanted)
        self._keep(answer, OIDC, "", lasts_s=0)
        return answer

    def _keep(self, answer: Response, which: str, value: str, lasts_s: int | None = None) -> None:
        cookie = write_cookie(which, value, self._access, lasts_s=lasts_s)
        answer.headers.append("Set-Cookie", cookie)


def _go(path: str) -> Response:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def address_of(scope: Scope, access: Access) -> str:
    """Return the network address of the client, or `unknown`.

    Only the entries of `X-Forwarded-For` that our own proxies wrote count, from the right; clients
    can forge the others. Without proxies it is the peer of the connection, which uvicorn replaces
    by the header for connections from this computer.
    """
    if proxies := access.settings.proxies:
        lines = Headers(scope=scope).getlist("x-forwarded-for")
        hops = [_bare(hop) for line in lines for hop in line.split(",")]
        hop = hops[-min(proxies, len(hops))] if hops else ""
        if is_address(hop):
            return hop
    peer = scope.get("state", {}).get(PEER) or scope.get("client")
    return str(peer[0]) if peer else "unknown"


def _bare(hop: str) -> str:
    """Return the address in an entry, without port or zone: of 1.2.3.4:5, [::1]:5, fe80::1%eth0."""
    hop = hop.strip().partition("%")[0]
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


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


def _same_origin(request: Request, access: Access) -> bool:
    origin = request.headers.get("origin") or request.headers.get("referer") or ""
    origin = "/".join(origin.split("/")[:3])
    site = request.headers.get("sec-fetch-site", "same-origin")
    return access.is_origin(origin, request.headers.get("host", "")) and site in {
        "same-origin",
        "none",
    }


def _note_refused(account: Account | None, address: str, why: str = "") -> None:
    # Never the name that was typed, which may be a password.
    who = Actor(account.name if account else "somebody", "", address)
    notes.note_refusal(who, "sign-in", why)
