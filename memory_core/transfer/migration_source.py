"""Sources of a migration, by address: ChromaDB, S3 Vectors, an export, mem0's history.db."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from ..errors import InvalidMemory, MigrationError
from ..ledger import Ledger
from ..memories.repository import Service
from ..model.counting import batches
from ..settings import Settings
from ..storage.aws import Aws
from ..storage.backend import Backend
from ..storage.objects import S3Objects
from ..storage.vectors.base import PUT_BATCH
from ..storage.vectors.s3 import S3Reader
from ..storage.vectors.s3_index import IndexName
from .chroma_source import ChromaServer, ChromaSource
from .export_reader import open_export
from .incoming_memory import Incoming, from_payload
from .mem0_history import HistoryFile
from .reports import Part

LOCAL = "local"
_KINDS = ("chroma", "chroma-http", "s3vectors", "jsonl", "history")
_LONGEST = 2_000
_FORMS = (
    "chroma:FOLDER[#COLLECTION], chroma-http://HOST:PORT[#COLLECTION], "
    "s3vectors:BUCKET/INDEX[?ledger=BUCKET/PREFIX], jsonl:FILE, history:FILE or local"
)


class MigrationSource(Protocol):
    """Memories that can be migrated; a context manager. Reading changes nothing."""

    @property
    def ledger(self) -> Ledger | None:
        """The record beside the store, where there is one: it decides what should be there."""
        ...

    def parts(self) -> list[Part]:
        """Return what the source is made of."""
        ...

    def stored(self) -> Iterator[Incoming]:
        """Yield everything that the store holds."""
        ...


class Address(NamedTuple):
    """A parsed address: `place` is a path, host and port, or bucket and index."""

    kind: str
    place: str
    extra: str = ""


def parse(address: str) -> Address:
    """Return the parts of an address.

    Raises:
        MigrationError: it is none; lists the valid forms.
    """
    if address == LOCAL:
        return Address(address, "")
    if len(address) > _LONGEST:
        raise MigrationError(f"the address {address[:80]!r}… is too long; use {_FORMS}")
    kind, _, place = address.partition(":")
    mark = "?ledger=" if kind == "s3vectors" else "#"
    place, _, extra = place.partition(mark) if kind not in ("jsonl", "history") else (place, "", "")
    if kind not in _KINDS or not place.strip("/"):
        raise MigrationError(f"{address!r} is no address of memories; use {_FORMS}")
    return Address(kind, place, extra)


def address_of(backend: Backend) -> str:
    """Return the address of a backend's store."""
    location = backend.location
    if backend.name == "s3_vectors":
        return f"s3vectors:{location.get('vector bucket')}/{location.get('index')}"
    return f"chroma:{location.get('folder')}#{location.get('collection')}"


@contextmanager
def open_source(
    service: Service, address: str, *, user: str | None = None, history: Path | None = None
) -> Iterator[MigrationSource]:
    """Open a source for reading; `history` is mem0's history.db, for earlier events.

    Raises:
        MigrationError: there is no such source, or it cannot be read as one.
        BackendError: it did not answer.
    """
    source = _make(service, parse(address), address, user)
    with source as opened:
        if history is None:
            yield opened
            return
        with HistoryFile(history) as events:
            yield _WithHistory(opened, events)


def _make(service: Service, where: Address, address: str, user: str | None) -> Any:
    if where.kind == LOCAL:
        settings = service.settings
        return ChromaSource(settings.chroma_path, None, settings.data_dir)
    if where.kind == "chroma":
        return ChromaSource(Path(where.place).expanduser(), where.extra or None)
    if where.kind == "chroma-http":
        match = re.fullmatch(r"//([^/:#]+):(\d+)/?", where.place)
        if not match:
            raise MigrationError(f"{address!r} names no host and port; use chroma-http://HOST:PORT")
        return ChromaServer(match[1], int(match[2]), where.extra or None)
    if where.kind == "s3vectors":
        return S3Source(service.settings, where)
    if where.kind == "history":
        if user is None:
            raise MigrationError(
                "a history of mem0 does not say whose the memories were; say it with --user"
            )
        return HistoryFile(Path(where.place).expanduser())
    return ExportSource(Path(where.place).expanduser(), user)


class S3Source:
    """An index of S3 Vectors, and the ledger that is named with it."""

    def __init__(self, settings: Settings, where: Address) -> None:
        bucket, _, index = where.place.partition("/")
        if not index:
            raise MigrationError(
                f"'s3vectors:{where.place}' names no index; use s3vectors:BUCKET/INDEX"
            )
        self._aws = Aws(settings)
        self._reader = S3Reader(self._aws, IndexName(bucket, index))
        self.ledger: Ledger | None = None
        self._rows = 0
        if where.extra:
            objects_bucket, _, prefix = where.extra.partition("/")
            prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
            self.ledger = Ledger(S3Objects(self._aws, objects_bucket, prefix), frugal=True)

    def __enter__(self) -> Self:
        self._info = self._reader.describe()
        return self

    def __exit__(self, *exc: object) -> None:
        self._reader.close()

    def parts(self) -> list[Part]:
        """Return the index; how many vectors it has is known once it was read."""
        return [Part(self._info.name, self._rows, self._info.dimensions, self._info.metric)]

    def stored(self) -> Iterator[Incoming]:
        self._rows = 0
        for page in self._reader.pages():
            for vector in page:
                self._rows += 1
                yield from_payload(vector.key, vector.payload, vector.values, self._rows)


class ExportSource:
    """A file that `export` wrote, complete and unchanged, or another system's.

    `user` owns the memories that name nobody; what is not in use in that system is a part of its
    own, and left out.
    """

    ledger: Ledger | None = None

    def __init__(self, path: Path, user: str | None) -> None:
        self._path = path
        self._user = user
        self._rows = 0
        self._left_out: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            with open_export(self._path) as reader:
                problem = reader.check_whole() if reader.header else ""
        except InvalidMemory as exc:
            raise MigrationError(str(exc)) from exc
        if problem:
            raise MigrationError(f"{problem}; export it again")
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def parts(self) -> list[Part]:
        name = self._path.name
        left_out = [Part(name, rows, skipped=state) for state, rows in self._left_out.items()]
        return [Part(name, self._rows), *left_out]

    def stored(self) -> Iterator[Incoming]:
        self._rows = 0
        with open_export(self._path) as reader:
            for memory in reader.memories(self._user, fallback=True):
                self._rows += 1
                yield memory
            lost = {
                f"the field {name}, where it does not fit": n for name, n in reader.lost.items()
            }
            self._left_out = reader.inactive | lost


class _WithHistory:
    """A source whose memories have the events that mem0 noted."""

    def __init__(self, source: MigrationSource, events: HistoryFile) -> None:
        self.ledger = source.ledger
        self._source = source
        self._events = events

    def parts(self) -> list[Part]:
        return [*self._source.parts(), *self._events.parts()]

    def stored(self) -> Iterator[Incoming]:
        for batch in batches(self._source.stored(), PUT_BATCH):
            earlier = self._events.earlier([memory.id for memory in batch if memory.id])
            for memory in batch:
                events = earlier.get(memory.id or "")
                yield replace(memory, earlier=events) if events else memory
