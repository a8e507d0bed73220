"""What is to be done with each memory that comes in; nothing is written here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import uuid5

from ..ledger import EventDraft, Ledger, UserView
from ..memories.reader import Memories, is_current
from ..memories.writer import NAMESPACE, new_id
from ..model.payload import differing, fingerprint, owner, time_of
from ..model.records import Kind
from ..model.user_id import normalize_user_id
from ..storage.vectors import Vector
from .incoming import Checked, Existing, Outcome, Verdicts, mark_of
from .journal import Journal, Journaled

# What no caller attached: a difference in these alone is none.
_INCIDENTAL = {"hash", "revision", "updated_at"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a memory: `kept` is the id that it is to be found under, if it is.

    `draft` is what is to be recorded, None where nothing is. `reason` is for people. `here` is what
    stands here in the way of a conflict.
    """

    checked: Checked
    outcome: Outcome
    kept: str | None = None
    draft: EventDraft | None = None
    reason: str = ""
    renamed: bool = False
    brought_back: bool = False
    here: Mapping[str, Any] | None = None


class Desk:
    """Decides for the memories of one user that come in together.

    `stored` is what the store holds under their ids. `source` is what the ledger says they came
    from. Where there are `verdicts`, they decide over other texts of the same id, and a memory that
    has an id is the same as another only under that id.
    """

    def __init__(
        self,
        view: UserView,
        memories: Memories,
        journal: Journal,
        stored: Mapping[str, Vector],
        ledger: Ledger,
        existing: Existing,
        source: str,
        verdicts: Verdicts | None = None,
    ) -> None:
        self._view = view
        self._memories = memories
        self._journal = journal
        self._stored = stored
        self._ledger = ledger
        self._existing = existing
        self._source = source
        self._verdicts = verdicts

    def decide(self, one: Checked) -> Decision:
        """Decide, and note in the journal what was decided."""
        same = fingerprint(one.payload)
        decision = self._decide(one, same)
        known = one.carried.id or decision.kept
        if known and decision.outcome not in (Outcome.DUPLICATE, Outcome.REFUSED):
            kept = decision.kept
            mark = mark_of(kept, one.text) if kept else None
            self._journal.note(
                Journaled(known, one.user_id, same, one.carried.line, kept, mark),
            )
        return decision

    def _decide(self, one: Checked, same: bytes) -> Decision:
        wanted = one.carried.id
        if wanted is None:
            return self._without_id(one, same)
        claimed = False
        for before in self._journal.of_id(wanted):
            if before.user_id != one.user_id:
                claimed = True
            elif before.same == same:
                return Decision(one, Outcome.DUPLICATE)
            elif self._existing == "keep-both":
                return self._beside(one, Outcome.KEPT_BOTH)
            else:
                reason = f"line {before.line} has another text under the same id {wanted!r}"
                return Decision(one, Outcome.REFUSED, reason=reason)
        if wanted in self._view.live:
            return self._same_id(one, wanted)
        by_text = self._existing != "keep-both" and self._verdicts is None
        if by_text and (found := self._elsewhere(one, same)):
            return found
        removed = self._removed(one, wanted)
        if removed and self._existing == "skip":
            return Decision(one, removed)
        back = removed is not None
        if claimed or self._belongs_to_another(one, wanted):
            return self._beside(one, Outcome.ADDED, renamed=True, brought_back=back)
        return self._add(one, wanted, Outcome.ADDED, brought_back=back)

    def _without_id(self, one: Checked, same: bytes) -> Decision:
        if found := self._elsewhere(one, same):
            return found
        wanted = new_id(self._view, one.scope, one.text)
        removed = self._removed(one, wanted)
        if removed and self._existing == "skip":
            return Decision(one, removed)
        return self._add(one, wanted, Outcome.ADDED, brought_back=removed is not None)

    def _same_id(self, one: Checked, wanted: str) -> Decision:
        ours = self._current(wanted)
        if ours is None:
            # Forgotten between two looks.
            return Decision(one, Outcome.FORGOTTEN)
        if ours["data"] != one.text and self._verdicts is not None:
            return self._settle(one, wanted, ours, self._verdicts.of(wanted))
        if ours["data"] != one.text and self._existing == "skip":
            reason = f"memory {wanted!r} has another text here, which stays"
            return Decision(one, Outcome.CONFLICT, reason=reason)
        if ours["data"] != one.text and self._existing == "keep-both":
            return self._beside(one, Outcome.KEPT_BOTH)
        if self._existing == "overwrite" and _differ(ours, one.payload):
            draft = self._draft(Kind.UPDATE, one, wanted)
            return Decision(one, Outcome.OVERWRITTEN, wanted, draft)
        return Decision(one, Outcome.ALREADY, wanted)

    def _settle(
        self, one: Checked, wanted: str, ours: Mapping[str, Any], verdict: str | None
    ) -> Decision:
        """Decide as people did, where they did; what was changed here since it came is ours."""
        if verdict == "take":
            return Decision(one, Outcome.OVERWRITTEN, wanted, self._draft(Kind.UPDATE, one, wanted))
        if found := self._elsewhere(one, fingerprint(one.payload)):
            return found
        if verdict == "both":
            return self._beside(one, Outcome.KEPT_BOTH)
        live = self._view.live[wanted]
        came = self._ledger.payloads([live.added]) if live.updated and not verdict else {}
        if verdict == "keep" or any(payload["data"] == one.text for payload in came.values()):
            return Decision(one, Outcome.KEPT)
        reason = f"memory {wanted!r} has another text here; decide which is to stay"
        return Decision(one, Outcome.CONFLICT, reason=reason, here=ours)

    def _elsewhere(self, one: Checked, same: bytes) -> Decision | None:
        """Return the decision for a text that the user has under another id."""
        derived = new_id(self._view, one.scope, one.text)
        known = self._known.get(same) or (derived if derived in self._view.live else None)
        if known:
            return Decision(one, Outcome.ALREADY, known)
        if self._journal.has_same(one.user_id, same):
            return Decision(one, Outcome.DUPLICATE)
        return None

    def _beside(
        self, one: Checked, outcome: Outcome, *, renamed: bool = False, brought_back: bool = False
    ) -> Decision:
        """Keep a memory under an id that follows from its own, so that a rerun finds it."""
        number = 0
        while True:
            copy = _copy_id(one, number)
            live = self._view.live.get(copy)
            if not (live and live.updated) and copy not in self._view.given_away:
                break
            number += 1
        if live:
            return Decision(one, Outcome.ALREADY, copy)
        if copy in self._ever:
            if self._existing == "skip":
                return Decision(one, Outcome.DELETED)
            brought_back = True
        return self._add(one, copy, outcome, renamed=renamed, brought_back=brought_back)

    def _add(
        self,
        one: Checked,
        memory_id: str,
        outcome: Outcome,
        *,
        renamed: bool = False,
        brought_back: bool = False,
    ) -> Decision:
        draft = self._draft(Kind.ADD, one, memory_id)
        return Decision(one, outcome, memory_id, draft, "", renamed, brought_back)

    def _draft(self, kind: Kind, one: Checked, memory_id: str) -> EventDraft:
        carried = one.carried
        moved = {"from": self._source}
        if carried.id and carried.id != memory_id:
            moved["id"] = carried.id
        if carried.former:
            moved["user_id"] = carried.former
        return EventDraft(kind, memory_id, carried.user_id, one.payload, moved, carried.earlier)

    def _removed(self, one: Checked, wanted: str) -> Outcome | None:
        """Say whether the memory was here and was deleted, or is of a time that was forgotten."""
        if wanted in self._ever:
            return Outcome.DELETED
        if not self._view.forgotten:
            return None
        created_at = time_of(one.carried.payload, "created_at")
        late = created_at is not None and created_at > self._forgotten_at
        return None if late else Outcome.FORGOTTEN

    def _belongs_to_another(self, one: Checked, wanted: str) -> bool:
        """Say whether a vector or a record of somebody else's would suffer."""
        if wanted in self._view.given_away:
            return True
        former = one.carried.former
        if former and wanted in self._ledger.view(normalize_user_id(former)).live:
            return True
        found = self._stored.get(wanted)
        if found is None:
            return False
        stored = found.payload or {}
        if owner(stored) != one.user_id:
            return True
        # What nobody recorded is not ours to overwrite, unless it says the same.
        return wanted not in self._ever and stored.get("data") != one.text

    def _current(self, memory_id: str) -> Mapping[str, Any] | None:
        found = self._stored.get(memory_id)
        if found and is_current(found, self._view, memory_id):
            return found.payload
        read, _ = self._memories.read(self._view, [memory_id])
        return read[memory_id].payload if memory_id in read else None

    @cached_property
    def _known(self) -> dict[bytes, str]:
        return self._memories.with_other_ids(self._view)

    @cached_property
    def _ever(self) -> set[str]:
        return self._view.all_ids

    @cached_property
    def _forgotten_at(self) -> Any:
        return max(entry.at for entry in self._view.entries if entry.kind is Kind.FORGET)


def _differ(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    keys = set(differing(ours, theirs)) - _INCIDENTAL
    if time_of(ours, "created_at") == time_of(theirs, "created_at"):
        # One moment may be written in several time zones.
        keys.discard("created_at")
    return bool(keys)


def _copy_id(one: Checked, number: int) -> str:
    scope = one.scope
    parts = ["copy", scope.user_id, scope.agent_id, scope.run_id, one.carried.id, one.text, number]
    return str(uuid5(NAMESPACE, json.dumps(parts)))
