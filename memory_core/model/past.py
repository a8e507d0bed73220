"""Changes of a user's memories, filters that select some of them, and receipts of changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from ..errors import InvalidSelection
from .moments import read_moment
from .records import MemoryRecord
from .user_id import UserId

Moment = datetime | str
"""A time (UTC unless it has a zone), the id of an event, or a text that `read_moment` reads."""

ChangeKind = Literal["added", "changed", "deleted", "moved", "restored", "forgotten"]
BulkCall = Literal["restore", "delete", "expire"]
SourceKind = Literal["text", "document", "chat"]
"""A memory said to the assistant, cut from a document, or taken from an exported chat."""

_WORDS: Final = {"yes": True, "no": False}
_LONGEST_VALUE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """A memory before and after a change; None if it did not exist.

    `id` is `*` if everything was forgotten. `other` is the user that the memory moved to or from
    ("moved"), or what it was imported from ("added"). `event_id` is the event that made the change,
    empty in a preview. `who`, `via` and `call` are as in `Event`.
    """

    kind: ChangeKind
    id: str
    before: MemoryRecord | None
    after: MemoryRecord | None
    at: datetime
    event_id: str = ""
    other: str | None = None
    who: str = ""
    via: str = ""
    call: str = ""


@dataclass(frozen=True, slots=True)
class ChangeReceipt:
    """Result of a change of many memories, or with `preview` what it would be.

    `changes` were recorded, in one event. `failed` names memories and why they were not changed, or
    why the index does not show the change yet; `unchanged` needed no change. `verified` changes
    were read back from the index; None in a preview. `before` is the preceding event: restoring
    `ids` to it undoes this change.
    """

    user_id: UserId
    call: BulkCall
    changes: tuple[Change, ...]
    failed: tuple[tuple[str, str], ...]
    verified: int | None
    before: str
    preview: bool
    at: datetime
    unchanged: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The memories that were changed."""
        return tuple(change.id for change in self.changes)

    @property
    def undo(self) -> MemoryFilter:
        """The filter with which restoring the user to `before` undoes this change alone."""
        return MemoryFilter(ids=frozenset(self.ids))


@dataclass(frozen=True, slots=True)
class MemoryFilter:
    """A selection of memories: those that meet all conditions given.

    `text` is a part of the text, `document` of the document's name, both regardless of case.
    `created_until` and `changed_until` are exclusive (aware). `asked` selects by recall receipts:
    whether a question returned the memory. The service puts those that were into `asked_for`.
    """

    text: str = ""
    agent: str = ""
    run: str = ""
    document: str = ""
    source: SourceKind | None = None
    created_since: datetime | None = None
    created_until: datetime | None = None
    changed_since: datetime | None = None
    changed_until: datetime | None = None
    expired: bool | None = None
    asked: bool | None = None
    ids: frozenset[str] | None = None
    asked_for: frozenset[str] = frozenset()

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, str]], now: datetime | None = None) -> MemoryFilter:
        """Return the filter of keys and values as people write them: `created-since`, `7d`.

        `id` may be given several times. Times are as in `read_moment`, except for events.

        Raises:
            InvalidSelection: a key is unknown, was given twice, or its value cannot be read.
        """
        now = now or datetime.now(UTC)
        given: dict[str, object] = {}
        ids: set[str] = set()
        for key, value in pairs:
            name = key.strip().lower().replace("-", "_")
            if name == "id":
                ids.add(str(_read(name, value, now)))
                continue
            if name in given or name not in cls.__dataclass_fields__ or name in _SETS:
                raise InvalidSelection(
                    f"{key[:80]!r} is not a condition, or was given twice; give each of "
                    f"{', '.join(_KEYS)} once at most, and id any number of times"
                )
            given[name] = _read(name, value, now)
        return cls(**given, ids=frozenset(ids) if ids else None)  # type: ignore[arg-type]

    @property
    def by_id_alone(self) -> bool:
        """True if it selects by ids alone, so that no memory has to be read."""
        return self == MemoryFilter(ids=self.ids)

    def matches(self, record: MemoryRecord) -> bool:
        """Return whether a memory meets all conditions."""
        document = str(record.metadata.get("document", ""))
        return (
            (self.ids is None or record.id in self.ids)
            and self.text.casefold() in record.memory.casefold()
            and self.agent in ("", record.agent_id)
            and self.run in ("", record.run_id)
            and self.document.casefold() in document.casefold()
            and self.source in (None, source_of(record))
            and _between(self.created_since, record.created_at, self.created_until)
            and _between(self.changed_since, record.updated_at, self.changed_until)
            and self.expired in (None, record.expired)
            and self.asked in (None, record.id in self.asked_for)
        )


_SETS: Final = ("ids", "asked_for")
_NAMES: Final = tuple(item.name for item in fields(MemoryFilter) if item.name not in _SETS)
_KEYS: Final = tuple(name.replace("_", "-") for name in _NAMES)


def source_of(record: MemoryRecord) -> SourceKind:
    """Return the kind of source that a memory was made from."""
    if "speaker" in record.metadata:
        return "chat"
    return "document" if "document" in record.metadata else "text"


def _between(since: datetime | None, at: datetime, until: datetime | None) -> bool:
    return (since is None or since <= at) and (until is None or at < until)


def _read(name: str, value: str, now: datetime) -> object:
    if len(value) > _LONGEST_VALUE:
        raise InvalidSelection(
            f"{name} has {len(value):,} characters, the limit is {_LONGEST_VALUE:,}; give fewer"
        )
    if name.endswith(("_since", "_until")):
        moment = read_moment(value, now)
        if isinstance(moment, datetime):
            return moment
    elif name in ("expired", "asked"):
        if value.lower() in _WORDS:
            return _WORDS[value.lower()]
    elif value and (name != "source" or value in get_args(SourceKind)):
        return value
    kinds = {
        "source": " or ".join(get_args(SourceKind)),
        "expired": "yes or no",
        "asked": "yes or no",
    }
    raise InvalidSelection(
        f"{name} cannot be {value[:80]!r}; give {kinds.get(name, 'a text or a time')}"
    )
