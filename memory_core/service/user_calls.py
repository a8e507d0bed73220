"""The calls of MemoryService about users: list, find, merge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from ..activity import noted, recording
from ..memories.merge_users import Merge, MergePlan
from ..model.census import Census, OtherPlaces, StoreScan, UserSearch
from ..model.counting import Progress, counted
from ..model.records import UserSummary
from ..model.user_id import normalize_user_id
from .store_calls import StoreCalls

if TYPE_CHECKING:
    from ..memories.erasure_proof import Traces


class UserCalls(StoreCalls):
    """Users, whose ids may be given in any form."""

    def users(self) -> list[UserSummary]:
        """Return every user that has memories, most memories first; exact, from the ledger."""
        return list(self.count_users().users)

    def memories_per_day(self) -> dict[date, int]:
        """Count the memories that exist today by the day (UTC) they were created, in order."""
        return self.count_users().days

    @noted("find", lambda search: counted(len(search.mentions or ()), "user"),
           of=None, when=lambda given: given["texts"])  # fmt: skip
    def find(
        self,
        text: str,
        *,
        scan: StoreScan | None = None,
        elsewhere: OtherPlaces | None = None,
        counted: Census | None = None,
        texts: bool = False,
    ) -> UserSearch:
        """Find a user by an id in any form, a name, a domain, or a memory's id; similar ids too.

        With a `scan` the ids in the store are searched too, with `elsewhere` those of other
        places. Users are counted now unless `counted` is given. With `texts` all memories are
        searched for the words if no id answers, which the activity log notes.
        """
        search = self._finder.find(text, counted or self.count_users(), scan, elsewhere)
        if texts and not search.answered:
            search = replace(search, mentions=self._finder.mentions(text, self.parts.store))
        return search

    def traces(self, user_id: str, *, on_progress: Progress | None = None) -> Traces:
        """Search all places for what is left of a user: the proof of a deletion."""
        from ..memories.erasure_proof import find_traces

        user = normalize_user_id(user_id)
        scan, others = self.scan_store(on_progress), self.elsewhere()
        search = self.find(user, scan=scan, elsewhere=others)
        receipts = len(self.recall_log.receipts(user, old=True))
        traces = find_traces(self.parts.ledger, user, self._memories, search, others)
        return replace(traces, receipts=receipts)

    def plan_reunion(self, former: str, user_id: str) -> MergePlan:
        """Preview `reunite`: the memories it would move, and those it could not; changes nothing.

        Raises InvalidMove for one id twice, that of a redeploy test, or nothing to move.
        """
        return self._merger.plan(normalize_user_id(former), normalize_user_id(user_id))

    @noted("reunite", lambda moved: counted(len(moved.ids), "memory"), of="former", other="user_id")
    def reunite(self, former: str, user_id: str, *, on_progress: Progress | None = None) -> Merge:
        """Merge the user `former` into `user_id`: all memories move; ids, texts and times stay.

        One that was cut off can be repeated. Keep what is returned: `undo_reunion` takes it. Raises
        as `plan_reunion`, and NotIndexed: recorded, but the vector store could not be written.
        """
        users = normalize_user_id(former), normalize_user_id(user_id)
        return self._merger.merge(*users, on_progress)

    def reunions(self, user_id: str) -> list[Merge]:
        """Return the merges into the user of which memories are still there, oldest first."""
        return self._merger.merges(normalize_user_id(user_id))

    def undo_reunion(self, reunion: Merge, *, on_progress: Progress | None = None) -> Merge:
        """Undo a merge: memories go back as they are now; those deleted since stay deleted.

        Raises as `reunite`; InvalidMove if none of them is with the new owner any more.
        """
        former, user_id = reunion.former, reunion.user_id
        with recording(self.activity, "undo", user_id=former, other_id=user_id) as operation:
            undone = self._merger.undo(reunion, on_progress)
            operation.detail = counted(len(undone.ids), "memory")
        return undone
