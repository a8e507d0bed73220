"""Whether a memory that comes in can be stored, and how it would be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..errors import InvalidMemory
from ..identity import UserId, is_probe, normalize_user_id
from ..payloads import adopt
from ..records import Scope
from .values import Carried

_LONGEST_ID = 180
# Where these stand in a source they are somebody's own, or made by a store.
_NOT_CARRIED = ("revision", "text_lemmatized", "exact_numbers", "raw_user_id", "user_id")


@dataclass(frozen=True, slots=True)
class Checked:
    """A memory that can be stored: its user, and its payload as we record it."""

    carried: Carried
    user_id: UserId
    payload: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.payload["data"])

    @property
    def scope(self) -> Scope:
        return Scope(self.user_id, self.payload.get("agent_id"), self.payload.get("run_id"))


def check(carried: Carried) -> Checked:
    """Return a memory as we would record it.

    Raises:
        InvalidUserId, InvalidMemory: it cannot be stored; says why.
    """
    user_id = normalize_user_id(carried.user_id)
    if is_probe(user_id):
        raise InvalidMemory(f"user {user_id!r} belongs to a redeploy test; leave it out")
    if carried.id is not None:
        _check_id(carried.id)
    own = {key: val for key, val in carried.payload.items() if key not in _NOT_CARRIED}
    payload = adopt({**own, "user_id": user_id})
    payload.setdefault("hash", hashlib.md5(payload["data"].encode()).hexdigest())
    return Checked(carried, user_id, payload)


def _check_id(memory_id: str) -> None:
    if (
        not memory_id
        or memory_id == "*"
        or not memory_id.isprintable()
        or any(char.isspace() for char in memory_id)
        or len(quote(memory_id, safe="").encode()) > _LONGEST_ID
    ):
        raise InvalidMemory(
            f"id {memory_id[:80]!r} cannot be that of a memory; use up to {_LONGEST_ID} "
            "characters without spaces, or leave it out"
        )
