"""The decision on each incoming memory; nothing is written here.

The decisions of one call are kept in a temporary database: they may be more than memory holds.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any
from uuid import uuid5

from ..errors import BackendError
from ..ledger import EventDraft, Ledger, UserView
from ..memories.reader import MemoryReader, is_current
from ..memories.writer import NAMESPACE, new_id
from ..model.payload import differing, fingerprint, owner, time_of
from ..model.records import Kind
from ..model.user_id import UserId, normalize_user_id
from ..storage.vectors import Vector
from .incoming_memory import Accepted, mark_of
from .reports import Existing, Outcome, Verdicts

# Keys that no caller sets: a difference in these alone is none.
_INCIDENTAL = {"hash", "revision", "updated_at"}
_TABLE = """
CREATE TABLE taken (id TEXT NOT NULL, user TEXT NOT NULL, same BLOB NOT NULL, line INTEGER NOT NULL,
                    kept TEXT, mark BLOB);
CREATE INDEX taken_id ON taken (id);
CREATE INDEX taken_same ON taken (user, same);
"""
_KEPT = "SELECT DISTINCT user, kept, mark FROM taken WHERE kept NOT NULL"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision for a memory: `kept` is the id that it is to be read back under, if it is.

    `draft` is what is to be recorded, None if nothing is. `reason` is for people. `here` is the
    payload in the way of a conflict.
    """

    accepted: Accepted
    outcome: Outcome
    kept: str | None = None
    draft: EventDraft | None = None
    reason: str = ""
    renamed: bool = False
    brought_back: bool = False
    here: Mapping[str, Any] | None = None


class Journal:
    """The decisions of one call, in a file that is gone when it is closed or the process dies.

    For one thread. `same` is the fingerprint of a memory's scope and text; `kept` is the id that it
    is kept under, None if it is not; `mark` is its digest.
    """

    def __init__(self) -> None:
        # An empty name is a temporary file, made once the cache does not hold everything.
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLE)
        self._rows.execute("BEGIN")

    def note(self, memory_id: str, same: bytes, decision: Decision) -> None:
        """Keep a decision; BackendError when the temporary folder is full."""
        accepted, kept = decision.accepted, decision.kept
        mark = mark_of(kept, accepted.text) if kept else None
        row = (memory_id, accepted.user_id, same, accepted.incoming.line, kept, mark)
        self._execute("INSERT INTO taken VALUES (?, ?, ?, ?, ?, ?)", row)

    def with_id(self, memory_id: str) -> list[tuple[UserId, bytes, int]]:
        """Return user, fingerprint and line of what came in under an id."""
        query = "SELECT user, same, line FROM taken WHERE id = ?"
        return self._execute(query, (memory_id,)).fetchall()

    def has_same(self, user_id: UserId, same: bytes) -> bool:
        """Return whether the user keeps a memory of that scope and text."""
        query = "SELECT 1 FROM taken WHERE user = ? AND same = ? AND kept NOT NULL LIMIT 1"
        return self._execute(query, (user_id, same)).fetchone() is not None

    def kept(self) -> Iterator[tuple[UserId, str, bytes]]:
        """Return user, id and mark of every memory that is to be kept, user by user."""
        return self._execute(f"{_KEPT} ORDER BY user, kept")

    def count_kept(self) -> int:
        """Return how many memories `kept` returns."""
        return int(self._execute(f"SELECT COUNT(*) FROM ({_KEPT})").fetchone()[0])

    def close(self) -> None:
        self._rows.close()

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._rows.execute(statement, values)
        except sqlite3.Error as exc:
            raise BackendError(
                f"the temporary file of the import failed ({exc}); make room in the "
                "temporary folder and repeat the command",
                backend="files",
                operation="import",
            ) from exc


