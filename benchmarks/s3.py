"""S3 Vectors, on the stand-in: requests and time beside plain mem0 on its own S3 Vectors store.

Both have 10,000 memories of 100 users, each in an index of its own on one server, and embed alike.
The times contain the stand-in's, which are not Amazon's: there a request takes far longer, and so
the number of requests decides.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from memory_core import MemoryService, Settings, open_service
from memory_core.embedders.local import LocalEmbedder
from memory_core.transfer import export_memories, import_memories

from .querying import ask, fill_ours, make_texts
from .s3_meter import Cost, Meter, median, open_meter
from .saving import open_plain_mem0
from .table import Row

_BUCKET = "bench"
_USERS = 100
_WARM, _TIMES, _FEW = 10, 60, 3
_ADDED, _BATCH = 500, 500
_OWN_AIM_MS = 5.0


def measure(folder: Path) -> list[Row]:
    """Fill both, then make each call alternately here and there."""
    with open_meter() as meter:
        boto3.client("s3").create_bucket(Bucket=_BUCKET)
        texts = make_texts()
        pair = _Pair(meter, open_plain(folder))
        rows = pair.measure_import(texts)
        with pair.open_ours() as service:
            fill_ours(service, texts, _USERS)
            rows += pair.measure_carrying(service, folder)
            rows += pair.measure_saves(service)
            rows += pair.measure_questions(service)
        rows += pair.measure_lists()
        rows += pair.measure_deletions()
        return rows + pair.measure_counts()


@dataclass(frozen=True, slots=True)
class _Pair:
    """Holdfast, opened anew where nothing may be cached, and plain mem0."""

    meter: Meter
    plain: Any

    def open_ours(self, **changes: str) -> MemoryService:
        environ = {**self.meter.environ, "AWS_S3_BUCKET": _BUCKET, "MEMORY_EMBEDDER": "local"}
        return open_service(Settings.from_env({**environ, **changes}))

    def measure_import(self, texts: Sequence[str]) -> list[Row]:
        """Import as a document of one user; mem0 takes a part, and the rest is put for it."""
        document = "\n".join(json.dumps({"memory": text}) for text in texts).encode()
        with self.open_ours(MEMORY_INDEX="import", MEMORY_PREFIX="import/") as service:
            ours = self.meter.cost(lambda: service.add_document("one", "all.jsonl", document))
            asked = self.meter.control.request_counts()
        theirs = self.meter.cost(lambda: [self._add(number, texts) for number in range(_ADDED)])
        self._put_rest(texts)
        scale = len(texts) / _ADDED
        note = f"mem0: {_ADDED} adds, times {scale:.0f}"
        vectors, objects = asked["s3vectors:PutVectors"], asked["s3:PutObject"]
        return [
            Row("import of 10,000, PutVectors / 25", vectors, 25, "calls", 1.0),
            Row("import of 10,000, ledger batches / 25", objects, 25, "calls", 1.0),
            Row("import of 10,000", ours.requests, theirs.requests * scale, "calls", None, note),
            Row("import of 10,000", ours.all_ms / 1000, theirs.all_ms * scale / 1000, "s", None),
        ]

    def measure_carrying(self, service: MemoryService, folder: Path) -> list[Row]:
        """Export everything with its vectors, and import it into another index."""
        path = folder / "all.jsonl"
        export_memories(service, path, vectors=True)
        with self.open_ours(MEMORY_INDEX="carried", MEMORY_PREFIX="carried/") as empty:
            first = self.meter.cost(lambda: import_memories(empty, path))
            asked = self.meter.control.request_counts()
            again = self.meter.cost(lambda: import_memories(empty, path))
        vectors, objects = asked["s3vectors:PutVectors"], asked["s3:PutObject"]
        note = "theirs: the same once more"
        name = f"import of an export of {_USERS} users"
        return [
            Row(f"{name}, PutVectors / 25", vectors, 25, "calls", 1.0),
            Row(f"{name}, ledger objects / {_USERS}", objects, _USERS, "calls", 1.25),
            Row(name, first.requests, again.requests, "calls", None, note),
            Row(name, first.all_ms / 1000, again.all_ms / 1000, "s", None, note),
        ]

    def measure_saves(self, service: MemoryService) -> list[Row]:
        def ours(number: int) -> Any:
            return service.add_text_memory("user0", f"User 0 went to place {number}.")

        def verified(number: int) -> Any:
            return service.add_text_memory("user1", f"User 1 saw place {number}.", verify=True)

        def theirs(number: int) -> Any:
            return self._add(0, [f"User 0 went to place {number}."])

        for number in range(_WARM):
            ours(-1 - number)
            theirs(-1 - number)
        costs = self.meter.compare(ours, theirs, _TIMES)
        note = "ours is in the ledger as well"
        return [
            *_rows("save", *costs, note),
            *_own_rows("save", *costs),
            *_rows("save, read back", *self.meter.compare(verified, theirs, _TIMES), note),
        ]

    def measure_questions(self, service: MemoryService) -> list[Row]:
        """Ask users who were asked for before, and then others from a service just opened."""
        for number in range(_WARM):
            service.query_memories(f"user{number}", ask(number))
            self._search(number % _WARM)
        warm = self.meter.compare(
            lambda number: service.query_memories(f"user{number % _WARM}", ask(number)),
            lambda number: self._search(number % _WARM),
            _TIMES,
        )
        with self.open_ours() as fresh:
            # What is read once for all users is read now.
            fresh.query_memories("user99", ask(0))
            cold = self.meter.compare(
                lambda number: fresh.query_memories(f"user{_WARM + number}", ask(number)),
                lambda number: self._search(_WARM + number),
                _TIMES,
            )
        return [
            *_rows("question, user known", *warm),
            *_own_rows("question", *warm),
            *_rows("question, user not yet read", *cold),
        ]

    def measure_lists(self) -> list[Row]:
        found: dict[str, int] = {}

        def ours(service: MemoryService, number: int) -> None:
            found["ours"] = len(service.list_memories(f"user{70 + number}"))

        def theirs(number: int, **more: int) -> None:
            filters = {"user_id": f"user{70 + number}"}
            found["theirs"] = len(self.plain.get_all(filters=filters, **more)["results"])

        with self.open_ours() as fresh:
            plain_call = self.meter.compare(lambda at: ours(fresh, at), theirs, _FEW)
            short = f"mem0 lists {found['theirs']} of {found['ours']}"
        with self.open_ours() as fresh:
            whole = self.meter.compare(
                lambda at: ours(fresh, at), lambda at: theirs(at, top_k=100), _FEW
            )
            long = f"mem0 lists {found['theirs']} of {found['ours']}; above 250 it fails"
        return [
            *_rows("list of a user of 100 in 10,000", *plain_call, short),
            *_rows("the same, mem0 told top_k=100", *whole, long),
        ]

    def measure_deletions(self) -> list[Row]:
        with self.open_ours() as fresh:
            costs = self.meter.compare(
                lambda number: fresh.delete_user(f"user{80 + number}"),
                lambda number: self.plain.delete_all(user_id=f"user{80 + number}"),
                _FEW,
            )
        return _rows("delete of a user of 100 in 10,000", *costs)

    def measure_counts(self) -> list[Row]:
        """Count everybody's memories; mem0 has no call for it, its store has to be read."""

        def theirs(number: int) -> Any:
            (stored,) = self.plain.vector_store.list()
            return Counter(one.payload["user_id"] for one in stored)

        services = [self.open_ours() for _ in range(_FEW)]
        cold = self.meter.compare(lambda number: services[number].users(), theirs, _FEW)
        warm = self.meter.compare(lambda number: services[0].users(), theirs, _FEW)
        for service in services:
            service.close()
        note = "mem0 has no such call: its store read whole"
        return [
            *_rows("counts of all users, just opened", *cold, note),
            *_rows("counts of all users, once known", *warm, note),
        ]

    def _search(self, user: int) -> Any:
        return self.plain.search(ask(user), filters={"user_id": f"user{user}"}, top_k=10)

    def _add(self, number: int, texts: Sequence[str]) -> Any:
        message = {"role": "user", "content": texts[number]}
        return self.plain.add([message], user_id=f"user{number % _USERS}", infer=False)

    def _put_rest(self, texts: Sequence[str]) -> None:
        """Put what mem0 was not given one by one, in the form of what it was."""
        (stored,) = self.plain.vector_store.list()
        example = stored[0].payload
        for start in range(_ADDED, len(texts), _BATCH):
            numbers = range(start, min(start + _BATCH, len(texts)))
            self.plain.vector_store.insert(
                [self.plain.embedding_model.embed(texts[number]) for number in numbers],
                [
                    {
                        **example,
                        "data": texts[number],
                        "text_lemmatized": texts[number].lower(),
                        "user_id": f"user{number % _USERS}",
                    }
                    for number in numbers
                ],
                [f"memory-{number}" for number in numbers],
            )


