"""Who may sign in: names with password hashes, and addresses that a provider vouches for."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from memory_core.errors import SettingsError

from .roles import Role

SHORTEST = 12
LONGEST = 1024

_MOST_MEMORY_KIB = 128 * 1024
# 19 MiB and two passes, which OWASP asks for at least: several at once fit into a small machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Return the argon2 hash of a password, of `SHORTEST` to `LONGEST` characters.

    Raises:
        ValueError: it is shorter or longer; says so.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"a password has {SHORTEST} to {LONGEST:,} characters")
    return _HASHER.hash(password)


def is_hash(value: str) -> bool:
    """Say whether a value is an argon2id hash that this machine can afford to check."""
    try:
        parameters = extract_parameters(value)
    except InvalidHashError:
        return False
    return value.startswith("$argon2id$") and parameters.memory_cost <= _MOST_MEMORY_KIB


def fits(password: str, hashed: str | None) -> bool:
    """Say whether a password is the one that was hashed; without a hash it takes as long."""
    try:
        _HASHER.verify(hashed or _nobodys(), password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


@cache
def _nobodys() -> str:
    return _HASHER.hash("the password of nobody at all")


@dataclass(frozen=True)
class Account:
    """A name that may sign in with a password."""

    name: str
    role: Role
    hash: str = field(repr=False)


def fold(name: str) -> str:
    """Return the one form under which a name or an address is compared."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def parse_users(text: str, where: str) -> dict[str, Account]:
    """Read entries `name:role:hash`, apart by white space or `;`.

    Raises:
        SettingsError: an entry cannot be read; names `where` it stands and its number, and never
            shows what it says.
    """
    accounts: dict[str, Account] = {}
    for number, entry in enumerate(text.replace(";", " ").split(), 1):
        place = f"entry {number} of {where}"
        parts = entry.split(":", 2)
        if len(parts) != 3 or not fold(parts[0]) or not is_hash(parts[2]):
            raise SettingsError(
                f"{place} is not name:role:hash; make one with "
                "`python -m dashboard.auth hash --name NAME --role ROLE`"
            )
        name = fold(parts[0])
        if name in accounts:
            raise SettingsError(f"{place} has a name that stands there already; keep one of them")
        accounts[name] = Account(name, Role.of(parts[1], place), parts[2])
    return accounts


def parse_allowed(text: str, where: str) -> dict[str, Role]:
    """Read entries `person@host:role` or `@host:role`.

    Raises:
        SettingsError: an entry cannot be read; names `where` it stands and its number.
    """
    allowed: dict[str, Role] = {}
    for number, entry in enumerate(text.replace(",", " ").replace(";", " ").split(), 1):
        address, colon, role = entry.rpartition(":")
        place = f"entry {number} of {where}"
        host = address.partition("@")[2]
        if not colon or not host or "@" in host or "*" in address:
            raise SettingsError(f"{place} is not person@host:role or @host:role; write it so")
        allowed[fold(address)] = Role.of(role, place)
    return allowed


class Accounts:
    """The accounts of the settings; those of a file are read again when it changes."""

    def __init__(
        self, users: str | None = None, file: Path | None = None, allowed: str | None = None
    ) -> None:
        """Read all of them.

        Raises:
            SettingsError: an entry, or the file, cannot be read.
        """
        self._given = parse_users(users or "", "DASHBOARD_USERS")
        self._allowed = parse_allowed(allowed or "", "DASHBOARD_OIDC_ALLOW")
        self._file = file
        self._lock = threading.Lock()
        self._version = self._file_version()
        self._from_file = self._read()

    @property
    def any(self) -> bool:
        """Whether somebody can sign in with a password."""
        return bool(self.by_name())

    def by_name(self) -> dict[str, Account]:
        """Return the accounts as they are now."""
        with self._lock:
            if self._file and (version := self._file_version()) != self._version:
                self._version = version
                try:
                    self._from_file = self._read()
                except SettingsError:
                    # A file that is damaged lets nobody in rather than those of yesterday.
                    self._from_file = {}
            return {**self._from_file, **self._given}

    def find(self, name: str) -> Account | None:
        """Return the account of that name, None when there is none any more."""
        return self.by_name().get(fold(name))

    def role_of_address(self, address: str) -> Role | None:
        """Return the role of an address, whose own entry goes before that of its host."""
        address = fold(address)
        name, at, host = address.rpartition("@")
        if not name or not at:
            return None
        return self._allowed.get(address, self._allowed.get(f"@{host}"))

    def _file_version(self) -> tuple[int, ...]:
        """Return what differs when the file was written or replaced; nothing when it is gone."""
        try:
            found = self._file.stat() if self._file else None
        except OSError:
            found = None
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else ()

    def _read(self) -> dict[str, Account]:
        if self._file is None:
            return {}
        try:
            text = self._file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise SettingsError(
                "the file that DASHBOARD_USERS_FILE names cannot be read; give its path"
            ) from None
        lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        return parse_users("\n".join(lines), "DASHBOARD_USERS_FILE")


WINDOW_S = 15 * 60
PER_ACCOUNT = 10
PER_ADDRESS = 30
KEPT = 10_000


class Attempts:
    """Failures of the last `WINDOW_S`, for each name typed and for each address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait_s(self, name: str, address: str) -> int:
        """Return the seconds until the next try is looked at, 0 when it is now."""
        with self._lock:
            return max(
                self._wait(("account", name), PER_ACCOUNT),
                self._wait(("address", address), PER_ADDRESS),
            )

    def failed(self, name: str, address: str) -> None:
        """Note a failure."""
        with self._lock:
            for key in (("account", name), ("address", address)):
                self._failures.setdefault(key, deque(maxlen=PER_ADDRESS)).append(self._clock())
                self._failures.move_to_end(key)
            while len(self._failures) > KEPT:
                self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name; those of the address stay."""
        with self._lock:
            self._failures.pop(("account", name), None)

    def _wait(self, key: tuple[str, str], most: int) -> int:
        times = self._failures.get(key, deque())
        while times and self._clock() - times[0] >= WINDOW_S:
            times.popleft()
        if len(times) < most:
            return 0
        return max(1, round(times[-most] + WINDOW_S - self._clock()))
