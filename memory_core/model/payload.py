"""Payloads compared with what was recorded, and those that others stored made ours."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from ..errors import InvalidMemory, InvalidUserId
from .limits import RESERVED_KEYS, check_metadata, check_payload, check_scope, check_text
from .user_id import UserId, normalize_user_id

# ChromaDB 1.5.9 returns one fraction in ten with its last bit changed.
_TOLERANCE = 1e-12


def differing(recorded: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """Return the keys under which two payloads differ; one that holds None counts as absent."""
    return sorted(
        key
        for key in recorded.keys() | stored.keys()
        if not _same(recorded.get(key), stored.get(key))
    )


def owner(payload: Mapping[str, Any]) -> UserId | None:
    """Return whose memory a stored payload says it is, None where it names nobody."""
    try:
        return normalize_user_id(payload.get("user_id", ""))
    except InvalidUserId:
        return None


def identity(payload: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what makes two memories of one user the same: the scope and the text."""
    return payload.get("agent_id"), payload.get("run_id"), payload.get("data")


def fingerprint(payload: Mapping[str, Any]) -> bytes:
    """Return the identity as 32 bytes."""
    return hashlib.sha256(json.dumps(identity(payload)).encode()).digest()


def adopt(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload that others stored as we would record it.

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
    if time_of(ours, "created_at") is None:
        ours["created_at"] = datetime.now(UTC).isoformat()
    if time_of(ours, "updated_at") is None:
        ours.pop("updated_at", None)
    check_payload(ours)
    return ours


def time_of(payload: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time in a stored payload (aware), None where it cannot be read."""
    try:
        return parse_time(payload[name])
    except (KeyError, TypeError, ValueError):
        return None


def expiry_of(payload: Mapping[str, Any]) -> date | None:
    """Return the expiry date in a stored payload; as in mem0, one that is no date never comes."""
    try:
        return date.fromisoformat(str(payload.get("expiration_date") or ""))
    except ValueError:
        return None


def parse_time(text: str) -> datetime:
    """Return a time as payloads write it (aware); ValueError or TypeError for what is none."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_TOLERANCE)
    return type(one) is type(other) and bool(one == other)
