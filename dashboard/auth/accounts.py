"""Accounts: password hashes by name, addresses that a provider vouches for, failed attempts."""

from __future__ import annotations

import ipaddress
import string
import threading
import time
from base64 import b64decode
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from memory_core.errors import SettingsError
from memory_core.model.limits import normalized

from .roles import Role

SHORTEST = 12
LONGEST = 1024
WINDOW_S = 15 * 60
PER_ACCOUNT = 10
PER_ADDRESS = 30
KEPT = 10_000

_MOST_MEMORY_KIB = 128 * 1024
_MOST_PASSES = 10
_MOST_LANES = 8
# OWASP's smallest set is 7 MiB and five passes; all sets fill about the same memory in total.
_LEAST_MEMORY_KIB = 7 * 1024
_LEAST_FILLED_KIB = 35 * 1024
_LEAST_SALT = 16
_HASH_LENGTHS = (32, 64)
"""Bytes. A hash depends on its length, so a truncated one fits no password."""
_SHORTEST_UNIT = 4
_KNOWN_PASSWORDS = Path(__file__).parent / "known_passwords.txt"
# 19 MiB and two passes, the least that OWASP recommends: several fit into a small machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Return the argon2 hash of a password, of `SHORTEST` to `LONGEST` characters.

    Raises:
        ValueError: it is shorter or longer, or a known password, even with digits and punctuation
            around it.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"a password has {SHORTEST} to {LONGEST:,} characters")
    if is_known(password):
        raise ValueError(
            "this password, or the word it is made from, is among the first that attackers try; "
            "choose several unrelated words"
        )
    return _HASHER.hash(password)


def is_known(password: str) -> bool:
    """Return whether a password is easily guessed: a known one, even if repeated or decorated."""
    plain = normalized("NFKC", password).casefold()
    core = plain.strip(string.digits + string.punctuation + string.whitespace)
    return any(
        unit in known_passwords() or (len(unit) < _SHORTEST_UNIT and unit != text)
        for text in (plain, core)
        for unit in _units(text)
    )


def _units(text: str) -> Iterator[str]:
    """Yield each prefix whose repetition gives the text, including the whole text."""
    for length in range(1, len(text) + 1):
        if text.startswith(text[length:]):
            yield text[:length]


@cache
def known_passwords() -> frozenset[str]:
    """Return the 10,000 most common passwords, lower-cased."""
    return frozenset(_KNOWN_PASSWORDS.read_text("utf-8").split())


def is_hash(value: str) -> bool:
    """Return whether a value is a whole argon2id hash that is neither too weak nor too costly."""
    try:
        asked = extract_parameters(value)
        digits = value.rpartition("$")[2]
        b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (InvalidHashError, ValueError):
        return False
    return (
        value.startswith("$argon2id$v=19$")
        and asked.hash_len in _HASH_LENGTHS
        and asked.salt_len >= _LEAST_SALT
        and _LEAST_MEMORY_KIB <= asked.memory_cost <= _MOST_MEMORY_KIB
        and asked.time_cost <= _MOST_PASSES
        and asked.parallelism <= _MOST_LANES
        and asked.memory_cost * asked.time_cost >= _LEAST_FILLED_KIB
    )


