"""The values that travel between the layers: frozen, slotted, comparable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Literal

from .server_card import ServerCard
from .user_id import UserId

SearchMode = Literal["auto", "exact", "index"]
Strength = Literal["strong", "some", "weak"]
"""How well a memory answers a question, in one word for people."""

STRONG_FROM = 0.35
SOME_FROM = 0.15
CHANCE_BELOW = 0.08
"""Bounds of a score; docs/decisions/ranking.md says how often a memory between them is right."""

Unexpected = Literal["keep", "adopt", "remove"]
"""Treatment of vectors that were never recorded, in a repair."""


class Kind(StrEnum):
    """Kinds of ledger events; a RESTORE brought a memory back to an earlier state."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    FORGET = "FORGET"
    RESTORE = "RESTORE"


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """One remembered statement.

    `metadata` holds what the caller attached; a memory cut from a document has the keys
    `document` and `place` there too.
    `indexed` is False while the memory is recorded but not in the vector store yet.
    `already_stored` and `verified` describe the save that returned this record: the same text was
    in the same scope before; the memory was read back by id afterwards. `expires` is the last day
    (UTC) on which questions find it, None if it does not expire. `actor_id` is the speaker's name,
    `attributed_to` the source that the extracting language model names.
    """

    id: str
    user_id: UserId
    memory: str
    created_at: datetime
    updated_at: datetime
    agent_id: str | None = None
    run_id: str | None = None
    role: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    indexed: bool = True
    already_stored: bool = False
    verified: bool = False
    expires: date | None = None
    actor_id: str | None = None
    attributed_to: str | None = None

    @property
    def expired(self) -> bool:
        """Questions no longer find it; lists, and calls by its id, do."""
        return self.expired_on(datetime.now(UTC).date())

    def expired_on(self, day: date) -> bool:
        """Return whether questions no longer find it on that day (UTC), as in mem0."""
        return self.expires is not None and self.expires < day


class SavedMemories(list[MemoryRecord]):
    """The memories of one save, in its order.

    `left_out` names what was not remembered, with its number: "2 pages without text (3-4)".
    """

    def __init__(self, records: Iterable[MemoryRecord] = (), left_out: Iterable[str] = ()) -> None:
        super().__init__(records)
        self.left_out = tuple(left_out)


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory found by a question. `score` and its parts lie in 0..1.

    The score is a weighted mean of `cosine` and `bm25`, plus `context`: what the memories before
    and after it add where one continues the other.
    """

    memory: MemoryRecord
    score: float
    rank: int
    cosine: float
    bm25: float
    context: float = 0.0

    @property
    def strength(self) -> Strength:
        if self.score >= STRONG_FROM:
            return "strong"
        return "some" if self.score >= SOME_FROM else "weak"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and how they were found.

    `complete` says that all `searched` memories of the user were ranked; it is False if the index
    was asked, which may miss matches. With `more_to_come`, memories are still being migrated from
    the local disk.
    """

    hits: tuple[Hit, ...]
    mode: Literal["exact", "index"]
    searched: int
    complete: bool
    more_to_come: bool = False

    @property
    def telling(self) -> int:
        """The number of hits before the first that is no better than chance."""
        return sum(hit.score >= CHANCE_BELOW for hit in self.hits)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the history. `id` is a memory id, or `*` for all of the user's memories.

    `came_from` and `went_to` are set if a memory moved: a user, or the name of an export.
    `expires` is the memory's expiry date after the event. `event_id`, a ULID shared by the events
    of one call, names the moment right after it; events from before an import have none. `who`,
    `via` and `call` say who made it, through what, and by which call; empty for older events.
    """

    kind: Kind
    at: datetime
    id: str
    user_id: UserId
    raw_user_id: str
    memory: str | None = None
    came_from: str | None = None
    went_to: str | None = None
    expires: date | None = None
    event_id: str = ""
    who: str = ""
    via: str = ""
    call: str = ""


@dataclass(frozen=True, slots=True)
class UserSummary:
    """The number of a user's memories, and the times of the first and the last event.

    `activity` counts the user's events in each of the last twelve weeks (from Monday, UTC), the
    present one last; it is empty if they were not counted. An imported memory counts in the week
    it was created.
    """

    user_id: UserId
    memories: int
    first_write: datetime
    last_write: datetime
    activity: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Result of a deletion: `removed` memories, of which a recount still finds `left`.

    `left` is None if there was no recount.
    """

    user_id: UserId
    kind: Kind
    removed: int
    left: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """Description of an index by its vector store. `mode` is the service's term, or empty.

    `searchable_keys` are the payload keys whose words the index can search already. `vectors` is
    None if the service does not count them, `arn` is empty if it has none.
    """

    backend: str
    name: str
    dimensions: int
    metric: str
    mode: str = ""
    created_at: datetime | None = None
    non_filterable_keys: tuple[str, ...] = ()
    searchable_keys: tuple[str, ...] = ()
    vectors: int | None = None
    arn: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the choice of a backend; `deciding` marks the one that settled it."""

    name: str
    ok: bool
    detail: str
    deciding: bool = False


MigrationState = Literal[
    "none", "off", "waiting", "running", "elsewhere", "done", "incomplete", "failed", "stopped"
]


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Progress of the automatic migration from the local disk to S3.

    none: nothing to migrate. off: `MEMORY_AUTO_MIGRATE` is 0. waiting: not begun. elsewhere:
    another process is migrating. incomplete: done, but some were refused or are in conflict.
    stopped: ended between two batches; the next start continues.
    """

    state: MigrationState = "none"
    source: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0.0
    """Memories per second."""
    remaining_s: float | None = None
    copied: int = 0
    failed: int = 0
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def more_to_come(self) -> bool:
        """Some memories may not have arrived yet."""
        return self.state in ("waiting", "running", "elsewhere", "stopped")


