"""What the children of `zygote` do: work on a data folder, and reports of what came of it."""

from __future__ import annotations

import logging
import os
import random
from dataclasses import replace
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import memory_core
from memory_core import MemoryFilter, MemoryService, Settings, normalize_user_id, transfer
from memory_core.embedders import local
from memory_core.embedders.local import LocalEmbedder
from memory_core.errors import LedgerCorrupt, MemoryNotFound, NotIndexed
from memory_core.ledger import Ledger
from memory_core.memories import repair
from memory_core.storage.aws.client import REQUESTS, Aws, _shared
from memory_core.storage.backend import select_backend
from memory_core.storage.objects import LocalObjects
from memory_core.storage.vectors import VectorStore
from memory_core.storage.vectors.chroma import ChromaStore, open_chroma
from memory_core.transfer import import_memories
from memory_core.transfer.background import Background
from tests.support.activity_jobs import act  # noqa: F401 - a job too
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore
from tests.support.program_jobs import command, program  # noqa: F401 - jobs too
from tests.support.waiting import wait_for
from tests.support.wrappers import Trip, TrippedObjects, TrippedStore, When, die
from tests.support.zygote import Report

WRITES = ("objects.put", "objects.delete", "store.put", "store.delete", "store.erase")
"""The calls to die at: dying at one that reads is dying after the write before it."""

_embedder = LocalEmbedder()
_COLLECTION = f"mem0-{_embedder.slug}-{_embedder.dimensions}"


def preload() -> None:
    """Load what is slow to load, without using it."""
    for module in (
        "bm25s",
        "boto3",
        "chromadb",
        # What ChromaDB loads only as it opens a folder takes 80 ms.
        "chromadb.api.rust",
        "chromadb.telemetry.product.posthog",
        "filelock",
        "Stemmer",
        "memory_core.memories.mem0_adapter",
        "memory_core.cli",
    ):
        import_module(module)
    for described in ("s3", "s3vectors"):
        for kind in ("service-2", "endpoint-rule-set-1"):
            _shared()[1].load_service_model(described, kind)
    _make_clients()
    logging.disable(logging.CRITICAL)
    # The model is loaded without embedding anything, which would start threads.
    local._model()


def _make_clients() -> None:
    """Make clients of AWS and drop them: what the first of a process loads takes 40 ms."""
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "of-nobody")
    before = {**os.environ}
    # Otherwise the machine's own address is asked for some.
    os.environ.update(keys)
    aws = Aws(Settings.from_env({"AWS_REGION": "us-east-1", **keys}))
    assert aws.offers("s3", "GetObject", "Key")
    assert aws.offers("s3vectors", "GetVectors", "keys")
    aws.close()
    os.environ.clear()
    os.environ.update(before)


def open_store(data_dir: str, store: str) -> VectorStore:
    """Open the collection on disk, or a store that lost everything with its process."""
    if store == "in_memory":
        return InMemoryStore(_embedder.dimensions)
    return open_chroma(Path(data_dir, "chroma"), _COLLECTION, _embedder.dimensions, create=True)


def open_service(data_dir: str, store: str, trip: Trip | None = None) -> MemoryService:
    """Put the service together by hand; with a trip, one that dies."""
    opened = open_store(data_dir, store)
    if trip is None:
        return build_service(Path(data_dir), _embedder, opened)
    objects = TrippedObjects(LocalObjects(Path(data_dir)), trip)
    service = build_service(Path(data_dir), _embedder, TrippedStore(opened, trip), objects=objects)
    # What is written beside the ledger is part of the steps.
    service.parts = service.parts._replace(backend=replace(service.parts.backend, objects=objects))
    return service


def front_door(data_dir: str, environ: dict[str, str] | None = None) -> MemoryService:
    """Open the embedded default as a program would, or what the variables describe."""
    os.environ.update(environ or {})
    return memory_core.open_service(
        Settings.from_env({"MEMORY_DATA_DIR": data_dir, **(environ or {})})
    )


