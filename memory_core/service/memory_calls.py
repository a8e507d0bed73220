"""The calls of MemoryService about the memories of one user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from ..activity import noted, removed
from ..ledger import ALL, EventDraft
from ..memories import statistics
from ..memories.inputs import to_scope
from ..memories.reader import to_record
from ..model.call_counts import tallied
from ..model.census import Census
from ..model.counting import Progress, Steps, counted
from ..model.limits import check_text
from ..model.past import MemoryFilter
from ..model.records import (
    Event,
    Hit,
    Kind,
    MemoryRecord,
    Receipt,
    SavedMemories,
    SearchMode,
    SearchResult,
)
from ..model.user_id import UserId, normalize_user_id
from .past_calls import PastCalls

if TYPE_CHECKING:
    from ..memories.search import Condition, Recall


class MemoryCalls(PastCalls):
    """Saving, changing, searching and reading memories."""

    @noted("save", lambda saved: counted(len(saved), "memory"))
    def add_text_memory(
        self,
        user_id: str,
        text: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        expires: date | str | None = None,
        infer: bool = False,
        verify: bool = False,
    ) -> SavedMemories:
        """Remember a text as it is, or with `infer` what a language model extracts from it.

        The same text in the same scope is kept once, with new metadata merged into its own; the
        record then says `already_stored`. `verify` reads the memory back by its id. `expires` is
        as in `update_memory`.

        Raises:
            InvalidMemory: the text, the metadata or the expiry cannot be stored.
            NotIndexed: recorded, and safe, but the vector store could not be written.
            SettingsError: `infer` without a language model.
        """
        return self.add_messages(
            user_id,
            [{"role": "user", "content": check_text(text)}],
            metadata=metadata,
            agent_id=agent_id,
            run_id=run_id,
            expires=expires,
            infer=infer,
            verify=verify,
        )

    @tallied("save")
    @noted("save", lambda saved: counted(len(saved), "memory"))
    def add_messages(
        self,
        user_id: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        metadata: Mapping[str, Any] | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        expires: date | str | None = None,
        infer: bool = True,
        verify: bool = False,
    ) -> SavedMemories:
        """Remember a conversation, `[{"role": ..., "content": ...}]`; raises as `add_text_memory`.

        With `infer` a language model extracts what is worth remembering, which may be nothing;
        without, each message is a memory. Messages of the system and of tools are left out.
        """
        scope = to_scope(user_id, agent_id, run_id)
        composed, left_out = self._composer.from_messages(
            scope, messages, metadata, expires, infer=infer
        )
        saved = self._saver.save(scope, str(user_id), composed, verify=verify)
        return SavedMemories(saved, left_out)

    @tallied("save")
    @noted("save", lambda saved: counted(len(saved), "memory"))
    def add_document(
        self,
        user_id: str,
        name: str,
        content: bytes,
        *,
        metadata: Mapping[str, Any] | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        verify: bool = False,
        isolate: bool = True,
        on_progress: Progress | None = None,
    ) -> SavedMemories:
        """Cut a file (.txt .md .pdf .docx .csv .json .jsonl .zip) into memories and remember them.

        `left_out` of the result names what was not read: pages without text, comments, media. The
        metadata of each memory has its `document` and `place`, and what is known of a message. A
        child process reads the file unless `isolate` is False. It is safe to repeat the call.

        Raises:
            InvalidMemory: too large, of an unknown type, encrypted, broken, empty, or slow to read.
            NotIndexed: as `add_text_memory`; earlier parts of the document are stored.
        """
        scope = to_scope(user_id, agent_id, run_id)
        count, left_out, groups = self._composer.from_document(
            scope, name, content, metadata, isolate=isolate, on_progress=on_progress
        )
        steps = Steps(on_progress, count)
        saved = SavedMemories(left_out=left_out)
        for part, composed in groups:
            saved += self._saver.save(part, str(user_id), composed, verify=verify)
            steps.advance(len(composed))
        return saved

    @noted("change", lambda record: f"memory {record.id}")
    def update_memory(
        self,
        user_id: str,
        memory_id: str,
        text: str | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        expires: date | str | None = None,
        verify: bool = False,
    ) -> MemoryRecord:
        """Give a memory another text or expiry; `metadata` is merged into its own.

        `expires`, a date or its ISO text, is the last day (UTC) on which questions find it; "never"
        clears it. Raises `MemoryNotFound`, and as `add_text_memory`.
        """
        view = self._memories.view_with(normalize_user_id(user_id), memory_id)
        stored, _ = self._memories.get(view, memory_id)
        revised = self._composer.revise(stored, text, metadata, expires)
        return self._saver.write(view, Kind.UPDATE, str(user_id), [revised], verify=verify)[0]

    @noted("delete", lambda receipt: f"{receipt.removed:,} removed")
    def delete_memory(self, user_id: str, memory_id: str, *, verify: bool = False) -> Receipt:
        """Remove one memory; its history stays. Raises `MemoryNotFound`."""
        view = self._memories.view_with(normalize_user_id(user_id), memory_id)
        return self._saver.remove(
            view, EventDraft(Kind.DELETE, memory_id, str(user_id)), verify=verify
        )

    @noted("delete-user", removed)
    def delete_user(self, user_id: str, *, verify: bool = False) -> Receipt:
        """Remove all of the user's memories; their history stays. `verify` counts them again."""
        view = self.parts.ledger.view(normalize_user_id(user_id))
        return self._saver.remove(view, EventDraft(Kind.DELETE, ALL, str(user_id)), verify=verify)

    @noted("forget", removed)
    def forget_user(self, user_id: str) -> Receipt:
        """Remove all of the user's memories and their history for good, for privacy.

        The fact that something was forgotten stays, without content; entries of the activity log
        stay and no longer name the user.
        """
        user = normalize_user_id(user_id)
        # First, in case the call is cut off; last, for what others noted meanwhile.
        self.activity.forget(user)
        receipt = self._saver.forget(user)
        self.activity.forget(user)
        self.recall_log.forget(user)
        self.parts.backend.objects.sweep()
        return receipt

    # Read

    def query_memories(
        self,
        user_id: str,
        query: str,
        *,
        limit: int = 10,
        mode: SearchMode = "auto",
        agent_id: str | None = None,
    ) -> list[Hit]:
        """Return the memories that answer the question best, best first.

        `agent_id` is the agent that asks, for the recall receipt only: it is not a filter.

        Raises:
            InvalidMemory: the question is blank or longer than 32 KB, or `limit` is not positive.
        """
        return list(self.search(user_id, query, limit=limit, mode=mode, agent_id=agent_id).hits)

    @tallied("search", lambda result: not result.telling)
    def search(
        self,
        user_id: str,
        query: str,
        *,
        limit: int = 10,
        mode: SearchMode = "auto",
        where: Condition | None = None,
        agent_id: str | None = None,
    ) -> SearchResult:
        """As `query_memories`, and how many memories were ranked and whether that is all.

        `where` decides which records may be answers, in place of the rule on expiry dates.
        """
        user = normalize_user_id(user_id)
        result = self._searcher.search(user, query, limit, mode, where=where)
        self.recall_log.note(user, result, agent_id)
        return replace(result, more_to_come=True) if self.more_to_come else result

    def explain(
        self, user_id: str, query: str, *, limit: int = 10, counted: Census | None = None
    ) -> Recall:
        """Return what `query_memories` answers, what it leaves out, and by which rule.

        All of the user's memories are ranked, however many; raises as `query_memories`. Users whose
        ids are close are counted now unless `counted` is given.
        """
        user = normalize_user_id(user_id)
        return self._searcher.explain(user, query, limit, self.find(user, counted=counted).close)

    def list_memories(self, user_id: str, where: MemoryFilter | None = None) -> list[MemoryRecord]:
        """Return all of the user's memories that fit, newest first; always complete."""
        user = normalize_user_id(user_id)
        records = self._memories.records(self.parts.ledger.view(user))
        chosen = self.recall_log.resolve(user, where)
        return records if chosen is None else [*filter(chosen.matches, records)]

    def get_memory(self, user_id: str, memory_id: str) -> MemoryRecord:
        """Return one memory.

        Raises:
            MemoryNotFound: the user has no such memory.
        """
        view = self._memories.view_with(normalize_user_id(user_id), memory_id)
        vector, indexed = self._memories.get(view, memory_id)
        return to_record(vector, indexed=indexed)

    def owner_of(self, memory_id: str) -> UserId:
        """Return the user who has a memory, or who had it until it was deleted.

        Raises MemoryNotFound if nobody had it, or it was forgotten.
        """
        return self._memories.stored_owner(memory_id) or self._finder.owner(memory_id)

    def history(
        self, user_id: str, memory_id: str | None = None, *, last: int | None = None
    ) -> list[Event]:
        """Return the events of the user's memories, or of one, oldest first; or the `last` few."""
        user = normalize_user_id(user_id)
        return statistics.read_history(self.parts.ledger, user, memory_id, last)

    def events_per_day(self, user_id: str) -> dict[date, Counter[Kind]]:
        """Count the user's events by day (UTC) and kind, in order."""
        return statistics.count_events(self.parts.ledger, normalize_user_id(user_id))
