"""Where memories can go: the service in use, a ChromaDB folder of its own, or a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..backend import Backend, select_backend
from ..elsewhere import Here
from ..embedders import Embedder
from ..errors import MigrationError
from ..ledger import ROOT, Ledger
from ..objects import LocalObjects
from ..stores import VectorStore
from ..stores.chroma_reader import is_chroma
from ..stores.in_memory import InMemoryStore
from .sources import Service, parse

_COLLECTION = "mem0"
"""What plain mem0 opens where it is told no other."""


class Parts:
    """What a target is made of."""

    def __init__(
        self, backend: Backend, embedder: Embedder, ledger: Ledger, store: VectorStore
    ) -> None:
        self.backend = backend
        self.embedder = embedder
        self.ledger = ledger
        self.store = store


def file_of(target: str | None) -> Path | None:
    """Return the file of a target that is one."""
    where = parse(target) if target else None
    return Path(where.place).expanduser() if where and where.kind == "jsonl" else None


def refuse_same(source: str, target: str | None) -> None:
    """Raise MigrationError where memories would go into what they are read from."""
    if target is None:
        return
    one, other = parse(source), parse(target)
    same_place = Path(one.place).expanduser().resolve() == Path(other.place).expanduser().resolve()
    if one == other or (one.kind == other.kind and one.place and same_place):
        raise MigrationError(f"{target!r} is where the memories come from; name another place")


@contextmanager
def open_target(
    service: Service, target: str | None, *, writes: bool
) -> Iterator[tuple[str, Here]]:
    """Yield the name and the parts of a target; None is the service in use.

    Without `writes` a folder that is not there yet is taken for an empty one, and not made.

    A ChromaDB folder gets its record beside its database, so that a copy can be resumed, proven
    and migrated back; ChromaDB and plain mem0 open it without.

    Raises:
        MigrationError: memories cannot go there.
    """
    if target is None or target == "here":
        parts = service.parts
        yield _name(parts.backend), parts
        return
    where = parse(target)
    if where.kind != "chroma":
        raise MigrationError(
            f"{target!r} cannot be migrated to; use chroma:FOLDER or jsonl:FILE, or leave --to out "
            "for the service in use"
        )
    # It loads chromadb.
    from ..stores.chroma import open_chroma

    folder, embedder = Path(where.place).expanduser(), service.parts.embedder
    name = where.extra or _COLLECTION
    objects = LocalObjects(folder)
    chosen = replace(service.settings, backend="chroma", index=None, require_persistent=False)
    store: VectorStore
    if writes or is_chroma(folder):
        empty = next(objects.list(ROOT), None) is None
        store = open_chroma(folder, name, embedder.dimensions, create=writes or empty)
    else:
        store = InMemoryStore(embedder.dimensions)
    try:
        backend = replace(
            select_backend(chosen, embedder),
            objects=objects,
            open_store=lambda create: store,
            location={"folder": str(folder), "collection": name},
        )
        yield target, Parts(backend, embedder, Ledger(objects), store)
    finally:
        store.close()


def _name(backend: Backend) -> str:
    location = backend.location
    if backend.name == "s3_vectors":
        return f"s3vectors:{location.get('vector bucket')}/{location.get('index')}"
    return f"chroma:{location.get('folder')}#{location.get('collection')}"
