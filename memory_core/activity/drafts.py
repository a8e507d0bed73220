"""An entry as it is noted, before it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ..errors import InvalidUserId
from ..identity import UserId, normalize_user_id
from .actor import Actor
from .values import Outcome

LONGEST_DETAIL: Final = 200


@dataclass
class Draft:
    """An entry that is not written yet; users get their marks when it is."""

    document: dict[str, Any]
    users: dict[str, UserId] = field(default_factory=dict)


def draft(
    actor: Actor,
    action: str,
    user_id: str | None,
    other_id: str | None,
    detail: str,
    outcome: Outcome,
) -> Draft:
    """Return the entry; users get their marks when it is written."""
    document = {
        "at": now(),
        "who": short(actor.name),
        "role": short(actor.role),
        "address": short(actor.address),
        "via": short(actor.via),
        "action": short(action),
        "detail": short(detail),
        "outcome": outcome,
        "operation": "",
    }
    users = {}
    for place, given in (("user", user_id), ("other", other_id)):
        if given is not None:
            try:
                users[place] = normalize_user_id(given)
            except InvalidUserId:
                # What was typed is no id; the call that it is for refuses it as well.
                document["detail"] = document["detail"] or "an id that cannot be one"
    return Draft(document, users)


def lost_entry(lost: int) -> dict[str, Any]:
    """Return the entry that says how many others could not be kept."""
    actor = Actor("the log", "system", via="the log")
    return draft(actor, "lost", None, None, f"{lost:,} entries", "failed").document


def short(text: str) -> str:
    """Return a text on one line, at most `LONGEST_DETAIL` long."""
    return " ".join(str(text).split())[:LONGEST_DETAIL]


def now() -> str:
    """Return the time as entries have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