def open_plain(folder: Path) -> Any:
    """Return plain mem0 on its own S3 Vectors store."""
    embedder = LocalEmbedder()
    config = {
        "vector_bucket_name": "plain",
        "collection_name": "plain",
        "embedding_model_dims": embedder.dimensions,
    }
    return open_plain_mem0(folder, embedder, "s3_vectors", config)


def _rows(name: str, ours: Sequence[Cost], theirs: Sequence[Cost], note: str = "") -> list[Row]:
    """Return how many requests a call took, and how long."""
    servers = f"the server's: {median(ours, 'server_ms'):.1f} and {median(theirs, 'server_ms'):.1f}"
    return [
        Row(name, median(ours, "requests"), median(theirs, "requests"), "calls", None, note),
        Row(name, median(ours, "all_ms"), median(theirs, "all_ms"), "ms", None, servers),
    ]


def _own_rows(name: str, ours: Sequence[Cost], theirs: Sequence[Cost]) -> list[Row]:
    """Return what of a call's time is the caller's own, and what of that is boto3's."""
    parts = (
        ("own time within boto3", "own_boto3_ms"),
        ("own time outside boto3", "own_code_ms"),
        ("processor time", "processor_ms"),
    )
    return [
        Row(f"{name}, own time / 5 ms", median(ours, "own_ms"), _OWN_AIM_MS, "ms", 1.0),
        *(
            Row(f"{name}, {part}", median(ours, field), median(theirs, field), "ms")
            for part, field in parts
        ),
    ]
