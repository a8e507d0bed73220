"""A place for the contract on Amazon S3 and S3 Vectors: real, or a stand-in."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from memory_core import IndexMismatch, MemoryService, Settings
from memory_core.embedders import Embedder
from memory_core.ledger import Ledger
from memory_core.model.server_card import ServerManners
from memory_core.render.storage_status import card_lines
from memory_core.storage.aws import Aws
from memory_core.storage.backend import Backend, select_backend
from memory_core.storage.objects import S3Objects
from memory_core.storage.server_probe import probe_server
from memory_core.storage.vectors import VectorStore
from memory_core.storage.vectors.s3 import open_s3_vectors
from memory_core.storage.vectors.s3_index import IndexName
from standin import StandIn
from standin.standin import ACCESS_KEY, SECRET_KEY
from tests.support.other_servers import MANNERS
from tests.support.places import LIVE_VARIABLE

_run = f"holdfast-test-{uuid4().hex[:12]}"
_numbers = count(1)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
"""Those of every stand-in."""


class KeptAws(Aws):
    """Clients that outlive the services which close them: to make them takes long."""

    def close(self) -> None:
        pass

    def close_at_last(self) -> None:
        super().close()


class Bucket:
    """A prefix of a bucket, and an index; `environ` names all of them and the vector bucket.

    The credentials are those that boto3 finds by itself. All that opens on it uses `aws`.
    """

    counts = False

    def __init__(
        self,
        kind: str,
        environ: Mapping[str, str],
        embedder: Embedder,
        aws: Aws | None = None,
        *,
        finds_all: bool = True,
        manners: ServerManners | None = None,
    ) -> None:
        self.kind = kind
        self._manners = manners or ServerManners()
        self.finds_all = finds_all
        self._embedder = embedder
        self._settings = settings = Settings.from_env(environ)
        self._index = IndexName(str(settings.vector_bucket), str(settings.index))
        self._objects = {"Bucket": str(settings.bucket), "Prefix": settings.prefix}
        self._aws = aws or Aws(settings)

    def store(self, dimensions: int, *, create: bool = True) -> VectorStore:
        return open_s3_vectors(self._aws, self._index, dimensions, self._manners, create=create)

    def service(self) -> MemoryService:
        # As `open_service` does it, but for the embedder and the clients, which take long to load.
        backend = self._backend
        ledger = Ledger(backend.objects)
        store = backend.open_store(ledger.is_empty())
        return MemoryService(self._settings, backend, self._embedder, ledger, store)

    @cached_property
    def _backend(self) -> Backend:
        objects = S3Objects(self._aws, self._objects["Bucket"], self._objects["Prefix"])
        objects.manners = lambda: self._manners
        return replace(
            select_backend(self._settings, self._embedder),
            objects=objects,
            open_store=lambda create: self.store(self._embedder.dimensions, create=create),
        )

    def contents(self) -> object:
        return self._versions(), self._vectors()

    def holding(self, *words: str) -> set[str]:
        versions = self._versions()
        said = [json.dumps(self._vectors(), ensure_ascii=False), str(versions)]
        said += [self._read(one) for one in versions if one["ETag"]]
        return {word for word in words for text in said if word in text}

    def remove(self) -> None:
        """Delete the objects below the prefix, in all their versions, and the index."""
        try:
            self._remove_objects()
        finally:
            # One that a test has not made, or has deleted, is none to delete.
            with suppress(IndexMismatch):
                self._ask("s3vectors", "delete_index", **self._index.address)

    def close(self) -> None:
        self._aws.close()

    def _remove_objects(self) -> None:
        bucket = self._objects["Bucket"]
        found = self._versions()
        for start in range(0, len(found), 1000):
            names = [
                {"Key": one["Key"], "VersionId": one["VersionId"]}
                for one in found[start : start + 1000]
            ]
            answer = self._ask("s3", "delete_objects", Bucket=bucket, Delete={"Objects": names})
            assert not answer.get("Errors"), f"left behind: {answer['Errors']}"

    # Looked at directly, so that what is tested does not judge itself.

    def _versions(self) -> list[dict[str, Any]]:
        return [
            {name: one.get(name) for name in ("Key", "VersionId", "ETag")}
            for page in self._pages("s3", "list_object_versions", self._objects)
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]

    def _vectors(self) -> dict[str, Any]:
        wanted = {**self._index.address, "returnMetadata": True, "returnData": True}
        return {
            one["key"]: (one["metadata"], one["data"])
            for page in self._pages("s3vectors", "list_vectors", wanted)
            for one in page["vectors"]
        }

    def _read(self, version: Mapping[str, Any]) -> str:
        name = {"Key": version["Key"], "VersionId": version["VersionId"]}
        found = self._ask("s3", "get_object", Bucket=self._objects["Bucket"], **name)
        content: bytes = found["Body"].read()
        return content.decode()

    def _pages(
        self, service: Any, method: str, members: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        client = self._aws.run(service, method, "what the test looks at", lambda client: client)
        yield from client.get_paginator(method).paginate(**members)

    def _ask(self, service: Any, method: str, **members: Any) -> Any:
        def send(client: Any) -> Any:
            return getattr(client, method)(**members)

        return self._aws.run(service, method, "what the test keeps", send)


@contextmanager
def on_standin(
    kind: str, standin: StandIn, aws: Aws, switches: Mapping[str, Any], embedder: Embedder
) -> Iterator[Bucket]:
    """Give a bucket of its own on a stand-in that many share; `aws` leads to it."""
    bucket = f"{_run}-{next(_numbers)}"
    standin.reset()
    aws.ask("s3", "CreateBucket", "the bucket", Bucket=bucket)
    standin.set_switches(**switches)
    names = {"AWS_S3_BUCKET": bucket, "MEMORY_VECTOR_BUCKET": bucket, "MEMORY_INDEX": "contract"}
    environ = {**standin.environ(), **names}
    place = Bucket(kind, environ, embedder, aws, finds_all="lossy_queries" not in switches)
    with pytest.MonkeyPatch.context() as patch:
        # Two are enough to be joined, and a scan is most of what an audit asks.
        patch.setattr("memory_core.storage.vectors.s3._SEGMENTS", 2)
        try:
            yield place
            assert standin.warnings() == [], "relies on what AWS does not document"
        finally:
            standin.reset()


@dataclass
class Server:
    """A stand-in with the manners of another server that many share."""

    standin: StandIn
    aws: KeptAws
    manners: ServerManners

    @classmethod
    def started(cls, profile: str) -> Server:
        """Start it; the credentials must be in the environment at the first use."""
        standin = StandIn(profile=profile).start()
        settings = Settings.from_env({**standin.environ(), "MEMORY_DATA_DIR": "no-such-folder"})
        return cls(standin, KeptAws(settings), MANNERS[profile])

    def place(self, kind: str, embedder: Embedder) -> Bucket:
        """Give a bucket of its own."""
        bucket = f"{_run}-{next(_numbers)}"
        self.standin.reset()
        self.aws.ask("s3", "CreateBucket", "the bucket", Bucket=bucket)
        profile = self.standin.profile
        shared = profile.manners.vector_bucket != "unshared"
        names = {
            "AWS_S3_BUCKET": bucket,
            "MEMORY_VECTOR_BUCKET": bucket if shared else f"{bucket}-v",
            "MEMORY_INDEX": "contract",
        }
        environ = {**self.standin.environ(), **names}
        whole = not profile.lacks("finds_all")
        return Bucket(kind, environ, embedder, self.aws, finds_all=whole, manners=self.manners)

    def close(self) -> None:
        self.aws.close_at_last()
        self.standin.stop()


@contextmanager
def on_aws(kind: str, given: Mapping[str, str], embedder: Embedder) -> Iterator[Bucket]:
    """Give a new prefix and index in a bucket of somebody's own; they are removed at the end."""
    name = f"{_run}-{next(_numbers)}"
    taken = {key: value for key, value in given.items() if key.startswith("AWS_")}
    environ = {
        **taken,
        "MEMORY_VECTOR_BUCKET": given.get("MEMORY_VECTOR_BUCKET", ""),
        "AWS_REGION": _region(given),
        "AWS_S3_BUCKET": given[LIVE_VARIABLE],
        "MEMORY_BACKEND": "s3_vectors",
        "MEMORY_PREFIX": f"{name}/",
        "MEMORY_INDEX": name,
    }
    where = select_backend(Settings.from_env(environ), embedder).location
    environ |= {"MEMORY_VECTOR_BUCKET": where["vector bucket"]}
    place = Bucket(kind, environ, embedder, manners=_manners_of_live(environ))
    try:
        yield place
    finally:
        try:
            place.remove()
        finally:
            place.close()


_live: dict[str, ServerManners] = {}


def _manners_of_live(environ: Mapping[str, str]) -> ServerManners:
    """Try a server that is not Amazon's, once in a run, and print its card."""
    settings = Settings.from_env(environ)
    bucket, vectors = str(settings.bucket), str(settings.vector_bucket)
    aws = Aws(settings)
    if not (aws.endpoint("s3").foreign or aws.endpoint("s3vectors").foreign):
        return ServerManners()
    if bucket not in _live:
        card = probe_server(settings, bucket, vectors)
        sys.stderr.write("\n" + "\n".join(card_lines(card)) + "\n")
        _live[bucket] = card.manners
    return _live[bucket]


def _region(given: Mapping[str, str]) -> str:
    """Return the region that is set, or that of the profile."""
    import boto3

    found = given.get("AWS_REGION") or boto3.Session().region_name
    assert found, f"{LIVE_VARIABLE} is set but no region; set AWS_REGION"
    return str(found)
