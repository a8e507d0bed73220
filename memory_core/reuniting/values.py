"""What a reunion would do, what it did, and the file that undoes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import InvalidMove
from ..identity import UserId, normalize_user_id

FORMAT = "holdfast reunion"
VERSION = 1


@dataclass(frozen=True, slots=True)
class ReunionPlan:
    """What a reunion would do: move the memories `ids` of `former` to `user_id`, who has `theirs`.

    `doubles` of them say, in the same scope, what `user_id` has already; both are kept.
    `unfinished` arrived by an earlier reunion that was cut off. `refused` names memories that
    cannot be moved, and why.
    """

    former: UserId
    user_id: UserId
    ids: tuple[str, ...]
    theirs: int
    doubles: int
    unfinished: int
    refused: tuple[tuple[str, str], ...]

    @property
    def memories(self) -> int:
        """How many memories it would move."""
        return len(self.ids)

    def as_undo(self) -> Reunion:
        """Return what undoes the reunion, also where it is cut off and nobody learns its result."""
        now = datetime.now(UTC)
        return Reunion(self.former, self.user_id, self.ids, None, self.refused, now)


@dataclass(frozen=True, slots=True)
class Reunion:
    """What a reunion did: the memories with these ids, of `former`, are now of `user_id`.

    `verified` of them were read back from the store by their ids, as they should be; None in what
    is told of an earlier reunion.
    """

    former: UserId
    user_id: UserId
    ids: tuple[str, ...]
    verified: int | None
    refused: tuple[tuple[str, str], ...]
    at: datetime


def reunion_document(reunion: Reunion) -> dict[str, Any]:
    """Return the reunion as what its undo file holds: `read_reunion` reads it again."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "from": reunion.former,
        "to": reunion.user_id,
        "at": reunion.at.isoformat(timespec="seconds"),
        "moved": len(reunion.ids),
        "verified": reunion.verified,
        "refused": [{"id": one, "why": why} for one, why in reunion.refused],
        "ids": list(reunion.ids),
    }


def read_reunion(content: bytes) -> Reunion:
    """Return the reunion that an undo file tells of.

    Raises:
        InvalidMove: it is no undo file, was cut off, or is of another version.
    """
    try:
        found = json.loads(content)
        if found["format"] != FORMAT:
            raise ValueError("another format")
        if found["version"] != VERSION:
            raise InvalidMove(
                f"the undo file is of version {found['version']!r}, and this Holdfast reads "
                f"version {VERSION}; undo it with the Holdfast that wrote it"
            )
        ids = tuple(found["ids"])
        if not all(isinstance(one, str) for one in ids) or len(ids) != found["moved"]:
            raise ValueError("not the ids of memories")
        verified = found["verified"]
        return Reunion(
            former=normalize_user_id(found["from"]),
            user_id=normalize_user_id(found["to"]),
            ids=ids,
            verified=None if verified is None else int(verified),
            refused=tuple((one["id"], one["why"]) for one in found["refused"]),
            at=datetime.fromisoformat(found["at"]),
        )
    except (ValueError, KeyError, TypeError) as exc:
        if isinstance(exc, InvalidMove):
            raise
        raise InvalidMove(
            "this is no undo file of a reunion, or it was changed or cut off; "
            "use the file that `users reunite` wrote"
        ) from exc
