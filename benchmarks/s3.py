"""S3 Vectors, on the stand-in: requests and time beside plain mem0 on its own S3 Vectors store.

Both have the same memories of the same users, each in an index of its own on one server, and embed
alike.
The times contain the stand-in's, which are not Amazon's: there a request takes far longer, and so
the number of requests decides.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import boto3

from memory_core import MemoryService, Settings, open_service
from memory_core.embedders.local import LocalEmbedder
from memory_core.transfer import export_memories, import_memories

from .querying import ask, fill_ours, make_texts
from .rows import LIMIT, Row, Size
from .s3_meter import Cost, Meter, median, open_meter
from .saving import open_plain_mem0

_BUCKET = "bench"
_BATCH = 500
_OWN_LIMIT_MS = 5.0


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Fill both, then make each call alternately here and there."""
    with open_meter() as meter, open_plain(folder) as plain:
        boto3.client("s3").create_bucket(Bucket=_BUCKET)
        texts = make_texts(size.memories)
        pair = _Pair(size, folder, meter, plain)
        yield from pair.measure_import(texts)
        with pair.open_ours() as service:
            fill_ours(service, texts, size.users)
            yield from pair.measure_carrying(service)
            yield from pair.measure_saves(service)
            yield from pair.measure_questions(service)
        yield from pair.measure_lists()
        yield from pair.measure_deletions()
        yield from pair.measure_counts()


