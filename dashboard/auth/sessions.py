"""Sessions: signed cookies, checked against the current settings, revoked on all instances."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from itsdangerous import BadSignature, URLSafeSerializer

from memory_core.errors import EntryExists, MemoryCoreError
from memory_core.storage.objects import ObjectStore

from ..connection import connection
from .accounts import Accounts
from .roles import Role

REFRESH_S: Final = 60
"""Seconds after which the time in a cookie is renewed."""

_ASK_S: Final = 10
"""Seconds between reads of the revoked sessions while somebody is signed in."""

_TRUSTED_S: Final = 3 * _ASK_S
"""Most seconds since the list of revoked sessions was read to trust a session begun elsewhere."""

_PREFIX: Final = "signouts/v1/"
_logger = logging.getLogger("dashboard")

Via = Literal["password", "oidc"]


@dataclass(frozen=True)
class Session:
    """A signed-in person. Times are seconds since 1970."""

    id: str
    name: str
    role: Role
    via: Via
    began: float
    last_active: float
    address: str = ""


class NotYetKnown(Exception):
    """The list of ended sessions was not read recently: a session begun elsewhere has to wait."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session


class Sessions:
    """Sessions of this process.

    The cookie holds the id, the name and the times, signed, but never the role: name and role are
    looked up at each use, so that removing or lowering an account takes effect at once. Changing a
    password ends the sessions begun with the former one.
    """

    def __init__(
        self,
        accounts: Accounts,
        secret: str,
        *,
        idle_s: float,
        lasts_s: float,
        shared: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`shared` means that other processes, or one before a restart, use the same secret."""
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
        self._revoked: frozenset[str] = frozenset()
        self._shared = shared
        self._learned_at = float("-inf")
        self.wanted = False
        """True while somebody waits for the list of ended sessions to be read."""

    @property
    def any(self) -> bool:
        """True if somebody is signed in here, or waits to be."""
        return bool(self._live) or self.wanted

    def learn(self, digests: frozenset[str]) -> None:
        """Set which sessions other instances, or an earlier process, have ended."""
        self._revoked = digests
        self._learned_at, self.wanted = self._clock(), False

    def begin(self, name: str, via: Via, address: str = "") -> str | None:
        """Begin a session and return its cookie, None where the name has no access."""
        now, standing = self._clock(), self._standing(name, via)
        if standing is None:
            return None
        mark, role = standing
        session = Session(secrets.token_urlsafe(18), name, role, via, now, now, address)
        with self._lock:
            self._forget_old(now)
            self._live[session.id] = session, mark
        return self._sign(session, mark)

    def read(self, cookie: str, address: str = "", *, active: bool = True) -> Session | None:
        """Return the live session of a cookie; `active` when a person acts.

        Raises:
            NotYetKnown: it began elsewhere and may have been ended there.
        """
        try:
            values = self._signer.loads(cookie)
            session, mark = _session_of(values, address), str(values["m"])
        except (BadSignature, KeyError, TypeError, ValueError):
            return None
        with self._lock:
            if live := self._live.get(session.id):
                latest = max(session.last_active, live[0].last_active)
                session = replace(session, last_active=latest)
            used = self._use(session, mark, active)
            trusted = not self._shared or self._clock() - self._learned_at < _TRUSTED_S
            if used and not live and not trusted:
                del self._live[session.id]
                self.wanted = True
                raise NotYetKnown(used)
            return used

    def find(self, session_id: str, *, active: bool = False) -> Session | None:
        """Return the live session of that id; `active` when a person acts."""
        with self._lock:
            live = self._live.get(session_id)
            return self._use(*live, active) if live else None

    def end(self, session_id: str) -> float:
        """End a session for good and return when its cookie would have expired."""
        with self._lock:
            self._live.pop(session_id, None)
            self._ended[session_id] = self._clock() + self.lasts_s
            return self._ended[session_id]

    def renewed(self, cookie: str, session: Session) -> str | None:
        """Return the cookie of a session with the current time, None while it is recent enough."""
        values = self._signer.loads(cookie)
        if self._clock() - values["s"] < REFRESH_S:
            return None
        return self._sign(session, str(values["m"]))

    def _sign(self, session: Session, mark: str) -> str:
        values = {"i": session.id, "n": session.name, "v": session.via, "m": mark}
        return str(self._signer.dumps({**values, "b": session.began, "s": session.last_active}))

    def _use(self, session: Session, mark: str, active: bool) -> Session | None:
        """Return the session as it is now, and keep it; forget it if it is over."""
        now, standing = self._clock(), self._standing(session.name, session.via)
        if (
            now - session.began >= self.lasts_s
            or now - session.last_active >= self._idle_s
            or session.id in self._ended
            or digest(session.id) in self._revoked
            or standing is None
            or not hmac.compare_digest(mark, standing[0])
        ):
            self._live.pop(session.id, None)
            return None
        session = replace(session, role=standing[1])
        if active:
            session = replace(session, last_active=now)
        self._live[session.id] = session, mark
        return session

    def _standing(self, name: str, via: Via) -> tuple[str, Role] | None:
        """Return a digest of the credential, which a new password changes, and the role."""
        credential = ""
        if via == "oidc":
            role = self._accounts.role_of_address(name)
        else:
            account = self._accounts.find(name)
            role = account.role if account else None
            credential = account.hash if account else ""
        if role is None:
            return None
        mark = hmac.new(self._secret, f"{via}/{credential}".encode(), "sha256")
        return mark.hexdigest()[:24], role

    def _forget_old(self, now: float) -> None:
        self._ended = {key: until for key, until in self._ended.items() if until > now}
        self._live = {
            key: (session, mark)
            for key, (session, mark) in self._live.items()
            if now - session.began < self.lasts_s and now - session.last_active < self._idle_s
        }


class RevokedSessions:
    """Ended sessions in the object storage, whose failures are `BackendError`s."""

    def __init__(self, objects: ObjectStore, clock: Callable[[], float] = time.time) -> None:
        self._objects, self._clock = objects, clock

    def add(self, session_id: str, until: float) -> None:
        """Record that a session is over; its cookie expires `until` (seconds since 1970)."""
        key = f"{_PREFIX}{round(until):012d}-{digest(session_id)}"
        with suppress(EntryExists):
            self._objects.put_if_absent(key, b"{}")

    def digests(self) -> frozenset[str]:
        """Return the digests of the ended sessions, and delete those whose cookies expired."""
        now, ended, expired = round(self._clock()), set(), []
        for key in self._objects.list(_PREFIX):
            until, _, digested = key.removeprefix(_PREFIX).partition("-")
            if until.isdigit() and int(until) > now:
                ended.add(digested)
            else:
                expired.append(key)
        if expired:
            self._objects.delete(expired)
        return frozenset(ended)


def digest(session_id: str) -> str:
    """Return the digest that stands for a session id in the storage."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:32]


_unsaved: Final[dict[str, float]] = {}
"""Sign-outs not saved yet, by session id: when the cookie expires, in seconds since 1970."""


def revoke(session_id: str, until: float) -> None:
    """End a session on all instances, at once or as soon as the storage can be written again."""
    _unsaved[session_id] = until
    try:
        _save_revoked()
    except MemoryCoreError as error:
        _logger.error("a sign-out could not be passed on yet: %s", error)


def _save_revoked() -> None:
    for session_id, until in list(_unsaved.items()):
        _revoked_sessions().add(session_id, until)
        _unsaved.pop(session_id, None)


async def follow_revocations(sessions: Sessions) -> None:
    """Keep reading which sessions were ended elsewhere or before this start.

    Reads every `_ASK_S` while somebody is signed in, and at once when somebody waits to be.
    """
    trouble = ""
    while True:
        said = await asyncio.to_thread(_learn, sessions)
        if said and said != trouble:
            _logger.error("sign-outs elsewhere could not be read: %s", said)
        trouble = said
        for _ in range(_ASK_S):
            await asyncio.sleep(1)
            if sessions.wanted:
                break
        while not sessions.any and not _unsaved:
            await asyncio.sleep(1)


def _learn(sessions: Sessions) -> str:
    """Save and read ended sessions; return why that failed, or an empty string."""
    try:
        _save_revoked()
        sessions.learn(_revoked_sessions().digests())
    except MemoryCoreError as error:
        return str(error)
    return ""


def _revoked_sessions() -> RevokedSessions:
    return RevokedSessions(connection().service().parts.backend.objects)


def _session_of(values: Any, address: str) -> Session:
    via: Via = "oidc" if values["v"] == "oidc" else "password"
    began, last_active = float(values["b"]), float(values["s"])
    return Session(
        str(values["i"]), str(values["n"]), Role.VIEWER, via, began, last_active, address
    )
