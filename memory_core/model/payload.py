"""Payloads of stored memories: comparison, identity, expiry, and adoption from other writers."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from ..errors import InvalidMemory, InvalidUserId
from .limits import (
    RESERVED_KEYS,
    check_metadata,
    check_payload,
    check_scope,
    check_text,
    size_of_text,
)
from .user_id import UserId, normalize_user_id

NEVER: Final = "never"
"""In place of a date: the memory does not expire."""

# ChromaDB 1.5.9 returns one fraction in ten with its last bit changed.
_TOLERANCE = 1e-12


def differing(recorded: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """Return the keys in which two payloads differ; a value of None counts as absent."""
    return sorted(
        key
        for key in recorded.keys() | stored.keys()
        if not _same(recorded.get(key), stored.get(key))
    )


def owner(payload: Mapping[str, Any]) -> UserId | None:
    """Return the owner of a stored payload, None if it names nobody."""
    try:
        return normalize_user_id(payload.get("user_id", ""))
    except InvalidUserId:
        return None


def identity(payload: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the scope and the text, which identify a memory of one user."""
    return payload.get("agent_id"), payload.get("run_id"), payload.get("data")


def fingerprint(payload: Mapping[str, Any]) -> bytes:
    """Return the identity as 32 bytes."""
    return hashlib.sha256(json.dumps(identity(payload)).encode()).digest()


def adopt(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload of another writer in the form of our own.

    Raises:
        InvalidUserId, InvalidMemory: it names no user, has no text, or exceeds the limits.
    """
    attached = {key: val for key, val in payload.items() if key not in RESERVED_KEYS}
    ours = {
        **{key: val for key, val in payload.items() if val is not None and key != "revision"},
        **check_metadata({key: val for key, val in attached.items() if val is not None}),
        "user_id": normalize_user_id(payload.get("user_id", "")),
        "data": check_text(payload.get("data")),
    }
    for name in ("agent_id", "run_id"):
        if name in ours:
            ours[name] = check_scope(ours[name], name)
    for name in RESERVED_KEYS.intersection(ours):
        if not isinstance(ours[name], str):
            raise InvalidMemory(f"{name} is {ours[name]!r}; only text can be kept there")
        size_of_text(ours[name], name)
    if time_of(ours, "created_at") is None:
        ours["created_at"] = datetime.now(UTC).isoformat()
    if time_of(ours, "updated_at") is None:
        ours.pop("updated_at", None)
    check_payload(ours)
    return ours


def time_of(payload: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time in a stored payload (aware), None if it cannot be read."""
    try:
        return parse_time(payload[name])
    except (KeyError, TypeError, ValueError):
        return None


def expiry_of(payload: Mapping[str, Any]) -> date | None:
    """Return the expiry date of a stored payload; as in mem0, a malformed one counts as none."""
    try:
        return date.fromisoformat(str(payload.get("expiration_date") or ""))
    except ValueError:
        return None


def with_expiry(payload: Mapping[str, Any], expires: date | str | None) -> dict[str, Any]:
    """Return the payload with another expiry date: a date, its ISO text, or `NEVER`; None keeps it.

    Raises:
        InvalidMemory: it is none of these.
    """
    if expires is None:
        return dict(payload)
    changed = {key: value for key, value in payload.items() if key != "expiration_date"}
    if expires == NEVER:
        return changed
    try:
        # A datetime is a date as well; the day is that of UTC.
        if isinstance(expires, datetime):
            expires = (expires.astimezone(UTC) if expires.tzinfo else expires).date()
        day = expires if isinstance(expires, date) else date.fromisoformat(expires)
    except (TypeError, ValueError) as exc:
        raise InvalidMemory(
            f"expiry {expires!r} is not a date; write it like 2027-01-31, or {NEVER}"
        ) from exc
    return {**changed, "expiration_date": day.isoformat()}


def parse_time(text: str) -> datetime:
    """Parse a time of a payload (aware); raises ValueError or TypeError for anything else."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _same(recorded: Any, stored: Any) -> bool:
    if isinstance(recorded, list) and isinstance(stored, list):
        return len(recorded) == len(stored) and all(map(_same, recorded, stored))
    if isinstance(recorded, float) and isinstance(stored, float):
        return math.isclose(recorded, stored, rel_tol=_TOLERANCE)
    return type(recorded) is type(stored) and bool(recorded == stored)
