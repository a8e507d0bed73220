"""MemoryService: every public call. Each normalizes its user id and hands over to a room below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Self

from .activity import noted, open_log, recording, removed
from .embedders import Embedder
from .ledger import ALL, EventDraft, Ledger
from .memories import statistics
from .memories.audit import Auditor
from .memories.find_user import UserFinder
from .memories.inputs import Composer, to_scope
from .memories.merge_users import Merge, MergePlan, Merger
from .memories.reader import MemoryReader, to_record
from .memories.repair import Repairer
from .memories.repository import Repository, open_repository
from .memories.search import Searcher
from .memories.writer import MemoryWriter
from .model.census import Adoption, Census, OtherPlaces, StoreScan, UserSearch
from .model.counting import Progress, Steps, counted
from .model.limits import check_text
from .model.records import (
    AuditReport,
    Event,
    Hit,
    Kind,
    MemoryRecord,
    MigrationStatus,
    Receipt,
    SavedMemories,
    SearchMode,
    SearchResult,
    Status,
    Unexpected,
    UserSummary,
)
from .model.user_id import UserId, normalize_user_id
from .settings import Settings
from .storage.backend import Backend
from .storage.vectors import VectorStore
from .transfer.background import has_local_memories

if TYPE_CHECKING:
    from .memories.erasure_proof import Traces
    from .memories.search import Condition, Recall
    from .transfer.background import Background, Observer


def open_service(settings: Settings | None = None, *, migrate: bool = True) -> MemoryService:
    """Choose the backend, open it and return the service, a context manager.

    On S3 it begins to migrate memories from the local disk, in the background, unless `migrate` is
    False or `MEMORY_AUTO_MIGRATE` is 0.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        BackendError: the chosen store cannot be used; there is no silent fallback.
    """
    settings = settings or Settings.from_env()
    parts = open_repository(settings)
    parts.backend.objects.sweep()
    parts.backend.announce()
    service = MemoryService(settings, *parts)
    if migrate and settings.auto_migrate:
        service.migrate_in_background()
    return service


class MemoryService:
    """Get it from `open_service`. Safe to share between threads; other processes may write too.

    Every call normalizes its `user_id` first. Errors of every call: `InvalidUserId`, and
    `BackendError` when the store or the ledger cannot be reached.
    """

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        embedder: Embedder,
        ledger: Ledger,
        store: VectorStore,
    ) -> None:
        self.settings = settings
        self.parts = Repository(backend, embedder, ledger, store)
        """The parts below the calls of the service."""
        self.activity = open_log(backend.objects, settings)
        """Who did what with memories. Calls that change or export something note themselves."""
        self._memories = MemoryReader(ledger, store, embedder)
        self._saver = MemoryWriter(ledger, store, self._memories)
        self._searcher = Searcher(self.parts, self._memories)
        self._composer = Composer(settings, embedder, self._searcher)
        self._auditor = Auditor(ledger, store)
        self._repairer = Repairer(self.parts, self._memories)
        self._merger = Merger(self.parts, self._memories)
        self._counter = statistics.Counter(ledger)
        self._finder = UserFinder(ledger)
        self._background: Background | None = None
        self._observer: Observer | None = None

    @property
    def backend(self) -> str:
        """The name of the backend in use."""
        return self.parts.backend.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release files and connections, once what is under way is written."""
        if self._background is not None:
            self._background.stop()
        self.activity.close()
        self.parts.store.close()

    # Save and change

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
        # Before, for a call that is cut off; afterwards, for what others noted meanwhile.
        self.activity.forget(user)
        receipt = self._saver.forget(user)
        self.activity.forget(user)
        self.parts.backend.objects.sweep()
        return receipt

    # Read

    def query_memories(
        self, user_id: str, query: str, *, limit: int = 10, mode: SearchMode = "auto"
    ) -> list[Hit]:
        """Return the memories that answer the question best, best first.

        Raises:
            InvalidMemory: the question is blank or longer than 32 KB, or `limit` is not positive.
        """
        return list(self.search(user_id, query, limit=limit, mode=mode).hits)

    def search(
        self,
        user_id: str,
        query: str,
        *,
        limit: int = 10,
        mode: SearchMode = "auto",
        where: Condition | None = None,
    ) -> SearchResult:
        """As `query_memories`, and how many memories were ranked and whether that is all.

        `where` tells of a record if it may be an answer, in place of the rule on expiry dates.
        """
        user = normalize_user_id(user_id)
        result = self._searcher.search(user, query, limit, mode, where=where)
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

    def list_memories(self, user_id: str) -> list[MemoryRecord]:
        """Return all of the user's memories, newest first; always complete."""
        return self._memories.records(self.parts.ledger.view(normalize_user_id(user_id)))

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

        Raises MemoryNotFound where nobody had it, or it was forgotten.
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

    # Users

    def users(self) -> list[UserSummary]:
        """Return every user that has memories, most memories first; exact, from the ledger."""
        return list(self.count_users().users)

    def count_users(self, on_progress: Progress | None = None) -> Census:
        """Count every user's memories, exactly, from the ledger.

        After the first time only users whose entries changed are read again. `on_progress` counts
        users; where it raises, the call ends, and the next one goes on from there.
        """
        return self._counter.count(on_progress)

    def memories_per_day(self) -> dict[date, int]:
        """Count the memories that exist today by the day (UTC) they were saved, in order."""
        return dict(self.count_users().days)

    def find(
        self,
        text: str,
        *,
        scan: StoreScan | None = None,
        elsewhere: OtherPlaces | None = None,
        counted: Census | None = None,
    ) -> UserSearch:
        """Find a user by an id in any form, a name, or a memory's id; ids that are close as well.

        With a `scan` the ids in the store are searched too, with `elsewhere` those of other
        places. Users are counted now unless `counted` is given.
        """
        return self._finder.find(text, counted or self.count_users(), scan, elsewhere)

    def traces(self, user_id: str, *, on_progress: Progress | None = None) -> Traces:
        """Search everything for what is left of a user: the proof of a deletion."""
        from .memories.erasure_proof import find_traces

        user = normalize_user_id(user_id)
        scan, others = self.scan_store(on_progress), self.elsewhere()
        search = self.find(user, scan=scan, elsewhere=others)
        return find_traces(self.parts.ledger, user, self._memories, search, others)

    def plan_reunion(self, former: str, user_id: str) -> MergePlan:
        """Preview `reunite`: what it would move, and what it could not; changes nothing.

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
        """Return what moved to the user from others and is still there, oldest first."""
        return self._merger.merges(normalize_user_id(user_id))

    def undo_reunion(self, reunion: Merge, *, on_progress: Progress | None = None) -> Merge:
        """Undo a merge: memories go back as they are now; those deleted since stay deleted.

        Raises as `reunite`; InvalidMove where none of them is with the new owner any more.
        """
        former, user_id = reunion.former, reunion.user_id
        with recording(self.activity, "undo", user_id=former, other_id=user_id) as operation:
            undone = self._merger.undo(reunion, on_progress)
            operation.detail = counted(len(undone.ids), "memory")
        return undone

    # The whole store

    def storage(self) -> dict[str, int]:
        """Count the memories in the store and those in the ledger alone; a full scan."""
        return self.parts.count_stored()

    def status(self, counted: Census | None = None) -> Status:
        """Return the backend in use, why it was chosen, and how much it holds."""
        status = self.parts.status(counted or self.count_users())
        return replace(status, migration=self.migration_status())

    def scan_store(self, on_progress: Progress | None = None) -> StoreScan:
        """Count the whole store user by user, beside the ledger: a second opinion, read only.

        Every vector counts under the id that it names. `on_progress` counts vectors.
        """
        return self._auditor.scan(self.backend, on_progress)

    @noted("repair", lambda report: f"{report.repaired:,} put right",
           of=None, when=lambda given: given["repair"])  # fmt: skip
    def audit(
        self,
        *,
        repair: bool = False,
        unexpected: Unexpected = "keep",
        on_progress: Progress | None = None,
    ) -> AuditReport:
        """Compare the store with the ledger over all users; with `repair` make it as recorded.

        Orphans, which were never recorded, are only reported unless a repair is to "adopt" them
        for the user they name, or to "remove" them. A repair that was cut off can be repeated.
        """
        return self._repairer.audit(repair=repair, unexpected=unexpected, on_progress=on_progress)

    @noted("take-up", lambda taken: counted(taken.taken, "memory"),
           when=lambda given: not given["preview"])  # fmt: skip
    def take_up(
        self, user_id: str, *, preview: bool = False, on_progress: Progress | None = None
    ) -> Adoption:
        """Adopt the user's orphans: vectors in the store that were never recorded.

        Adopted is what names the user in a form that differs in case, whitespace or invisible
        characters alone. Safe to repeat. With `preview` nothing is changed.
        """
        user = normalize_user_id(user_id)
        return self._repairer.adopt_orphans(user, preview=preview, on_progress=on_progress)

    def elsewhere(self, on_progress: Progress | None = None) -> OtherPlaces:
        """Compare the places besides the one in use: which memories lie only there.

        On S3 Vectors that is the local data folder, which stays as it is; on ChromaDB other
        collections of the folder, and S3 where the settings suffice. `on_progress` counts memories.
        """
        from .memories.other_places import compare_places

        return compare_places(self.settings, self.parts, on_progress)

    def migrate_in_background(self) -> None:
        """Begin to migrate memories from the local disk, if any, where this service is on S3."""
        if self._background is not None or not has_local_memories(self.settings, self.backend):
            return
        from .transfer.background import Background

        self._background = Background(self)
        self._background.start()

    def migration_status(self) -> MigrationStatus:
        """Return the state of the migration from the local disk, whoever migrates."""
        if self._background is not None:
            return self._background.status
        if not has_local_memories(self.settings, self.backend):
            return MigrationStatus()
        if self._observer is None:
            from .transfer.background import Observer

            self._observer = Observer(self)
        return self._observer.look()

    @property
    def more_to_come(self) -> bool:
        """True while a migration brings memories that no call finds yet; makes no request."""
        return self._background is not None and self._background.status.more_to_come