def fits(password: str, hashed: str | None) -> bool:
    """Return whether a password matches a hash; without a hash it takes as long."""
    try:
        _HASHER.verify(hashed or _decoy_hash(), password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


@cache
def _decoy_hash() -> str:
    return _HASHER.hash("a password that nobody has")


@dataclass(frozen=True)
class Account:
    """A name that may sign in with a password."""

    name: str
    role: Role
    hash: str = field(repr=False)


def normalize_name(name: str) -> str:
    """Return the form in which names and addresses are compared."""
    return normalized("NFKC", name).strip().casefold()


def parse_users(text: str, where: str) -> dict[str, Account]:
    """Parse entries `name:role:hash`, separated by white space or `;`.

    Raises:
        SettingsError: an entry cannot be read; names its variable, `where`, and its number, never
            its content.
    """
    accounts: dict[str, Account] = {}
    for place, entry in _entries(text, where):
        parts = entry.split(":", 2)
        if len(parts) != 3 or not normalize_name(parts[0]) or not is_hash(parts[2]):
            raise SettingsError(
                f"{place} is not name:role:hash with a complete hash of usual strength; make one "
                "with `python -m dashboard.auth hash --name NAME --role ROLE`"
            )
        name = normalize_name(parts[0])
        if name in accounts:
            raise SettingsError(f"{place} repeats a name; keep one of them")
        accounts[name] = Account(name, Role.of(parts[1], place), parts[2])
    if text and not accounts:
        raise SettingsError(
            f"{where} has no entry, so nobody could sign in; add one name:role:hash, made by "
            "`python -m dashboard.auth hash`"
        )
    return accounts


def parse_allowed(text: str, where: str) -> dict[str, Role]:
    """Parse entries `person@host:role` or `@host:role`.

    Raises:
        SettingsError: an entry cannot be read; names its variable, `where`, and its number.
    """
    allowed: dict[str, Role] = {}
    for place, entry in _entries(text.replace(",", " "), where):
        address, colon, role = entry.rpartition(":")
        host = address.partition("@")[2]
        if not colon or not host or "@" in host or "*" in address:
            raise SettingsError(f"{place} is not person@host:role or @host:role; correct it")
        allowed[normalize_name(address)] = Role.of(role, place)
    return allowed


def _entries(text: str, where: str) -> Iterator[tuple[str, str]]:
    for number, entry in enumerate(text.replace(";", " ").split(), 1):
        yield f"entry {number} of {where}", entry


class Accounts:
    """Accounts of the settings; a file of accounts is read again when it changes."""

    def __init__(
        self, users: str | None = None, file: Path | None = None, allowed: str | None = None
    ) -> None:
        """Raise SettingsError if an entry or the file cannot be read."""
        self._given = parse_users(users or "", "DASHBOARD_USERS")
        self._allowed = parse_allowed(allowed or "", "DASHBOARD_OIDC_ALLOW")
        self._file = file
        self._lock = threading.Lock()
        self._version = self._file_version()
        self._from_file = self._read()

    def by_name(self) -> dict[str, Account]:
        """Return the accounts with a password as they are now."""
        with self._lock:
            if self._file and (version := self._file_version()) != self._version:
                self._version = version
                try:
                    self._from_file = self._read()
                except SettingsError:
                    # With a damaged file nobody may sign in, rather than yesterday's accounts.
                    self._from_file = {}
            return {**self._from_file, **self._given}

    def find(self, name: str) -> Account | None:
        """Return the account of that name as it is now."""
        return self.by_name().get(normalize_name(name))

    def role_of_address(self, address: str) -> Role | None:
        """Return the role of an address; its own entry precedes that of its host."""
        address = normalize_name(address)
        name, at, host = address.rpartition("@")
        if not name or not at:
            return None
        return self._allowed.get(address, self._allowed.get(f"@{host}"))

    def _file_version(self) -> tuple[int, ...]:
        """Return a value that changes when the file is written or replaced; () without it."""
        try:
            stat = self._file.stat() if self._file else None
        except OSError:
            stat = None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else ()

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
        # A file without entries is refused as well, so that nobody forgets to fill it.
        return parse_users("\n".join(lines) or " ", "DASHBOARD_USERS_FILE")


class Attempts:
    """Failed sign-ins of the last `WINDOW_S`, by name, network address and browser.

    A browser from which this name signed in before has a counter of its own, so that attempts of
    others do not block it; for other names it is counted apart from its address.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait_s(self, name: str, address: str, browser: Browser | None = None) -> int:
        """Return the seconds until the next attempt is allowed, 0 for now."""
        with self._lock:
            return max(self._wait(key, most) for key, most in _counted(name, address, browser))

    def failed(self, name: str, address: str, browser: Browser | None = None) -> None:
        """Count a failure."""
        with self._lock:
            for key, _ in _counted(name, address, browser):
                self._failures.setdefault(key, deque(maxlen=PER_ADDRESS)).append(self._clock())
                self._failures.move_to_end(key)
            while len(self._failures) > KEPT:
                self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str, browser: Browser | None = None) -> None:
        """Forget the failures of a name, and take back what was counted for this attempt."""
        with self._lock:
            for key, _ in _counted(name, address, browser):
                if key[0] in {"account", "browser"}:
                    self._failures.pop(key, None)
                elif self._failures.get(key):
                    self._failures[key].pop()

    def _wait(self, key: tuple[str, str], most: int) -> int:
        times = self._failures.get(key, deque())
        while times and self._clock() - times[0] >= WINDOW_S:
            times.popleft()
        if len(times) < most:
            return 0
        return max(1, round(times[-most] + WINDOW_S - self._clock()))


class Browser(NamedTuple):
    """A browser from which somebody signed in before: its random id, and their name."""

    id: str
    name: str


def network_of(address: str) -> str:
    """Return the network that attempts are counted by: an IPv4 address, or the /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed[:8] + bytes(8), 64)))


def _counted(name: str, address: str, browser: Browser | None) -> list[tuple[tuple[str, str], int]]:
    """Return the counters of an attempt, and the most that each may hold."""
    if browser and browser.name == name:
        return [(("browser", browser.id), PER_ACCOUNT)]
    around = ("others in browser", browser.id) if browser else ("address", network_of(address))
    return [(("account", name), PER_ACCOUNT), (around, PER_ADDRESS)]
