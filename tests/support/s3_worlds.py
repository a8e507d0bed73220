"""Services on the stand-in for AWS, with a prefix and an index of their own, and calls of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from weakref import WeakSet

import pytest

from memory_core import MemoryService
from memory_core.embedders import Embedder
from memory_core.ledger import Ledger
from memory_core.model.records import MemoryRecord
from memory_core.settings import Settings
from memory_core.storage.aws import Aws
from memory_core.storage.backend import Backend, select_backend
from memory_core.storage.objects import S3Objects
from memory_core.storage.vectors import VectorStore
from memory_core.storage.vectors.s3 import open_s3_vectors
from memory_core.storage.vectors.s3_index import IndexName
from tests.support.damage import found_in
from tests.support.s3_bench import Bench, open_bench

FAULTS = ["throttle", "error503", "timeout408", "drop_before", "drop_after"]
"""A request is refused in every way, and once it is let through the answer is lost."""

TEA, RYE, OATS, FIGS, COCOA = (f"likes {one}" for one in ("tea", "rye", "oats", "figs", "cocoa"))
BEFORE = [TEA, RYE, OATS]
DOCUMENT = b'{"memory": "likes figs"}\n{"memory": "likes tea"}\n{"memory": "likes kiwis"}'

Ids = dict[str, str]
Work = Callable[[MemoryService, str, Ids], Any]

_numbers = count(1)
_services: WeakSet[MemoryService] = WeakSet()


class World:
    """One prefix and one index; services on it know nothing of each other."""

    def __init__(self, bench: Bench, aws: Aws, backend: Backend, embedder: Embedder) -> None:
        number = next(_numbers)
        self.bench = bench
        self.prefix = f"world-{number}/"
        self.index = IndexName(f"{bench.bucket}-vectors", f"world-{number}")
        self._aws = aws
        self._embedder = embedder
        self._store: VectorStore | None = None
        self.backend = replace(
            backend,
            objects=S3Objects(aws, bench.bucket, self.prefix),
            open_store=lambda create: open_s3_vectors(
                aws, self.index, embedder.dimensions, create=create
            ),
        )

    def open(self) -> MemoryService:
        """Open a service as `open_service` does, with all its requests."""
        ledger = Ledger(self.backend.objects)
        self.backend.objects.sweep()
        self._store = self.backend.open_store(ledger.is_empty())
        return self.service()

    def service(self) -> MemoryService:
        """Return one that has read nothing yet, without a request where the index is known."""
        store = self._store or self.open().parts.store
        service = MemoryService(
            self._aws.settings, self.backend, self._embedder, Ledger(self.backend.objects), store
        )
        _services.add(service)
        return service

    def environ(self, **more: str) -> dict[str, str]:
        """Return the variables by which another process finds this world."""
        return {
            **self.bench.environ,
            "MEMORY_PREFIX": self.prefix,
            "MEMORY_VECTOR_BUCKET": self.index.bucket,
            "MEMORY_INDEX": self.index.name,
            **more,
        }

    def fill(self, user: str, texts: Sequence[str] = BEFORE) -> Ids:
        """Save texts for a user; return the ids."""
        messages = [{"role": "user", "content": text} for text in texts]
        saved = self.service().add_messages(user, messages, infer=False)
        return {one.memory: one.id for one in saved}

    def lose(self, ids: Ids, text: str) -> None:
        """Let the index lose a memory that stays recorded."""
        self.service().parts.store.delete([ids[text]])

    def look(self, user: str) -> list[tuple[str, str, bool]]:
        """Return id, text and whether it is indexed, oldest first, as a fresh service sees it."""
        return [
            (one.id, one.memory, one.indexed)
            for one in reversed(self.service().list_memories(user))
        ]

    def texts(self, user: str) -> list[str]:
        """Return the user's memories, none of them twice."""
        found = self.look(user)
        assert len({one for one, _, _ in found}) == len(found)
        texts = [text for _, text, _ in found]
        assert len(set(texts)) == len(texts), "doubles"
        return texts

    def kinds(self, user: str) -> list[str]:
        """Return what the ledger holds of a user."""
        folder = f"{self.prefix}ledger/v1/{user}/"
        return [
            key.split(".")[1] for key in S3Objects(self._aws, self.bench.bucket, "").list(folder)
        ]

    def assert_sound(self) -> None:
        """Assert that the store is as recorded, and holds nothing else."""
        assert found_in(self.service().audit()) == {}