@dataclass(frozen=True, slots=True)
class _Pair:
    """Holdfast, opened anew where nothing may be cached, and plain mem0."""

    size: Size
    folder: Path
    meter: Meter
    plain: Any

    @property
    def warm(self) -> int:
        """How many users are asked for, and calls made, before any is measured."""
        return self.size.users // 10

    @property
    def calls(self) -> int:
        """How many calls are measured; users from `warm` on are asked for the first time."""
        return min(self.size.calls, self.size.users * 6 // 10)

    def open_ours(self, **changes: str) -> MemoryService:
        environ = {
            **self.meter.environ,
            "AWS_S3_BUCKET": _BUCKET,
            "MEMORY_DATA_DIR": str(self.folder / "local"),
            "MEMORY_EMBEDDER": "local",
        }
        return open_service(Settings.from_env({**environ, **changes}))

    def measure_import(self, texts: Sequence[str]) -> Iterator[Row]:
        """Import as a document of one user; mem0 takes a part, and the rest is put for it."""
        document = "\n".join(json.dumps({"memory": text}) for text in texts).encode()
        with self.open_ours(MEMORY_INDEX="import", MEMORY_PREFIX="import/") as service:
            ours = self.meter.cost(lambda: service.add_document("alice", "all.jsonl", document))
            counts = self.meter.control.request_counts()
        added = ceil(len(texts) / 20)
        theirs = self.meter.cost(lambda: [self._add(number, texts) for number in range(added)])
        self._put_rest(texts, added)
        scale = len(texts) / added
        note = f"mem0: {added} adds, times {scale:.0f}"
        vectors, objects = counts["s3vectors:PutVectors"], counts["s3:PutObject"]
        limit = ceil(len(texts) / 400)
        name = f"import of {len(texts):,}"
        seconds, theirs_seconds = ours.all_ms / 1000, theirs.all_ms * scale / 1000
        yield Row(f"{name}, PutVectors", vectors, "calls", LIMIT, limit, 1.0)
        yield Row(f"{name}, ledger batches", objects, "calls", LIMIT, limit, 1.0)
        yield Row(name, ours.requests, "calls", "mem0", theirs.requests * scale, None, note)
        yield Row(name, seconds, "s", "mem0", theirs_seconds, None, note)

    def measure_carrying(self, service: MemoryService) -> Iterator[Row]:
        """Export everything with its vectors, and import it into another index."""
        path = self.folder / "all.jsonl"
        export_memories(service, path, vectors=True)
        with self.open_ours(MEMORY_INDEX="carried", MEMORY_PREFIX="carried/") as empty:
            first = self.meter.cost(lambda: import_memories(empty, path))
            counts = self.meter.control.request_counts()
            again = self.meter.cost(lambda: import_memories(empty, path))
        vectors, objects = counts["s3vectors:PutVectors"], counts["s3:PutObject"]
        users = self.size.users
        limit = ceil(self.size.memories / 400)
        name = f"import of an export of {users} users"
        yield Row(f"{name}, PutVectors", vectors, "calls", LIMIT, limit, 1.0)
        yield Row(f"{name}, ledger objects", objects, "calls", "users", users, 1.25)
        yield Row(name, first.requests, "calls", "once more", again.requests)
        yield Row(name, first.all_ms / 1000, "s", "once more", again.all_ms / 1000)

    def measure_saves(self, service: MemoryService) -> Iterator[Row]:
        def ours(number: int) -> Any:
            return service.add_text_memory("user0", f"User 0 went to place {number}.")

        def verified(number: int) -> Any:
            return service.add_text_memory("user1", f"User 1 saw place {number}.", verify=True)

        def theirs(number: int) -> Any:
            return self._add(0, [f"User 0 went to place {number}."])

        for number in range(self.warm):
            ours(-1 - number)
            theirs(-1 - number)
        costs = self.meter.compare(ours, theirs, self.calls)
        note = "ours is in the ledger as well"
        yield from _rows("save", *costs, note)
        yield from _own_rows("save", *costs)
        costs = self.meter.compare(verified, theirs, self.calls)
        yield from _rows("save, read back", *costs, note)

    def measure_questions(self, service: MemoryService) -> Iterator[Row]:
        """Ask users who were asked for before, and then others from a service just opened."""
        for number in range(self.warm):
            service.query_memories(f"user{number}", ask(number))
            self._search(number)
        known = self.meter.compare(
            lambda number: service.query_memories(f"user{number % self.warm}", ask(number)),
            lambda number: self._search(number % self.warm),
            self.calls,
        )
        yield from _rows("question, user known", *known)
        yield from _own_rows("question", *known)
        with self.open_ours() as fresh:
            # What is read once for all users is read now.
            fresh.query_memories(f"user{self.size.users - 1}", ask(0))
            unread = self.meter.compare(
                lambda number: fresh.query_memories(f"user{self.warm + number}", ask(number)),
                lambda number: self._search(self.warm + number),
                self.calls,
            )
        yield from _rows("question, user not yet read", *unread)

    def measure_lists(self) -> Iterator[Row]:
        listed: dict[str, int] = {}
        first_user = self.size.users * 7 // 10

        def ours(service: MemoryService, number: int) -> None:
            listed["ours"] = len(service.list_memories(f"user{first_user + number}"))

        def theirs(number: int, **options: int) -> None:
            filters = {"user_id": f"user{first_user + number}"}
            listed["theirs"] = len(self.plain.get_all(filters=filters, **options)["results"])

        with self.open_ours() as fresh:
            costs = self.meter.compare(
                lambda number: ours(fresh, number), theirs, self.size.long_calls
            )
        note = f"mem0 lists {listed['theirs']} of {listed['ours']}"
        yield from _rows(f"list of a {self._user}", *costs, note)
        with self.open_ours() as fresh:
            costs = self.meter.compare(
                lambda number: ours(fresh, number),
                lambda number: theirs(number, top_k=100),
                self.size.long_calls,
            )
        note = f"mem0 lists {listed['theirs']} of {listed['ours']}; above 250 it fails"
        yield from _rows("the same, mem0 told top_k=100", *costs, note)

    def measure_deletions(self) -> Iterator[Row]:
        first_user = self.size.users * 8 // 10
        with self.open_ours() as fresh:
            costs = self.meter.compare(
                lambda number: fresh.delete_user(f"user{first_user + number}"),
                lambda number: self.plain.delete_all(user_id=f"user{first_user + number}"),
                self.size.long_calls,
            )
        yield from _rows(f"delete of a {self._user}", *costs)

    def measure_counts(self) -> Iterator[Row]:
        """Count everybody's memories; mem0 has no call for it, its store has to be read."""

        def theirs(number: int) -> Any:
            (stored,) = self.plain.vector_store.list()
            return Counter(memory.payload["user_id"] for memory in stored)

        note = "mem0 has no such call: its store read whole"
        calls = self.size.long_calls
        with ExitStack() as stack:
            services = [stack.enter_context(self.open_ours()) for _ in range(calls)]
            costs = self.meter.compare(lambda number: services[number].users(), theirs, calls)
            yield from _rows("counts of all users, just opened", *costs, note)
            costs = self.meter.compare(lambda number: services[0].users(), theirs, calls)
            yield from _rows("counts of all users, once known", *costs, note)

    @property
    def _user(self) -> str:
        return f"user of {self.size.memories // self.size.users} in {self.size.memories:,}"

    def _search(self, user: int) -> Any:
        return self.plain.search(ask(user), filters={"user_id": f"user{user}"}, top_k=10)

    def _add(self, number: int, texts: Sequence[str]) -> Any:
        message = {"role": "user", "content": texts[number]}
        return self.plain.add([message], user_id=f"user{number % self.size.users}", infer=False)

    def _put_rest(self, texts: Sequence[str], added: int) -> None:
        """Put what mem0 was not given one by one, in the form of what it was."""
        (stored,) = self.plain.vector_store.list()
        example = stored[0].payload
        for start in range(added, len(texts), _BATCH):
            numbers = range(start, min(start + _BATCH, len(texts)))
            self.plain.vector_store.insert(
                [self.plain.embedding_model.embed(texts[number]) for number in numbers],
                [
                    {
                        **example,
                        "data": texts[number],
                        "text_lemmatized": texts[number].lower(),
                        "user_id": f"user{number % self.size.users}",
                    }
                    for number in numbers
                ],
                [f"memory-{number}" for number in numbers],
            )


def open_plain(folder: Path) -> AbstractContextManager[Any]:
    """Open plain mem0 on its own S3 Vectors store."""
    embedder = LocalEmbedder()
    config = {
        "vector_bucket_name": "plain",
        "collection_name": "plain",
        "embedding_model_dims": embedder.dimensions,
    }
    return open_plain_mem0(folder, embedder, "s3_vectors", config)


def _rows(name: str, ours: Sequence[Cost], theirs: Sequence[Cost], note: str = "") -> Iterator[Row]:
    """Yield how many requests a call took, and how long."""
    requests, their_requests = median(ours, "requests"), median(theirs, "requests")
    servers = f"the server's: {median(ours, 'server_ms'):.1f} and {median(theirs, 'server_ms'):.1f}"
    yield Row(name, requests, "calls", "mem0", their_requests, None, note)
    yield Row(name, median(ours, "all_ms"), "ms", "mem0", median(theirs, "all_ms"), None, servers)


def _own_rows(name: str, ours: Sequence[Cost], theirs: Sequence[Cost]) -> Iterator[Row]:
    """Yield what of a call's time is the caller's own, and what of that is boto3's."""
    own = median(ours, "own_ms")
    yield Row(f"{name}, own time", own, "ms", LIMIT, _OWN_LIMIT_MS, 1.0)
    for part, field in (
        ("own time within boto3", "own_boto3_ms"),
        ("own time outside boto3", "own_code_ms"),
        ("processor time", "processor_ms"),
    ):
        yield Row(f"{name}, {part}", median(ours, field), "ms", "mem0", median(theirs, field))