@dataclass
class Resolver:
    """Decides for the memories of one user that come in together.

    `stored` is what the store holds under their ids. `source` is the origin that the ledger keeps.
    If there are `verdicts`, they decide over other texts of the same id, and a memory with an id
    equals only one with the same id.
    """

    view: UserView
    memories: MemoryReader
    journal: Journal
    stored: Mapping[str, Vector]
    ledger: Ledger
    existing: Existing
    source: str
    verdicts: Verdicts | None = None

    def decide(self, accepted: Accepted) -> Decision:
        """Decide, and note the decision in the journal."""
        same = fingerprint(accepted.payload)
        decision = self._decide(accepted, same)
        known = accepted.incoming.id or decision.kept
        if known and decision.outcome not in (Outcome.DUPLICATE, Outcome.REFUSED):
            self.journal.note(known, same, decision)
        return decision

    def _decide(self, accepted: Accepted, same: bytes) -> Decision:
        wanted = accepted.incoming.id
        claimed = False
        if wanted is not None:
            for user_id, same_before, line in self.journal.with_id(wanted):
                if user_id != accepted.user_id:
                    claimed = True
                elif same_before == same:
                    return Decision(accepted, Outcome.DUPLICATE)
                elif self.existing == "keep-both":
                    return self._beside(accepted, Outcome.KEPT_BOTH)
                else:
                    reason = f"line {line} has another text under the same id {wanted!r}"
                    return Decision(accepted, Outcome.REFUSED, reason=reason)
            if wanted in self.view.live:
                return self._same_id(accepted, wanted)
        by_text = wanted is None or (self.existing != "keep-both" and self.verdicts is None)
        if by_text and (decision := self._same_text(accepted, same)):
            return decision
        memory_id = wanted or new_id(self.view, accepted.scope, accepted.text)
        removed = self._removed(accepted, memory_id)
        if removed and self.existing == "skip":
            return Decision(accepted, removed)
        renamed = wanted is not None and (claimed or self._belongs_to_another(accepted, wanted))
        decision = (
            self._beside(accepted, Outcome.ADDED)
            if renamed
            else self._write(Kind.ADD, accepted, memory_id, Outcome.ADDED)
        )
        if decision.draft is None:
            return decision
        back = removed is not None or decision.brought_back
        return replace(decision, renamed=renamed, brought_back=back)

    def _same_id(self, accepted: Accepted, wanted: str) -> Decision:
        ours = self._current(wanted)
        if ours is None:
            # Forgotten since the view was taken.
            return Decision(accepted, Outcome.FORGOTTEN)
        if ours["data"] != accepted.text:
            if self.verdicts is not None:
                return self._settle(accepted, wanted, ours, self.verdicts.of(wanted))
            if self.existing == "skip":
                reason = f"memory {wanted!r} has another text here, which stays"
                return Decision(accepted, Outcome.CONFLICT, reason=reason)
            if self.existing == "keep-both":
                return self._beside(accepted, Outcome.KEPT_BOTH)
        if self.existing == "overwrite" and differing_in(accepted, ours):
            if not accepted.incoming.payload.get("created_at"):
                dated = {**accepted.payload, "created_at": ours.get("created_at")}
                accepted = replace(accepted, payload=dated)
            return self._write(Kind.UPDATE, accepted, wanted, Outcome.OVERWRITTEN)
        return Decision(accepted, Outcome.ALREADY, wanted)

    def _settle(
        self, accepted: Accepted, wanted: str, ours: Mapping[str, Any], verdict: str | None
    ) -> Decision:
        """Apply the verdict, if there is one; a memory changed here since it came is ours."""
        if verdict == "take":
            return self._write(Kind.UPDATE, accepted, wanted, Outcome.OVERWRITTEN)
        if decision := self._same_text(accepted, fingerprint(accepted.payload)):
            return decision
        if verdict == "both":
            return self._beside(accepted, Outcome.KEPT_BOTH)
        live = self.view.live[wanted]
        came = self.ledger.payloads([live.added]) if live.updated and not verdict else {}
        if verdict == "keep" or any(row["data"] == accepted.text for row in came.values()):
            return Decision(accepted, Outcome.KEPT)
        reason = f"memory {wanted!r} has another text here; decide which is to stay"
        return Decision(accepted, Outcome.CONFLICT, reason=reason, here=ours)

    def _same_text(self, accepted: Accepted, same: bytes) -> Decision | None:
        """Return the decision for a text that the user has under another id."""
        derived = new_id(self.view, accepted.scope, accepted.text)
        known = self._known.get(same) or (derived if derived in self.view.live else None)
        if known:
            return Decision(accepted, Outcome.ALREADY, known)
        if self.journal.has_same(accepted.user_id, same):
            return Decision(accepted, Outcome.DUPLICATE)
        return None

    def _beside(self, accepted: Accepted, outcome: Outcome) -> Decision:
        """Keep a memory under an id that follows from its own, so that a rerun finds it again."""
        scope, own_id = accepted.scope, accepted.incoming.id
        parts = ["copy", scope.user_id, scope.agent_id, scope.run_id, own_id, accepted.text]
        for number in count():
            copy = str(uuid5(NAMESPACE, json.dumps([*parts, number])))
            live = self.view.live.get(copy)
            if not (live and live.updated) and copy not in self.view.given_away:
                break
        if live:
            return Decision(accepted, Outcome.ALREADY, copy)
        if copy in self._ever and self.existing == "skip":
            return Decision(accepted, Outcome.DELETED)
        decision = self._write(Kind.ADD, accepted, copy, outcome)
        return replace(decision, brought_back=copy in self._ever)

    def _write(self, kind: Kind, accepted: Accepted, memory_id: str, outcome: Outcome) -> Decision:
        incoming = accepted.incoming
        moved = {"from": self.source}
        if incoming.id and incoming.id != memory_id:
            moved["id"] = incoming.id
        if incoming.former:
            moved["user_id"] = incoming.former
        raw = incoming.user_id or accepted.user_id
        draft = EventDraft(kind, memory_id, raw, accepted.payload, moved, incoming.earlier)
        return Decision(accepted, outcome, memory_id, draft)

    def _removed(self, accepted: Accepted, wanted: str) -> Outcome | None:
        """Return the outcome of a memory that was deleted here, or is older than a forgetting."""
        if wanted in self._ever:
            return Outcome.DELETED
        if not self.view.forgotten:
            return None
        created_at = time_of(accepted.incoming.payload, "created_at")
        late = created_at is not None and created_at > self._forgotten_at
        return None if late else Outcome.FORGOTTEN

    def _belongs_to_another(self, accepted: Accepted, wanted: str) -> bool:
        """Return whether storing the memory would overwrite a vector or record of another user."""
        if wanted in self.view.given_away:
            return True
        former = accepted.incoming.former
        if former and wanted in self.ledger.view(normalize_user_id(former)).live:
            return True
        vector = self.stored.get(wanted)
        if vector is None:
            return False
        stored = vector.payload or {}
        if owner(stored) != accepted.user_id:
            return True
        # An orphan must not be overwritten, unless it has the same text.
        return wanted not in self._ever and stored.get("data") != accepted.text

    def _current(self, memory_id: str) -> Mapping[str, Any] | None:
        vector = self.stored.get(memory_id)
        if vector and is_current(vector, self.view, memory_id):
            return vector.payload
        read, _ = self.memories.read(self.view, [memory_id])
        return read[memory_id].payload if memory_id in read else None

    @cached_property
    def _known(self) -> dict[bytes, str]:
        return self.memories.with_other_ids(self.view)

    @cached_property
    def _ever(self) -> set[str]:
        return self.view.all_ids

    @cached_property
    def _forgotten_at(self) -> Any:
        return max(entry.at for entry in self.view.entries if entry.kind is Kind.FORGET)


def differing_in(accepted: Accepted, ours: Mapping[str, Any]) -> set[str]:
    """Return the keys whose values differ between the incoming memory and ours."""
    theirs = accepted.payload
    keys = set(differing(ours, theirs)) - _INCIDENTAL
    moments = [time_of(payload, "created_at") for payload in (ours, accepted.incoming.payload)]
    # One moment may be written in several time zones; the source may have none.
    return keys - {"created_at"} if moments[1] in (None, moments[0]) else keys