def open_on_aws(environ: dict[str, str]) -> MemoryService:
    """Open the service that the variables describe, as a program would, with the loaded model."""
    os.environ.update(environ)
    settings = Settings.from_env(environ)
    backend = select_backend(settings, _embedder)
    ledger = Ledger(backend.objects)
    store = backend.open_store(ledger.is_empty())
    return MemoryService(settings, backend, _embedder, ledger, store)


def work_on_aws(report: Report, environ: dict[str, str], calls: list[Any]) -> None:
    """Do the calls, each reported once it has returned."""
    service = open_on_aws(environ)
    for call in calls:
        report(do(service, call))


def count_requests(report: Report, environ: dict[str, str], calls: list[Any]) -> None:
    """Do the calls and close the service; report how many requests of each operation were sent."""
    service = open_on_aws(environ)
    for call in calls:
        do(service, call)
    service.close()
    report({":".join(names): number for names, number in REQUESTS.sent().items()})


def work(
    report: Report, data_dir: str, store: str, calls: list[Any], at: int = 0, when: When = "before"
) -> None:
    """Do the calls, each reported once it has returned; die at the write numbered `at`."""
    service = open_service(data_dir, store, Trip(at, when, die, WRITES))
    for call in calls:
        report(do(service, call))
    service.close()


def rebuild_and_die(report: Report, data_dir: str, puts: int) -> None:
    """Rebuild the index of a folder memory by memory, and die once so many are in it."""
    put, done = ChromaStore.put, count(1)

    def count_put(store: ChromaStore, vectors: Any) -> None:
        put(store, vectors)
        if next(done) == puts:
            die()

    repair.BATCH = 1
    ChromaStore.put = count_put  # type: ignore[method-assign]
    repair.rebuild_index(Settings.from_env({"MEMORY_DATA_DIR": data_dir}))


def do(service: MemoryService, call: list[Any]) -> list[Any]:
    """Do one call, `[name, user, ...]`, and return the ids and texts it acknowledged."""
    name, user, *rest = call
    try:
        if name == "save":
            return [[one.id, one.memory] for one in service.add_text_memory(user, rest[0])]
        if name == "messages":
            messages = [{"role": "user", "content": text} for text in rest]
            saved = service.add_messages(user, messages, infer=False)
            return [[one.id, one.memory] for one in saved]
        if name == "document":
            saved = service.add_document(user, rest[0], rest[1].encode(), isolate=False)
            return [[one.id, one.memory] for one in saved]
        if name == "update":
            one = service.update_memory(user, rest[0], rest[1])
            return [[one.id, one.memory]]
        if name == "delete":
            service.delete_memory(user, rest[0])
        elif name == "query":
            service.query_memories(user, rest[0])
        elif name == "delete user":
            service.delete_user(user)
        elif name == "forget":
            service.forget_user(user)
        elif name == "reunite":
            return [[one, rest[0]] for one in service.reunite(user, rest[0]).ids]
        elif name == "restore":
            service.restore_user(user, service.history(user)[int(rest[0])].event_id)
        elif name == "delete some":
            service.change_memories(user, MemoryFilter(text=rest[0]), delete=True)
        elif name == "repair":
            service.audit(repair=True)
        elif name == "import":
            report = import_memories(service, Path(rest[0]), user_id=user or None)
            assert report.ok, report
        elif name == "migrate":
            # A dead process holds the lease no longer than this.
            assert transfer.apply(service, rest[0], lease_ttl_s=0.0).ok
        else:
            raise ValueError(name)
    except MemoryNotFound:
        return [["not found", ""]]
    return []


def examine(report: Report, data_dir: str, store: str, user: str, mended: bool = False) -> None:
    """Report the user's memories as `[id, text]`, oldest first, having compared every view.

    `mended` says that the store has to hold exactly the live memories, everybody's.
    """
    service = open_service(data_dir, store)
    listed = service.list_memories(user)
    ids = [one.id for one in listed]
    assert len(set(ids)) == len(ids)
    texts = [one.memory for one in listed]
    assert len(set(texts)) == len(texts), "doubles"
    for one in random.Random(1).sample(listed, min(len(listed), 8)):
        assert service.get_memory(user, one.id).memory == one.memory
        assert service.query_memories(user, one.memory)[0].memory.id == one.id
    history = service.history(user)
    for one in listed:
        said = [event.memory for event in history if event.id == one.id and event.memory]
        assert said[-1] == one.memory
    counts = {found.user_id: found.memories for found in service.users()}
    assert counts.get(normalize_user_id(user), 0) == len(listed)
    if mended:
        opened = open_store(data_dir, store)
        live = {one.id for found in counts for one in service.list_memories(found)}
        held = opened.get(list(opened.keys()), with_values=True)
        assert set(held) == live
        assert all(vector.values is not None for vector in held.values())
        assert all(one.indexed for one in listed)
    report([[one.id, one.memory] for one in reversed(listed)])
    service.close()


