"""Sources of a migration, by address: ChromaDB, S3 Vectors, an export, mem0's history.db."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..errors import InvalidMemory, MigrationError
from ..ledger import Ledger
from ..memories.repository import Service
from ..model.counting import batches
from ..settings import Settings
from ..storage.aws import Aws
from ..storage.backend import Backend
from ..storage.objects import S3Objects
from ..storage.vectors.base import PUT_BATCH
from ..storage.vectors.s3 import read_vectors
from ..storage.vectors.s3_index import IndexName, describe_index
from .chroma_source import open_folder, open_http
from .export_reader import open_export
from .incoming_memory import Incoming, from_payload
from .mem0_history import count_memories, earlier_events, last_texts, open_history
from .reports import MigrationSource, Part

LOCAL = "local"
_KINDS = ("chroma", "chroma-http", "s3vectors", "jsonl", "history")
_LONGEST = 2_000
_FORMS = (
    "chroma:FOLDER[#COLLECTION], chroma-http://HOST:PORT[#COLLECTION], "
    "s3vectors:BUCKET/INDEX[?ledger=BUCKET/PREFIX], jsonl:FILE, history:FILE or local"
)


class Address(NamedTuple):
    """A parsed address: `place` is a path, host and port, or bucket and index."""

    kind: str
    place: str
    extra: str = ""


def parse(address: str) -> Address:
    """Return the parts of an address.

    Raises:
        MigrationError: it is not valid; lists the valid forms.
    """
    if address == LOCAL:
        return Address(address, "")
    if len(address) > _LONGEST:
        raise MigrationError(f"the address {address[:80]!r}… is too long; use {_FORMS}")
    kind, _, place = address.partition(":")
    mark = "?ledger=" if kind == "s3vectors" else "#"
    place, _, extra = place.partition(mark) if kind not in ("jsonl", "history") else (place, "", "")
    if kind not in _KINDS or not place.strip("/"):
        raise MigrationError(f"{address!r} is not the address of a source; use {_FORMS}")
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
    with _open(service.settings, parse(address), user) as source:
        if history is None:
            yield source
            return
        with open_history(history) as database:

            def stored() -> Iterator[Incoming]:
                for batch in batches(source.stored(), PUT_BATCH):
                    ids = [memory.id for memory in batch if memory.id]
                    earlier = earlier_events(database, ids)
                    for memory in batch:
                        events = earlier.get(memory.id or "")
                        yield replace(memory, earlier=events) if events else memory

            events = Part(history.name, count_memories(database))
            yield MigrationSource(stored, lambda: [*source.parts(), events], source.ledger)


def _open(
    settings: Settings, where: Address, user: str | None
) -> AbstractContextManager[MigrationSource]:
    path = Path(where.place).expanduser()
    match where.kind:
        case "local":
            return open_folder(settings.chroma_path, None, settings.data_dir)
        case "chroma":
            return open_folder(path, where.extra or None)
        case "chroma-http":
            match = re.fullmatch(r"//([^/:#]+):(\d+)/?", where.place)
            if not match:
                raise MigrationError(
                    f"'chroma-http:{where.place}' names no host and port; use "
                    "chroma-http://HOST:PORT"
                )
            return open_http(match[1], int(match[2]), where.extra or None)
        case "s3vectors":
            return _open_index(settings, where)
        case "history":
            return _open_history(path, user)
    return _open_export(path, user)


@contextmanager
def _open_index(settings: Settings, where: Address) -> Iterator[MigrationSource]:
    """Open an index of S3 Vectors, and the ledger that the address names."""
    bucket, _, name = where.place.partition("/")
    if not name:
        raise MigrationError(
            f"'s3vectors:{where.place}' names no index; use s3vectors:BUCKET/INDEX"
        )
    ledger = None
    with closing(Aws(settings)) as aws:
        if where.extra:
            objects_bucket, _, prefix = where.extra.partition("/")
            prefix = f"{prefix.strip('/')}/".lstrip("/")
            ledger = Ledger(S3Objects(aws, objects_bucket, prefix), frugal=True)
        index = IndexName(bucket, name)
        info = describe_index(aws, index)
        rows = 0

        def stored() -> Iterator[Incoming]:
            nonlocal rows
            for rows, vector in enumerate(read_vectors(aws, index), 1):
                yield from_payload(vector.key, vector.payload, vector.values, rows)

        # The number of vectors of an index is known only after reading it.
        yield MigrationSource(
            stored, lambda: [Part(info.name, rows, info.dimensions, info.metric)], ledger
        )


@contextmanager
def _open_history(path: Path, user: str | None) -> Iterator[MigrationSource]:
    if user is None:
        raise MigrationError(
            "a history of mem0 does not name the user of its memories; name one with --user"
        )
    with open_history(path) as database:
        part = Part(path.name, count_memories(database))
        yield MigrationSource(lambda: last_texts(database), lambda: [part])


@contextmanager
def _open_export(path: Path, user: str | None) -> Iterator[MigrationSource]:
    """Open a file that `export` wrote, complete and unchanged, or another system's.

    `user` owns the memories that name nobody. Memories that are not in use in the other system are
    left out, and listed as a part of their own.
    """
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(open_export(path))
            problem = reader.check_whole() if reader.header else ""
        except InvalidMemory as exc:
            raise MigrationError(str(exc)) from exc
        if problem:
            raise MigrationError(f"{problem}; export it again")
        rows = 0

        def stored() -> Iterator[Incoming]:
            nonlocal rows
            rows = 0
            for memory in reader.memories(user, fallback=True):
                rows += 1
                yield memory

        def parts() -> list[Part]:
            lost = {f"the field {key}, where it does not fit": n for key, n in reader.lost.items()}
            left_out = {**reader.inactive, **lost}.items()
            return [
                Part(path.name, rows),
                *(Part(path.name, number, skipped=state) for state, number in left_out),
            ]

        yield MigrationSource(stored, parts)
