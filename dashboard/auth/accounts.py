"""Who may sign in: names with password hashes, and addresses that a provider vouches for."""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.auth.passwords import is_hash
from dashboard.auth.roles import Role
from memory_core.errors import SettingsError


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
