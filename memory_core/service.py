"""MemoryService: everything Holdfast does for a user's memories, in the order that keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from . import census
from .activity import memories, noted, removed
from .backend import Backend, select_backend
from .embedders import Embedder, open_embedder
from .identity import normalize_user_id
from .ledger import ALL, Draft, Ledger
from .limits import check_metadata, check_text
from .memories import to_record
from .overall import Overall
from .records import (
    Event,
    Hit,
    Kind,
    MemoryRecord,
    Progress,
    Receipt,
    SearchMode,
    SearchResult,
)
from .saving import Saver
from .searching import Searcher
from .settings import Settings
from .signouts import SignOuts
from .sources import by_scope, to_messages, to_scope, to_sources
from .stores import VectorStore

if TYPE_CHECKING:
    from .engine import Engine
    from .explaining import Recall
    from .people import Census


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
        from .explaining import Explainer

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
        return self._saver.remove(view, Draft(Kind.DELETE, memory_id, str(user_id)), verify=verify)

    @noted("delete-user", removed)
    def delete_user(self, user_id: str, *, verify: bool = False) -> Receipt:
        """Remove all of the user's memories; their history stays. `verify` counts them again."""
        view = self._ledger.view(normalize_user_id(user_id))
        return self._saver.remove(view, Draft(Kind.DELETE, ALL, str(user_id)), verify=verify)

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
        return census.read_history(self._ledger, normalize_user_id(user_id), memory_id, last)

    def events_per_day(self, user_id: str) -> dict[date, Counter[Kind]]:
        """Return how many events of which kind the user had on which day (UTC), in order."""
        return census.count_events(self._ledger, normalize_user_id(user_id))

    @cached_property
    def signouts(self) -> SignOuts:
        """The dashboard's sessions that were ended, shared by its instances."""
        return SignOuts(self._backend.objects)

    @cached_property
    def _engine(self) -> Engine:
        from .engine import Engine

        return Engine(self.settings, self._embedder)
