"""MemoryService: everything Holdfast does for a user's memories, in the order that keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

from .activity import memories, noted, open_log, recording, removed
from .embedders import Embedder, open_embedder
from .ledger import ALL, EventDraft, Ledger
from .memories import statistics
from .memories.audit import Scanner
from .memories.find_user import Finder
from .memories.inputs import by_scope, to_messages, to_scope, to_sources
from .memories.merge_users import Reunion, ReunionPlan, Reuniter
from .memories.reader import Memories, to_record
from .memories.repair import Repairer
from .memories.repository import Repository
from .memories.search import Searcher
from .memories.writer import Saver
from .model.census import Census, OtherPlaces, StoreScan, TakenUp, UserSearch
from .model.limits import check_metadata, check_text
from .model.records import (
    AuditReport,
    Event,
    Hit,
    Kind,
    MemoryRecord,
    MigrationStatus,
    Progress,
    Receipt,
    SearchMode,
    SearchResult,
    Status,
    Unexpected,
    UserSummary,
)
from .model.user_id import normalize_user_id
from .settings import Settings
from .storage.backend import Backend, select_backend
from .storage.vectors import VectorStore
from .transfer.background import has_local_memories

if TYPE_CHECKING:
    from .memories.erasure_proof import Traces
    from .memories.mem0_adapter import Engine
    from .memories.search import Recall
    from .transfer.background import Background, Observer


class Overall:
    """The half of `MemoryService` that is not about one user."""

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        embedder: Embedder,
        ledger: Ledger,
        store: VectorStore,
    ) -> None:
        self.settings = settings
        self._backend = backend
        self._embedder = embedder
        self._ledger = ledger
        self._store = store
        self._memories = Memories(ledger, store, embedder)
        self._repairer = Repairer(ledger, store, embedder, self._memories)
        self._reuniter = Reuniter(ledger, store, embedder, self._memories)
        self._counter = statistics.Counter(ledger)
        self._finder = Finder(ledger)
        self._background: Background | None = None
        self._observer: Observer | None = None
        self.activity = open_log(backend.objects, settings)
        """Who did what with memories. Calls that change or export something note themselves."""

    @property
    def parts(self) -> Repository:
        """What the service is made of."""
        return Repository(self._backend, self._embedder, self._ledger, self._store)

    def count_users(self, on_progress: Progress | None = None) -> Census:
        """Count every user's memories, exactly, from the ledger.

        After the first time only users whose entries changed are read again. `on_progress` is told
        of users; where it raises, the call ends, and the next one goes on from there.
        """
        return self._counter.count(on_progress)

    def users(self) -> list[UserSummary]:
        """Return every user that has memories, most memories first; exact, from the ledger."""
        return list(self.count_users().users)

    def scan_store(self, on_progress: Progress | None = None) -> StoreScan:
        """Read the whole store and compare it with the ledger, user by user: a second opinion.

        Every vector is counted under the id that it stands under. `on_progress` is told of
        vectors; where it raises, the call ends. Nothing is changed.
        """
        return Scanner(self.backend, self._ledger, self._store).scan(on_progress)

    def elsewhere(self, on_progress: Progress | None = None) -> OtherPlaces:
        """Return what lies in another place than the one in use, and is not here.

        On S3 Vectors that is the local data folder, in which nothing is made or changed; on
        ChromaDB it is other collections of the folder, and S3 where the settings suffice.
        `on_progress` is told of memories; where it raises, the call ends.
        """
        from .memories.other_places import look_elsewhere

        return look_elsewhere(self.settings, self.parts, on_progress)

    @noted("take-up", lambda taken: memories(taken.taken), when=lambda given: not given["preview"])
    def take_up(
        self, user_id: str, *, preview: bool = False, on_progress: Progress | None = None
    ) -> TakenUp:
        """Record what lies in the store for this user and never was recorded.

        Taken up is what names the user in any form that differs in case, whitespace or invisible
        characters alone; it is the user's from then on. Safe to repeat. With `preview` nothing is
        changed.
        """
        return self._repairer.take_up(
            normalize_user_id(user_id), preview=preview, on_progress=on_progress
        )

    def find(
        self,
        text: str,
        *,
        scan: StoreScan | None = None,
        elsewhere: OtherPlaces | None = None,
        counted: Census | None = None,
    ) -> UserSearch:
        """Return whose memories may be meant: an id in any form, a name, or a memory's id.

        With a `scan` the ids in the store are looked through as well, with `elsewhere` those of
        other places. Users are counted now unless `counted` is given.
        """
        return self._finder.find(text, counted or self.count_users(), scan, elsewhere)

    def traces(self, user_id: str, *, on_progress: Progress | None = None) -> Traces:
        """Return what is left of a user, looked for everywhere: the proof of a deletion.

        Reads the whole store, the record and other places; `on_progress` is told of vectors.
        """
        from .memories.erasure_proof import sum_up

        user = normalize_user_id(user_id)
        scan, other = self.scan_store(on_progress), self.elsewhere()
        found = self.find(user, scan=scan, elsewhere=other)
        return sum_up(user, self._ledger, self._memories, found, other)

    def memories_per_day(self) -> dict[date, int]:
        """Return how many of today's memories were saved on which day (UTC), in order."""
        return dict(self.count_users().days)

    def storage(self) -> dict[str, int]:
        """Return how many memories the store holds, and how many only the ledger; a full scan."""
        return statistics.count_stored(self._ledger, self._store, self._backend)

    @noted(
        "repair",
        lambda report: f"{report.repaired:,} put right",
        of=None,
        when=lambda given: given["repair"],
    )
    def audit(
        self,
        *,
        repair: bool = False,
        unexpected: Unexpected = "keep",
        on_progress: Progress | None = None,
    ) -> AuditReport:
        """Compare the store with the ledger over all users; with `repair` make it as recorded.

        What was never recorded is only reported unless a repair is told to "adopt" it for the
        user it names, or to "remove" it. A repair that was cut off can be repeated.
        """
        return self._repairer.audit(repair=repair, unexpected=unexpected, on_progress=on_progress)

    def plan_reunion(self, former: str, user_id: str) -> ReunionPlan:
        """Say what `reunite` would move, and what it could not; changes nothing.

        Raises:
            InvalidMove: the two are one user, one is of a redeploy test, or has nothing to move.
        """
        return self._reuniter.plan(normalize_user_id(former), normalize_user_id(user_id))

    @noted("reunite", lambda moved: memories(len(moved.ids)), of="former", other="user_id")
    def reunite(self, former: str, user_id: str, *, on_progress: Progress | None = None) -> Reunion:
        """Move all memories of the user `former` to `user_id`: ids, texts and times stay.

        One that was cut off can be repeated. Keep what is returned: `undo_reunion` takes it.

        Raises:
            InvalidMove: as `plan_reunion`.
            NotIndexed: recorded, and nothing is lost, but the vector store could not be written.
        """
        return self._reuniter.reunite(
            normalize_user_id(former), normalize_user_id(user_id), on_progress=on_progress
        )

    def reunions(self, user_id: str) -> list[Reunion]:
        """Return what moved to the user from others and is still there, oldest first."""
        return self._reuniter.reunions(normalize_user_id(user_id))

    def undo_reunion(self, reunion: Reunion, *, on_progress: Progress | None = None) -> Reunion:
        """Give the memories of a reunion back, as they are now; those deleted since stay deleted.

        Raises:
            InvalidMove: none of them is with the new owner any more.
            NotIndexed: as `reunite`.
        """
        with recording(
            self.activity, "undo", user_id=reunion.former, other_id=reunion.user_id
        ) as operation:
            undone = self._reuniter.undo(reunion, on_progress)
            operation.detail = memories(len(undone.ids))
        return undone

    @property
    def backend(self) -> str:
        """The name of the backend in use."""
        return self._backend.name

    def migrate_in_background(self) -> None:
        """Begin to bring along what lies on the local disk, where memories are on S3.

        `open_service` does it unless told otherwise. Nothing is done where there is no such disk.
        """
        if self._background is not None or not self._has_local():
            return
        from .transfer.background import Background

        self._background = Background(self)
        self._background.start()

    def migration_status(self) -> MigrationStatus:
        """Return how it stands with memories on the local disk that may not be here yet.

        Where this service does not migrate by itself the local folder is read for it.
        """
        if self._background is not None:
            return self._background.status
        if not self._has_local():
            return MigrationStatus()
        if self._observer is None:
            from .transfer.background import Observer

            self._observer = Observer(self)
        return self._observer.look()

    @property
    def more_to_come(self) -> bool:
        """Whether memories are on their way that no call finds yet; asks nobody."""
        return self._background is not None and self._background.status.more_to_come

    def status(self, counted: Census | None = None) -> Status:
        """Return which backend is used, why, and how much is in it, as of now or as `counted`."""
        status = statistics.make_status(
            counted or self.count_users(), self._backend, self._embedder
        )
        return replace(status, migration=self.migration_status())

    def close(self) -> None:
        """Let go of files and connections, once what is under way is written."""
        if self._background is not None:
            self._background.stop()
        self.activity.close()
        self._store.close()

    def _has_local(self) -> bool:
        return has_local_memories(self.settings, self._backend.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_service(settings: Settings | None = None, *, migrate: bool = True) -> MemoryService:
    """Choose the backend, open it and return the service, a context manager.

    On S3 it begins to bring along what lies on the local disk, in the background, unless `migrate`
    is False or `MEMORY_AUTO_MIGRATE` is 0.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        BackendError: the chosen store cannot be used; there is no silent fallback.
    """
    settings = settings or Settings.from_env()
    embedder = open_embedder(settings)
    backend = select_backend(settings, embedder)
    backend.objects.sweep()
    ledger = Ledger(backend.objects)
    store = backend.open_store(ledger.is_empty())
    backend.announce()
    service = MemoryService(settings, backend, embedder, ledger, store)
    if migrate and settings.auto_migrate:
        service.migrate_in_background()
    return service


class MemoryService(Overall):
    """Get it from `open_service`. Safe to share between threads; other processes may write too.

    Every call normalises its `user_id` first. Errors of every call: `InvalidUserId`, and
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
        super().__init__(settings, backend, embedder, ledger, store)
        self._searcher = Searcher(ledger, store, embedder, self._memories)
        self._saver = Saver(ledger, store, self._memories)

    @noted("save", lambda saved: memories(len(saved)))
    def add_text_memory(
        self,
        user_id: str,
        text: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        infer: bool = False,
        verify: bool = False,
    ) -> list[MemoryRecord]:
        """Remember a text: as it is, or with `infer` what a language model finds in it.

        The same text in the same scope is kept once; the record then says `already_stored`.
        `verify` reads the memory back by its id before it returns.

        Raises:
            InvalidMemory: the text or the metadata cannot be stored.
            NotIndexed: recorded, and safe, but the vector store could not be written.
            SettingsError: `infer` without a language model.
        """
        return self.add_messages(
            user_id,
            [{"role": "user", "content": check_text(text)}],
            metadata=metadata,
            agent_id=agent_id,
            run_id=run_id,
            infer=infer,
            verify=verify,
        )

    @noted("save", lambda saved: memories(len(saved)))
    def add_messages(
        self,
        user_id: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        metadata: Mapping[str, Any] | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        infer: bool = True,
        verify: bool = False,
    ) -> list[MemoryRecord]:
        """Remember a conversation, `[{"role": ..., "content": ...}]`; raises as `add_text_memory`.

        With `infer` a language model extracts what is worth remembering, which may be nothing;
        without, each message is a memory.
        """
        scope = to_scope(user_id, agent_id, run_id)
        attached = check_metadata(metadata)
        sources = to_sources(messages, attached)
        if infer:
            neighbours = partial(self._searcher.neighbours, scope.user_id)
            composed = self._engine.extract(scope, to_messages(sources), attached, neighbours)
        else:
            composed = self._engine.compose(scope, sources)
        return self._saver.save(scope, str(user_id), composed, verify=verify)

    @noted("save", lambda saved: memories(len(saved)))
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
        on_progress: Progress | None = None,
    ) -> list[MemoryRecord]:
        """Cut a file (.txt .md .pdf .docx .csv .json .jsonl) into memories and remember them.

        Each memory knows its `document` and `place` in its metadata. Whoever repeats a call that
        was cut off stores only what was not stored before.

        Raises:
            InvalidMemory: larger than 20 MB, of an unknown type, encrypted, broken or empty.
            NotIndexed: as `add_text_memory`; earlier parts of the document are stored.
        """
        from .documents import clean_name, read_document

        scope = to_scope(user_id, agent_id, run_id)
        attached = check_metadata(metadata)
        chunks = read_document(name, content)
        saved: list[MemoryRecord] = []
        done = 0
        for part, sources in by_scope(scope, clean_name(name), chunks, attached):
            composed = self._engine.compose(part, sources)
            saved += self._saver.save(part, str(user_id), composed, verify=verify)
            done += len(sources)
            if on_progress:
                on_progress(done, len(chunks))
        return saved

    def query_memories(
        self, user_id: str, query: str, *, limit: int = 10, mode: SearchMode = "auto"
    ) -> list[Hit]:
        """Return the memories that answer the question best, best first.

        Raises:
            InvalidMemory: the question is blank or longer than 32 KB, or `limit` is not positive.
        """
        return list(self.search(user_id, query, limit=limit, mode=mode).hits)

    def search(
        self, user_id: str, query: str, *, limit: int = 10, mode: SearchMode = "auto"
    ) -> SearchResult:
        """As `query_memories`, and how many memories were ranked and whether that is all."""
        found = self._searcher.search(normalize_user_id(user_id), query, limit, mode)
        return replace(found, more_to_come=True) if self.more_to_come else found

    def explain(
        self, user_id: str, query: str, *, limit: int = 10, counted: Census | None = None
    ) -> Recall:
        """Return what `query_memories` answers, what it leaves out, and by which rule.

        All of the user's memories are ranked, however many; raises as `query_memories`. Users whose
        ids are close are counted now unless `counted` is given.
        """
        from .memories.search import Explainer

        explainer = Explainer(self._ledger, self._embedder, self._memories, self._searcher)
        user = normalize_user_id(user_id)
        return explainer.explain(user, query, limit, self.find(user, counted=counted).close)

    def list_memories(self, user_id: str) -> list[MemoryRecord]:
        """Return all of the user's memories, newest first; always complete."""
        return self._memories.records(self._ledger.view(normalize_user_id(user_id)))

    def get_memory(self, user_id: str, memory_id: str) -> MemoryRecord:
        """Return one memory.

        Raises:
            MemoryNotFound: the user has no such memory.
        """
        view = self._memories.view_with(normalize_user_id(user_id), memory_id)
        found, missing = self._memories.one(view, memory_id)
        return to_record(found, indexed=not missing)

    @noted("change", lambda record: f"memory {record.id}")
    def update_memory(
        self,
        user_id: str,
        memory_id: str,
        text: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        verify: bool = False,
    ) -> MemoryRecord:
        """Give a memory another text; `metadata` is merged into its own.

        Raises `MemoryNotFound`, and as `add_text_memory`.
        """
        check_text(text)
        attached = check_metadata(metadata)
        view = self._memories.view_with(normalize_user_id(user_id), memory_id)
        stored, _ = self._memories.one(view, memory_id)
        revised = self._engine.revise(stored, text, attached)
        check_metadata(to_record(revised).metadata)
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
        view = self._ledger.view(normalize_user_id(user_id))
        return self._saver.remove(view, EventDraft(Kind.DELETE, ALL, str(user_id)), verify=verify)

    @noted("forget", removed)
    def forget_user(self, user_id: str) -> Receipt:
        """Remove all of the user's memories and their history for good, for privacy.

        What is left is the fact that something was forgotten, without content; entries of the
        activity log stay and no longer tell whom they were about.
        """
        user = normalize_user_id(user_id)
        # Before, for a call that is cut off; afterwards, for what others noted meanwhile.
        self.activity.forget(user)
        receipt = self._saver.forget(user)
        self.activity.forget(user)
        self._backend.objects.sweep()
        return receipt

    def history(
        self, user_id: str, memory_id: str | None = None, *, last: int | None = None
    ) -> list[Event]:
        """Return what happened to the user's memories, or to one, oldest first.

        With `last`, only so many events, the newest.
        """
        return statistics.read_history(self._ledger, normalize_user_id(user_id), memory_id, last)

    def events_per_day(self, user_id: str) -> dict[date, Counter[Kind]]:
        """Return how many events of which kind the user had on which day (UTC), in order."""
        return statistics.count_events(self._ledger, normalize_user_id(user_id))

    @cached_property
    def _engine(self) -> Engine:
        from .memories.mem0_adapter import Engine

        return Engine(self.settings, self._embedder)
