"""What comes in, what became of it, and the proof."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ..errors import InvalidMemory
from ..model.payload import adopt
from ..model.records import Scope
from ..model.user_id import UserId, is_probe, normalize_user_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float32]

Existing = Literal["skip", "overwrite", "keep-both"]
"""What is done where a memory of that id, or of that text, is there already.

`skip` leaves what is here as it is. `overwrite` gives a memory of the same id the text and metadata
that come in. `keep-both` keeps what is here, and what comes in beside it.
"""


Verdict = Literal["keep", "take", "both"]
"""What a person decided over an id that has another text here: what is here, theirs, or both."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was decided over conflicts: by the id of a memory, and for all others."""

    by_id: Mapping[str, Verdict] = field(default_factory=dict)
    others: Verdict | None = None

    def of(self, memory_id: str) -> Verdict | None:
        return self.by_id.get(memory_id, self.others)


class Outcome(StrEnum):
    """What became of one memory that came in."""

    ADDED = "added"
    ALREADY = "already_there"
    OVERWRITTEN = "overwritten"
    KEPT_BOTH = "kept_both"
    CONFLICT = "conflict"
    """Its id has another text here, which stays (`skip`)."""
    KEPT = "kept_here"
    """Its id has another text here, which a person decided for, or which was changed here since."""
    DELETED = "deleted"
    """It was deleted here, or went to another user, and stays so (`skip`)."""
    FORGOTTEN = "forgotten"
    """It is older than the forgetting of its user, which holds (`skip`)."""
    DUPLICATE = "duplicate"
    """The same memory came in before, in this call."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """A memory from elsewhere, which keeps its id.

    `user_id` is in its raw form. `payload` has mem0's keys; the user that it names is not looked
    at. `id` is None where it has none: one is derived from its text. `values` is its vector, made
    by the model called `embedder`. `former` is the user that it belongs to where it comes from, if
    that is another. `line` is where it stands there. `earlier` is what happened to it before: the
    events `{"kind", "at", "memory"}`, oldest first.
    """

    id: str | None
    user_id: str
    payload: Mapping[str, Any]
    values: Values | None = None
    embedder: str | None = None
    former: str | None = None
    line: int = 0
    earlier: Sequence[Mapping[str, Any]] = ()

    def size_bytes(self) -> int:
        """Return about how much memory it takes."""
        text = len(str(self.payload.get("data")))
        return text + (self.values.nbytes if self.values is not None else 0)


@dataclass(frozen=True, slots=True)
class RefusedMemory:
    """One memory that was not taken as it came: where it stood, and why."""

    line: int
    id: str | None
    user_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class UserResult:
    """What became of one user's memories.

    `expected` memories have to be there afterwards, `found` of them were when they were read back;
    the digests are those of `Digest` over both. None where nothing was read back: in a dry run, or
    since nothing has to be there.
    """

    user_id: UserId
    counts: Mapping[Outcome, int]
    expected: int
    expected_digest: str
    found: int | None = None
    found_digest: str | None = None
    unindexed: int = 0
    """Found on record, but not in the store as recorded."""

    @property
    def verified(self) -> bool | None:
        """Whether all that has to be there was read back; None where nothing was."""
        if self.found is None:
            return None
        return self.found_digest == self.expected_digest and not self.unindexed


@dataclass(frozen=True, slots=True)
class IntakeReport:
    """What became of everything that came in from `source`.

    `counts` has every outcome. Of those that were stored, `renamed` got an id of their own since
    theirs is another user's here, and `brought_back` had been deleted or forgotten here. `healed`
    were there already, but not in the store. `embedded` texts had no vector that could be kept.
    `refused` and `conflicts` list the first of each.
    """

    source: str
    existing: Existing
    dry_run: bool
    counts: Mapping[Outcome, int]
    renamed: int
    brought_back: int
    healed: int
    embedded: int
    refused: tuple[RefusedMemory, ...]
    conflicts: tuple[RefusedMemory, ...]
    users: tuple[UserResult, ...] = field(repr=False)

    @property
    def read(self) -> int:
        """How many memories came in."""
        return sum(self.counts.values())

    @property
    def verified(self) -> bool | None:
        """Whether everything that has to be there was read back; None for a dry run."""
        if self.dry_run:
            return None
        return all(user.verified is not False for user in self.users)


class Digest:
    """A digest of memories, in any order: the sum, modulo 2**256, of a SHA-256 for each.

    That of one memory is taken of the JSON `["<id>", "<text>"]` in UTF-8, nothing escaped that need
    not be.
    """

    __slots__ = ("count", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0

    def add(self, memory_id: str, text: str) -> None:
        self.add_mark(mark_of(memory_id, text))

    def add_mark(self, mark: bytes) -> None:
        self.count += 1
        self.total = (self.total + int.from_bytes(mark)) % 2**256

    def __str__(self) -> str:
        return f"{self.total:064x}"


def mark_of(memory_id: str, text: str) -> bytes:
    """Return the digest of one memory, 32 bytes."""
    return hashlib.sha256(json.dumps([memory_id, text], ensure_ascii=False).encode()).digest()


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
