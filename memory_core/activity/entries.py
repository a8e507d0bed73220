"""What the activity log says: who did what, for which user, and whether the chain is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from .actor import Actor

Weight = Literal["look", "change", "guarded"]
"""When an entry is written.

A look within seconds, together with others; a change before the call returns; what is guarded
twice, before it begins and when it ended, and it does not begin where that cannot be written.
"""
Outcome = Literal["begun", "done", "failed", "refused"]


class Verb(NamedTuple):
    """An action in words; `{user}` and `{other}` stand for whom it concerns."""

    weight: Weight
    past: str
    infinitive: str


def _verb(weight: Weight, past: str, infinitive: str, rest: str = "") -> Verb:
    return Verb(weight, f"{past}{rest}", f"{infinitive}{rest}")


VERBS: Final[Mapping[str, Verb]] = {
    "view": _verb("look", "looked at", "look at", " the memories of {user}"),
    "search": _verb("look", "searched", "search", " the memories of {user}"),
    "history": _verb("look", "read", "read", " the history of {user}"),
    "activity": _verb("look", "read", "read", " the activity log"),
    "save": _verb("change", "saved", "save", " for {user}"),
    "change": _verb("change", "changed", "change", " a memory of {user}"),
    "sign-in": _verb("change", "signed in", "sign in"),
    "sign-out": _verb("change", "signed out", "sign out"),
    "check-log": _verb("change", "checked", "check", " the chain of the activity log"),
    "export-log": _verb("change", "exported", "export", " the activity log"),
    "retention": _verb("change", "removed", "remove", " old entries of the activity log"),
    "compare": _verb("change", "compared", "compare", " the store with the record"),
    "traces": _verb("change", "looked", "look", " for traces of {user}"),
    "doctor": _verb("change", "asked", "ask", " the doctor"),
    "bundle": _verb("change", "made", "make", " a support bundle"),
    "read-log": _verb("change", "read", "read", " a log"),
    "test": _verb("change", "ran", "run", " a redeploy test"),
    "deploy": _verb("change", "started", "start", " a deployment"),
    "reveal": _verb("change", "revealed", "reveal", " a memory of {user}"),
    "delete": _verb("guarded", "deleted", "delete", " a memory of {user}"),
    "delete-user": _verb("guarded", "deleted", "delete", " all memories of {user}"),
    "forget": _verb("guarded", "forgot", "forget", " {user} for good"),
    "reunite": _verb("guarded", "moved", "move", " all memories of {user} to {other}"),
    "undo": _verb("guarded", "moved", "move", " memories of {other} back to {user}"),
    "take-up": _verb("guarded", "took up", "take up", " what lay in the store for {user}"),
    "export": _verb("guarded", "exported", "export", " the memories of {user}"),
    "export-all": _verb("guarded", "exported", "export", " the memories of all users"),
    "migrate": _verb("guarded", "migrated", "migrate", " memories from another place"),
    "import": _verb("guarded", "imported", "import", " memories"),
    "repair": _verb("guarded", "repaired", "repair", " the store"),
    "rebuild": _verb("guarded", "rebuilt", "rebuild", " the index"),
}
"""The actions that are known; others may be noted too, and count as changes."""

MUST_BE_WRITTEN: Final = frozenset({"reveal"})
"""Changes that are refused where they cannot be written: who reveals a text is always on record."""


def verb_of(action: str) -> Verb:
    """Return an action in words, also one that is not known."""
    return VERBS.get(action) or _verb("change", f"did: {action}", f"do: {action}")


@dataclass(frozen=True, slots=True)
class Named:
    """A user in the log: a random mark, and the id that it stands for while that is kept."""

    mark: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One line of the log. `number` is that of its segment, `line` its place there, from 0.

    What is guarded is two entries with one `operation`: begun, and how it ended.
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
    """Which entries are wanted; all of what is given has to fit. `who` is a part of a name."""

    who: str = ""
    action: str = ""
    user_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first. `before` continues, None where nothing older is left to read.

    `back_to` is the time of the oldest entry that was looked at, wanted or not.
    """

    entries: tuple[ActivityEntry, ...]
    before: tuple[int, int] | None
    back_to: datetime | None


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a look at the whole chain found.

    `head` is the number of the newest segment and the digest of it: whoever noted one earlier can
    have it checked that the log still holds it. `removed` says how many entries retention took
    away, and `removed_until` up to when. `problems` are sentences, none where the chain is whole.
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

    @property
    def whole(self) -> bool:
        return not self.problems
