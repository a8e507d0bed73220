"""Entries of the activity log, their actor, and the values that are read back.

The actor is a context variable, set where an action starts and read where it is noted. It does
not reach a new thread by itself: start that with `contextvars.copy_context().run`.
"""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from ..errors import InvalidUserId
from ..model.counting import counted
from ..model.user_id import UserId, normalize_user_id

LIBRARY: Final = "library"
"""The `via` of a program that calls `MemoryService` itself."""

LONGEST_DETAIL: Final = 200

Weight = Literal["look", "change", "guarded"]
"""The time at which an entry is written.

A look within seconds, together with others; a change before the call returns; a guarded action
twice, before it begins and when it has ended: if the first cannot be written, it does not begin.
"""
Outcome = Literal["begun", "done", "failed", "refused"]


class Verb(NamedTuple):
    """An action in words; `{user}` and `{other}` stand for the users it concerns."""

    weight: Weight
    past: str
    infinitive: str


def _verb(weight: Weight, past: str, infinitive: str, rest: str = "") -> Verb:
    return Verb(weight, f"{past}{rest}", f"{infinitive}{rest}")


VERBS: Final[Mapping[str, Verb]] = {
    "view": _verb("look", "looked at", "look at", " the memories of {user}"),
    "search": _verb("look", "searched", "search", " the memories of {user}"),
    "history": _verb("look", "read", "read", " the history of {user}"),
    "find": _verb("look", "looked for", "look for", " users"),
    "status": _verb("look", "looked at", "look at", " the state of the storage"),
    "activity": _verb("look", "read", "read", " the activity log"),
    "save": _verb("change", "saved", "save", " for {user}"),
    "change": _verb("change", "changed", "change", " a memory of {user}"),
    "sign-in": _verb("change", "signed in", "sign in"),
    "sign-out": _verb("change", "signed out", "sign out"),
    "overstep": _verb("change", "overstepped", "overstep", " their role"),
    "check-log": _verb("change", "checked", "check", " the chain of the activity log"),
    "export-log": _verb("change", "exported", "export", " the activity log"),
    "retention": _verb("change", "removed", "remove", " old entries of the activity log"),
    "compare": _verb("change", "compared", "compare", " the store with the record"),
    "traces": _verb("change", "looked", "look", " for traces of {user}"),
    "doctor": _verb("change", "asked", "ask", " the doctor"),
    "bundle": _verb("change", "made", "make", " a support bundle"),
    "read-log": _verb("change", "read", "read", " a log"),
    "test": _verb("change", "ran", "run", " a redeploy test"),
    "demo": _verb("change", "directed", "direct", " a demo"),
    "deploy": _verb("change", "started", "start", " a deployment"),
    "reveal": _verb("change", "revealed", "reveal", " a memory of {user}"),
    "delete": _verb("guarded", "deleted", "delete", " a memory of {user}"),
    "delete-some": _verb("guarded", "deleted", "delete", " memories of {user}"),
    "expire-some": _verb("change", "set", "set", " the expiry of memories of {user}"),
    "restore": _verb("guarded", "restored", "restore", " memories of {user}"),
    "delete-user": _verb("guarded", "deleted", "delete", " all memories of {user}"),
    "forget": _verb("guarded", "forgot", "forget", " {user} for good"),
    "reunite": _verb("guarded", "merged", "merge", " {user} into {other}"),
    "undo": _verb("guarded", "undid", "undo", " the merge of {user} into {other}"),
    "take-up": _verb("guarded", "adopted", "adopt", " orphan vectors of {user}"),
    "export": _verb("guarded", "exported", "export", " the memories of {user}"),
    "export-all": _verb("guarded", "exported", "export", " the memories of all users"),
    "migrate": _verb("guarded", "migrated", "migrate", " memories from another place"),
    "import": _verb("guarded", "imported", "import", " memories"),
    "repair": _verb("guarded", "repaired", "repair", " the store"),
    "rebuild": _verb("guarded", "rebuilt", "rebuild", " the index"),
}
"""The known actions; others may be noted too, and count as changes."""

MUST_BE_WRITTEN: Final = frozenset({"reveal"})
"""Changes that are refused if they cannot be written: a revealed text is always on record."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or program that acts: name, role, address of the request, and way in."""

    name: str
    role: str = ""
    address: str = ""
    via: str = "dashboard"


@dataclass(frozen=True, slots=True)
class Named:
    """A user in the log: a random mark, and the id that it stands for while that is kept."""

    mark: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One line of the log. `number` is that of its segment, `line` its place there, from 0.

    A guarded action is two entries with one `operation`: begun, and how it ended.
    """

    number: int
    line: int
    at: datetime
    actor: Actor
    action: str
    user: Named | None
    other: Named | None
    detail: str
    outcome: Outcome
    operation: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter of entries; all given conditions have to hold. `who` is a part of a name."""

    who: str = ""
    action: str = ""
    user_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first. `before` continues, None if nothing older is left to read.

    `back_to` is the time of the oldest entry that was looked at, wanted or not.
    """

    entries: tuple[ActivityEntry, ...]
    before: tuple[int, int] | None
    back_to: datetime | None


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of checking the whole chain.

    `head` is the number of the newest segment and its digest, for a later check to compare with.
    `removed` counts the entries that retention removed, the newest of `removed_until`. `problems`
    are sentences, none if the chain is whole. `shared` counts segments that have the number of
    another, on a server whose put-if-absent is not atomic.
    """

    segments: int
    entries: int
    oldest: datetime | None
    newest: datetime | None
    head: tuple[int, str]
    removed: int
    removed_until: datetime | None
    sealed: bool
    problems: tuple[str, ...]
    as_of: datetime
    shared: int = 0

    @property
    def whole(self) -> bool:
        return not self.problems


@dataclass
class EntryDraft:
    """An entry that is not written yet; users get their marks when it is."""

    document: dict[str, Any]
    users: dict[str, UserId] = field(default_factory=dict)


_acting: ContextVar[Actor | None] = ContextVar("memory_core_actor", default=None)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Note everything in the block as done by the actor."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def current_actor() -> Actor:
    """Return the actor; for a program that set none, the library on this host."""
    return _acting.get() or Actor("library", "program", platform.node(), LIBRARY)


def verb_of(action: str) -> Verb:
    """Return an action in words, even an unknown one."""
    return VERBS.get(action) or _verb("change", f"did: {action}", f"do: {action}")


def draft(
    actor: Actor,
    action: str,
    user_id: str | None,
    other_id: str | None,
    detail: str,
    outcome: Outcome,
) -> EntryDraft:
    """Return an entry with the time of now."""
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
                # The call itself refuses the invalid id as well.
                document["detail"] = document["detail"] or "an invalid id"
    return EntryDraft(document, users)


def lost_entry(lost: int) -> dict[str, Any]:
    """Return the entry that counts the entries which were lost."""
    actor = Actor("the log", "system", via="the log")
    return draft(actor, "lost", None, None, counted(lost, "entry"), "failed").document


def short(text: str) -> str:
    """Return a text on one line, at most `LONGEST_DETAIL` long."""
    return " ".join(str(text).split())[:LONGEST_DETAIL]


def now() -> str:
    """Return the time as entries have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
