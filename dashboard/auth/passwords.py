"""Passwords, of which only argon2 hashes are ever kept."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

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