@dataclass(frozen=True)
class Cloud:
    """A stand-in for AWS shared by the tests of a module."""

    bench: Bench
    _embedder: Embedder
    _aws: Aws
    _backend: Backend

    def world(self) -> World:
        return World(self.bench, self._aws, self._backend, self._embedder)

    def through(self, settings: Settings, **options: Any) -> Cloud:
        """Return the same at other addresses."""
        return replace(self, _aws=_ready(self.bench.aws(settings, **options)))

    @contextmanager
    def failing(self, at: int, *actions: str, **rule: Any) -> Iterator[Callable[[], bool]]:
        """Have the request numbered `at` fail, and those after it, each in another way.

        Yields what tells whether there was such a request.
        """
        standin = self.bench.standin
        for number, action in enumerate(actions):
            standin.add_fault(action, **{"nth": at + number, **rule})
        try:
            yield lambda: any(one["seen"] >= at > 0 for one in standin.faults())
        finally:
            standin.clear_faults()

    @contextmanager
    def failing_at(self, places: Iterable[int]) -> Iterator[Callable[[], int]]:
        """Have the requests with these numbers fail in every way, each when it is tried again.

        Yields what counts the requests that failed so to the end.
        """
        standin = self.bench.standin
        for place in places:
            for number, action in enumerate(FAULTS):
                standin.add_fault(action, nth=place + number)
        try:
            yield lambda: sum(
                rule["action"] == FAULTS[-1] and rule["fired"] for rule in standin.faults()
            )
        finally:
            standin.clear_faults()


@contextmanager
def open_cloud(embedder: Embedder, **options: Any) -> Iterator[Cloud]:
    """Start a stand-in; waiting between attempts takes no time."""
    with open_bench() as bench, pytest.MonkeyPatch.context() as patch:
        # Two are enough to be joined, and a scan is most of what an audit asks.
        patch.setattr("memory_core.storage.vectors.s3._SEGMENTS", 2)
        aws = _ready(bench.aws(**options))
        yield Cloud(bench, embedder, aws, select_backend(bench.settings, embedder))
        # Otherwise they keep trying to write their activity to a server that is gone.
        for service in tuple(_services):
            service.close()


def _ready(aws: Aws) -> Aws:
    """Let the clients read the credentials now: each test has an environment of its own."""
    assert aws.offers("s3", "GetObject", "Key")
    assert aws.offers("s3vectors", "GetVectors", "keys")
    return aws


def _saved(records: Sequence[MemoryRecord]) -> list[object]:
    return [(one.memory, one.already_stored, one.verified, one.indexed) for one in records]


def _messages(service: MemoryService, user: str, ids: Ids) -> list[object]:
    messages = [{"role": "user", "content": text} for text in (FIGS, TEA, "likes kiwis")]
    return _saved(service.add_messages(user, messages, infer=False))


def _receipt(receipt: Any) -> tuple[int, int | None]:
    return receipt.removed, receipt.left


WRITES: dict[str, Work] = {
    "save": lambda service, user, ids: _saved(service.add_text_memory(user, FIGS)),
    "save and verify": lambda service, user, ids: _saved(
        service.add_text_memory(user, FIGS, verify=True)
    ),
    "save what is there": lambda service, user, ids: _saved(service.add_text_memory(user, TEA)),
    "save what is not indexed": lambda service, user, ids: _saved(
        service.add_text_memory(user, OATS)
    ),
    "messages": _messages,
    "document": lambda service, user, ids: _saved(
        service.add_document(user, "a.jsonl", DOCUMENT, verify=True, isolate=False)
    ),
    "update": lambda service, user, ids: _saved(
        [service.update_memory(user, ids[TEA], COCOA, verify=True)]
    ),
    "delete": lambda service, user, ids: _receipt(service.delete_memory(user, ids[TEA])),
    "delete user": lambda service, user, ids: _receipt(service.delete_user(user, verify=True)),
    "forget": lambda service, user, ids: _receipt(service.forget_user(user)),
}
READS: dict[str, Work] = {
    "list": lambda service, user, ids: service.list_memories(user),
    "get": lambda service, user, ids: service.get_memory(user, ids[RYE]),
    "query": lambda service, user, ids: service.search(user, TEA, mode="exact"),
    "query the index": lambda service, user, ids: service.search(user, TEA, mode="index"),
    "history": lambda service, user, ids: service.history(user),
    "users": lambda service, user, ids: service.users(),
    "days": lambda service, user, ids: service.memories_per_day(),
    "storage": lambda service, user, ids: service.storage(),
    "status": lambda service, user, ids: replace(service.status(), as_of=None),  # type: ignore[arg-type]
    "audit": lambda service, user, ids: service.audit(),
}
AFTER: dict[str, list[str]] = {
    "save": [*BEFORE, FIGS],
    "save and verify": [*BEFORE, FIGS],
    "save what is there": BEFORE,
    "save what is not indexed": BEFORE,
    "messages": [*BEFORE, FIGS, "likes kiwis"],
    "document": [*BEFORE, FIGS, "likes kiwis"],
    "update": [COCOA, RYE, OATS],
    "delete": [RYE, OATS],
    "delete user": [],
    "forget": [],
}
"""What a user with the memories BEFORE has after each call."""