def examine_each(
    report: Report, data_dir: str, store: str, users: list[str], mended: bool = False
) -> None:
    """Report the memories of several users, one report for each; see `examine`."""
    for user in users:
        examine(report, data_dir, store, user, mended)


def aftermath(
    report: Report, data_dirs: list[str], store: str, users: list[str], calls: list[Any]
) -> None:
    """In each folder look at the users, do the calls that finish the work, and look again."""
    for data_dir in data_dirs:
        examine_each(report, data_dir, store, users)
        work(lambda done: None, data_dir, store, calls)
        # What lives in memory only died with its process: there is nothing to compare with.
        examine_each(report, data_dir, store, users, mended=store != "in_memory")


def finish(report: Report, data_dir: str, store: str, call: list[Any], user: str) -> None:
    """Do the call that was cut off again, and look."""
    work(report, data_dir, store, [call])
    examine(report, data_dir, store, user, mended=True)


def save_many(
    report: Report,
    data_dir: str,
    texts: list[str],
    user: str = "ann",
    environ: dict[str, str] | None = None,
    pause_after: int = 0,
    go_on: str = "",
) -> None:
    """Save one after the other by the front door; report each.

    After that many it waits until the file `go_on` is there.
    """
    with front_door(data_dir, environ) as service:
        report("ready")
        for number, text in enumerate(texts, 1):
            (one,) = service.add_text_memory(user, text, verify=True)
            report([one.id, one.memory])
            if number == pause_after:
                wait_for(f"the file {go_on}", Path(go_on).exists)


def take_in(report: Report, data_dir: str, path: str) -> None:
    """Import a file by the front door; report how many memories were read back."""
    with front_door(data_dir) as service:
        taken = import_memories(service, Path(path)).intake
    assert taken.verified
    report(sum(user.found or 0 for user in taken.users))


def migrate_local(report: Report, environ: dict[str, str]) -> None:
    """Migrate the local disk by the front door, waiting while another process does it."""
    with open_on_aws(environ) as service:
        background = Background(service, again_s=(0.1,))
        background.start()
        assert background.wait(60)
        report([background.status.state, background.status.copied])


def look(
    report: Report,
    data_dir: str,
    until: int,
    user: str = "ann",
    environ: dict[str, str] | None = None,
) -> None:
    """List and query until `until` memories are there; report every count."""
    with front_door(data_dir, environ) as service:
        # The first text that is embedded starts threads, which takes as long as many looks.
        service.parts.embedder.embed(["number 7 of both"])
        report("ready")
        seen = 0
        while seen < until:
            listed = service.list_memories(user)
            assert len(listed) >= seen, "a memory went missing while others were written"
            seen = len(listed)
            for hit in service.query_memories(user, "number 7 of both", limit=3):
                assert hit.memory.memory.startswith("number")
            report(seen)


def change_many(
    report: Report,
    data_dir: str,
    ids: list[str],
    seed: int,
    environ: dict[str, str] | None = None,
) -> None:
    """Update and delete the same memories as somebody else does; report what was answered."""
    dice = random.Random(seed)
    with front_door(data_dir, environ) as service:
        report("ready")
        for number in range(25):
            one = dice.choice(ids)
            try:
                if dice.random() < 0.7:
                    service.update_memory("ann", one, f"writer {seed} wrote {number}")
                    report(["updated", one, f"writer {seed} wrote {number}"])
                else:
                    service.delete_memory("ann", one)
                    report(["deleted", one])
            except (MemoryNotFound, NotIndexed, LedgerCorrupt) as exc:
                report([type(exc).__name__, one])