@dataclass(frozen=True, slots=True)
class Status:
    """The storage in use, the reason for it, and the number of memories.

    `since` is the first event of the ledger, None while nothing is stored.
    `missing_extras` maps extras that are not installed to a sentence about them.
    `location` maps a word ("folder", "bucket", "index") to a name. `server` names a server in
    Amazon's place, `card` its capabilities; `stand_in` is the address of our own stand-in.
    `left_out` and `damaged` are as in `Census`. `migration` is that of memories on the local disk.
    """

    backend: str
    persistent: bool
    reason: str
    steps: tuple[Step, ...]
    embedder: str
    dimensions: int
    location: Mapping[str, str]
    memories: int
    users: int
    since: datetime | None
    last_write: datetime | None
    as_of: datetime
    stand_in: str | None = None
    server: str | None = None
    card: ServerCard | None = None
    left_out: tuple[UserId, ...] = ()
    damaged: tuple[UserId, ...] = ()
    migration: MigrationStatus = MigrationStatus()
    missing_extras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """The owner of memories: a user, and optionally an agent and a run."""

    user_id: UserId
    agent_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A text to be remembered unchanged, and its speaker."""

    text: str
    role: str = "user"
    name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditItem:
    """A memory that differs from the record, and the difference.

    `user_id` is None for a vector that names no user. `memory` is None for what was deleted. The
    id is `*` for a user who is being forgotten and whose entries are still in the ledger.
    """

    id: str
    user_id: UserId | None
    detail: str
    memory: str | None = None
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Differences between store and ledger, over `checked` memories of `users` users.

    `missing` are recorded and not searchable, `unexpected` were never recorded, `altered` are
    not in the recorded state, `undeleted` are deleted or forgotten and still there. `damaged` are
    entries of the ledger that cannot be read; `repaired` ones were rewritten from the store.
    `left_out` is as in `Census`.
    """

    missing: tuple[AuditItem, ...]
    unexpected: tuple[AuditItem, ...]
    altered: tuple[AuditItem, ...]
    undeleted: tuple[AuditItem, ...]
    checked: int
    users: int
    left_out: tuple[UserId, ...] = ()
    damaged: tuple[AuditItem, ...] = ()

    @property
    def found(self) -> tuple[AuditItem, ...]:
        return self.missing + self.altered + self.undeleted + self.unexpected + self.damaged

    @property
    def repaired(self) -> int:
        return sum(item.repaired for item in self.found)

    @property
    def clean(self) -> bool:
        """The store agrees with the ledger now: no differences, or all repaired."""
        return all(item.repaired for item in self.found)


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """Result of a rebuild: `embedded` of `memories` were missing from the index, or differed.

    `audit` is an audit made afterwards.
    """

    index: str
    memories: int
    users: int
    embedded: int
    seconds: float
    audit: AuditReport
