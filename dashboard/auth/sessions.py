"""Sessions: a signed cookie says which, the settings of now say what it may."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from itsdangerous import BadSignature, URLSafeSerializer

from memory_core.errors import EntryExists
from memory_core.storage.objects import ObjectStore

from .accounts import Accounts
from .roles import Role

_PREFIX = "signouts/v1/"


class SignOuts:
    """Ended sessions in the object storage. Failures of it are `BackendError`s."""

    def __init__(self, objects: ObjectStore, clock: Callable[[], float] = time.time) -> None:
        self._objects, self._clock = objects, clock

    def add(self, session_id: str, until: float) -> None:
        """Note that a session is over, which matters until this time (seconds since 1970)."""
        key = f"{_PREFIX}{round(until):012d}-{digest(session_id)}"
        try:
            self._objects.put_if_absent(key, b"{}")
        except EntryExists:
            return

    def digests(self) -> frozenset[str]:
        """Return the digests of the sessions that are over; what matters no more is deleted."""
        now, over, old = round(self._clock()), set(), []
        for key in self._objects.list(_PREFIX):
            until, _, digested = key.removeprefix(_PREFIX).partition("-")
            if until.isdigit() and int(until) > now:
                over.add(digested)
            else:
                old.append(key)
        if old:
            self._objects.delete(old)
        return frozenset(over)


def digest(session_id: str) -> str:
    """Return what stands for a session id in the storage."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:32]


REFRESH_S = 60
"""How old the time in a cookie may be before it is written anew."""

Via = Literal["password", "oidc"]


@dataclass(frozen=True)
class Session:
    """Somebody who signed in. Times are seconds since 1970."""

    id: str
    name: str
    role: Role
    via: Via
    began: float
    seen: float
    address: str = ""


class Sessions:
    """Who is signed in.

    The cookie holds the id, the name and the times, signed. The role is never in it: name and role
    are looked up at each use, so that whoever is taken away or lowered is so at once. A password
    that was changed ends the sessions begun with the former one.
    """

    def __init__(
        self,
        accounts: Accounts,
        secret: str,
        *,
        idle_s: float,
        lasts_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._accounts = accounts
        self._secret = secret.encode()
        self._signer = URLSafeSerializer(
            secret,
            salt="holdfast.session",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self._idle_s, self.lasts_s, self._clock = idle_s, lasts_s, clock
        self._lock = threading.Lock()
        self._live: dict[str, tuple[Session, str]] = {}
        self._ended: dict[str, float] = {}
        self._ended_elsewhere: frozenset[str] = frozenset()

    @property
    def any(self) -> bool:
        """Whether somebody is signed in here."""
        return bool(self._live)

    def learn(self, digests: frozenset[str]) -> None:
        """Take note of the sessions that other instances ended, or this one before it started."""
        self._ended_elsewhere = digests

    def begin(self, name: str, via: Via, address: str = "") -> str | None:
        """Begin a session and return its cookie, None when nobody of that name may."""
        now = self._clock()
        mark, role = self._mark(name, via), self._role(name, via)
        if mark is None or role is None:
            return None
        session = Session(secrets.token_urlsafe(18), name, role, via, now, now, address)
        with self._lock:
            self._forget_old(now)
            self._live[session.id] = session, mark
        return self._sign(session, mark)

    def read(self, cookie: str, address: str = "", *, active: bool = True) -> Session | None:
        """Return the session of a cookie, None when it has none; `active` when its person acts."""
        try:
            said = self._signer.loads(cookie)
        except BadSignature:
            return None
        session = _session_of(said, address)
        if session is None:
            return None
        with self._lock:
            known = self._live.get(session.id)
            if known:
                session = replace(session, seen=max(session.seen, known[0].seen))
            found = self._checked(session, str(said["m"]))
            if found is None:
                self._live.pop(session.id, None)
                return None
            if active:
                found = replace(found, seen=self._clock())
            self._live[found.id] = found, str(said["m"])
            return found

    def find(self, session_id: str, *, active: bool = False) -> Session | None:
        """Return the session of that id, None when it is over; `active` when its person acts."""
        with self._lock:
            if session_id not in self._live:
                return None
            session, mark = self._live[session_id]
            found = self._checked(session, mark)
            if found is None:
                del self._live[session_id]
                return None
            if active:
                found = replace(found, seen=self._clock())
            self._live[session_id] = found, mark
            return found

    def end(self, session_id: str) -> float:
        """End a session for good and return until when that matters."""
        with self._lock:
            self._live.pop(session_id, None)
            self._ended[session_id] = self._clock() + self.lasts_s
            return self._ended[session_id]

    def renewed(self, cookie: str, session: Session) -> str | None:
        """Return a cookie with the time of now, None when that of this one will do."""
        try:
            said = self._signer.loads(cookie)
        except BadSignature:
            return None
        if self._clock() - said["s"] < REFRESH_S:
            return None
        return self._sign(session, str(said["m"]))

    def _sign(self, session: Session, mark: str) -> str:
        said = {"i": session.id, "n": session.name, "v": session.via, "m": mark}
        return str(self._signer.dumps({**said, "b": session.began, "s": session.seen}))

    def _checked(self, session: Session, mark: str) -> Session | None:
        now = self._clock()
        over = now - session.began >= self.lasts_s or now - session.seen >= self._idle_s
        if over or session.id in self._ended or digest(session.id) in self._ended_elsewhere:
            return None
        mark_now, role = (
            self._mark(session.name, session.via),
            self._role(session.name, session.via),
        )
        if mark_now is None or role is None or not hmac.compare_digest(mark, mark_now):
            return None
        return replace(session, role=role)

    def _role(self, name: str, via: Via) -> Role | None:
        if via == "oidc":
            return self._accounts.role_of_address(name)
        account = self._accounts.find(name)
        return account.role if account else None

    def _mark(self, name: str, via: Via) -> str | None:
        """Return what a session was begun with, so that another password ends it."""
        account = self._accounts.find(name) if via == "password" else None
        if via == "password" and account is None:
            return None
        begun_with = account.hash if account else ""
        return hmac.new(self._secret, f"{via}/{begun_with}".encode(), "sha256").hexdigest()[:24]

    def _forget_old(self, now: float) -> None:
        self._ended = {key: until for key, until in self._ended.items() if until > now}
        self._live = {
            key: (session, mark)
            for key, (session, mark) in self._live.items()
            if now - session.began < self.lasts_s and now - session.seen < self._idle_s
        }


def _session_of(said: Any, address: str) -> Session | None:
    try:
        via: Via = "oidc" if said["v"] == "oidc" else "password"
        began, seen = float(said["b"]), float(said["s"])
        return Session(str(said["i"]), str(said["n"]), Role.VIEWER, via, began, seen, address)
    except (KeyError, TypeError, ValueError):
        return None
