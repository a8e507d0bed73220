"""Writing an export: streamed user by user, and unmistakably incomplete until it is done."""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any, BinaryIO

from ..activity import noted
from ..errors import BackendError, BackendUnavailable, InvalidMemory, MemoryNotFound
from ..ledger import Ledger, UserView
from ..memories.reader import MemoryReader, to_record
from ..memories.repository import Service
from ..model.counting import Progress, batches, counted
from ..model.encoder import encode, pick
from ..model.past import MemoryFilter
from ..model.user_id import is_probe, normalize_user_id
from ..storage.vectors.base import PUT_BATCH
from ..version import __version__
from .export_reader import open_export
from .format import (
    BOM,
    COLUMNS,
    HEAD_CELL,
    TAIL_CELL,
    Header,
    Kind,
    Trailer,
    cells_line,
    csv_line,
    json_line,
    mark_line,
    to_document,
)
from .incoming_memory import Digest, Events, newest
from .reports import ExportReport, UserPart
from .staging import recorded


class ExportWriter:
    """Writes lines and counts them."""

    def __init__(self, file: BinaryIO, kind: Kind, header: Header) -> None:
        self.users: dict[str, Digest] = {}
        self.memories = 0
        self.left_out: tuple[str, ...] = ()
        self._file = file
        self._kind = kind
        self.header = header
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    def resume(self, part: Path) -> None:
        """Keep what an earlier call wrote, except for the last user, who may be incomplete."""
        last, begins = "", 0
        # A file that was cut off within its first line is begun again.
        if b"\n" in self._file.read(4096):
            with open_export(part) as reader:
                begun, asked = reader.header, self.header
                same = begun and replace(begun, version=asked.version, as_of=asked.as_of) == asked
                if begun is None or not same or reader.kind != self._kind:
                    raise InvalidMemory(
                        f'"{part.name}" was begun with other options; use the same ones, or '
                        "export without --resume to begin again"
                    )
                self.header = begun
                for row in reader.rows():
                    if row.problem:
                        break
                    if row.document["user_id"] != last:
                        last, begins = row.document["user_id"], row.start
                    digest = self.users.setdefault(last, Digest())
                    digest.add(row.document["id"], row.document["memory"])
        self.users.pop(last, None)
        self._file.truncate(begins)
        self._file.seek(0)
        while chunk := self._file.read(1024**2):
            self._count(chunk)
        self.memories = sum(digest.count for digest in self.users.values())

    def begin(self) -> None:
        """Write the lines before the memories."""
        if not self._bytes:
            head = mark_line(self._kind, HEAD_CELL, self.header.document())
            self._write(head if self._kind == "jsonl" else BOM + head + cells_line(COLUMNS))

    def add(self, document: dict[str, Any], values: Any) -> None:
        """Write one memory."""
        line = csv_line(document) if self._kind == "csv" else json_line(document, values)
        self._write(line)
        self.users.setdefault(document["user_id"], Digest()).add(document["id"], document["memory"])
        self.memories += 1

    def end(self) -> None:
        """Write the line that makes the file complete."""
        trailer = Trailer(self.memories, len(self.users), self._sha256.hexdigest())
        self._write(mark_line(self._kind, TAIL_CELL, trailer.document()))
        self._file.flush()

    def report(self, path: Path | None, manifest: Path | None, resumed: int) -> ExportReport:
        users = {user: UserPart(digest.count, str(digest)) for user, digest in self.users.items()}
        return ExportReport(
            path=path,
            manifest=manifest,
            kind=self._kind,
            header=self.header,
            memories=self.memories,
            bytes=self._bytes,
            sha256=self._sha256.hexdigest(),
            resumed=resumed,
            users=users,
            left_out=self.left_out,
        )

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._count(data)

    def _count(self, data: bytes) -> None:
        self._sha256.update(data)
        self._bytes += len(data)


def _action(given: Mapping[str, Any]) -> str:
    return "export-all" if given["user_id"] is None else "export"


@noted(_action, lambda report: counted(report.memories, "memory"))
def export_memories(
    service: Service,
    path: Path,
    *,
    user_id: str | None = None,
    kind: Kind = "jsonl",
    vectors: bool = False,
    history: bool = False,
    where: MemoryFilter | None = None,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write one user's memories, or everybody's, into a file, with a manifest beside it.

    With `history` each memory has its earlier texts, with `where` only those that fit are written.
    Until the file is complete it is called `<path>.part`; an earlier file stays until then. With
    `resume` an export that was cut off continues after its last complete user, unless it had a
    filter; it begins again if one of its users was deleted in between.

    Raises:
        MemoryNotFound: the user has no memories.
        InvalidMemory: no such folder, CSV with vectors or history, or what is to be resumed was
            begun with other options.
        BackendError: the store did not answer, or the file cannot be written.
    """
    if not path.parent.is_dir():
        raise InvalidMemory(f"there is no folder {str(path.parent)!r}; make it, and export again")
    part = path.with_name(f"{path.name}.part")
    header = _header(service, user_id, kind, vectors, history, where)
    ledger = service.parts.ledger
    try:
        with _alone(part):
            with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                writer = ExportWriter(file, kind, header)
                if resume:
                    writer.resume(part)
                if not resume or not writer.users.keys() <= {
                    view.user_id for view in _views(ledger, header)
                }:
                    # Users that were deleted or forgotten in between must not be in it.
                    file.seek(0)
                    file.truncate()
                    writer = ExportWriter(file, kind, header)
                resumed = writer.memories
                _write(service, writer, on_progress)
                os.fsync(file.fileno())
            manifest = path.with_name(f"{path.name}.manifest.json")
            # A manifest of an earlier file must not remain beside it.
            manifest.unlink(missing_ok=True)
            part.replace(path)
            report = writer.report(path, manifest, resumed)
            _write_manifest(report, path, manifest)
    except OSError as exc:
        raise BackendError(
            f"could not write {str(path)!r}: {exc.strerror or exc}; check the folder and the free "
            "space, then repeat the command with --resume",
            backend="files",
            operation="export",
        ) from exc
    return report


@noted(_action)
def export_stream(
    service: Service,
    file: BinaryIO,
    *,
    user_id: str | None = None,
    kind: Kind = "jsonl",
    vectors: bool = False,
    history: bool = False,
    where: MemoryFilter | None = None,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write an export as `export_memories` does, into an open file; it ends with a trailer."""
    header = _header(service, user_id, kind, vectors, history, where)
    writer = ExportWriter(file, kind, header)
    _write(service, writer, on_progress)
    return writer.report(None, None, 0)


@noted("export", lambda content: counted(len(content), "byte"))
def export_bytes(service: Service, user_id: str, *, kind: Kind = "jsonl", **options: Any) -> bytes:
    """Return one user's export; options and errors are those of `export_stream`."""
    file = io.BytesIO()
    export_stream(service, file, user_id=user_id, kind=kind, **options)
    return file.getvalue()


def _views(ledger: Ledger, header: Header) -> Iterator[UserView]:
    """Yield the users whose memories are exported, as the ledger has them now."""
    if header.user_id is not None:
        yield ledger.view(normalize_user_id(header.user_id))
        return
    for view in ledger.users():
        if view.live and not is_probe(view.user_id):
            yield view


def _write_manifest(report: ExportReport, path: Path, manifest: Path) -> None:
    document = {
        **report.header.document(),
        "file": path.name,
        "kind": report.kind,
        "finished_at": datetime.now(UTC).isoformat(),
        **pick(report, "bytes", "sha256", "memories"),
        "users": len(report.users),
        "per_user": encode(report.users),
    }
    part = manifest.with_name(f"{manifest.name}.part")
    part.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    part.chmod(0o600)
    part.replace(manifest)


def _header(
    service: Service,
    user_id: str | None,
    kind: Kind,
    vectors: bool,
    history: bool,
    where: MemoryFilter | None,
) -> Header:
    for name in [name for name, asked in (("vectors", vectors), ("history", history)) if asked]:
        if kind == "csv":
            raise InvalidMemory(f"CSV has no room for {name}; export as jsonl, or without")
    embedder = service.parts.embedder
    user = None if user_id is None else normalize_user_id(user_id)
    if user is not None and not service.parts.ledger.view(user).live:
        raise MemoryNotFound(
            f"user {user!r} has no memories to export; look for the id with "
            "`python -m memory_core users find`"
        )
    return Header(
        version=__version__,
        as_of=datetime.now(UTC),
        user_id=user,
        vectors=vectors,
        embedder=embedder.name,
        dimensions=embedder.dimensions,
        history=history,
        where=service.recall_log.resolve(user, where),
    )


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Keep others from writing the same file; the lock ends with the process."""
    from filelock import FileLock, Timeout

    lock = part.with_name(f"{part.name}.lock")
    try:
        with FileLock(lock, timeout=0):
            yield
            lock.unlink(missing_ok=True)
    except Timeout as exc:
        raise BackendUnavailable(
            f"another export is writing {part.name!r}; wait for it, or write another file",
            backend="files",
            operation="export",
        ) from exc


def _write(service: Service, writer: ExportWriter, on_progress: Progress | None) -> None:
    header, parts = writer.header, service.parts
    memories = MemoryReader(parts.ledger, parts.store, parts.embedder)
    total = sum(len(view.live) for view in _views(parts.ledger, header)) if on_progress else 0
    written = set(writer.users)
    writer.begin()
    for view in _views(parts.ledger, header):
        if view.user_id in written:
            continue
        for earlier in _earlier(parts.ledger, view, header):
            values: Iterable[Any] = repeat(None)
            if header.vectors:
                vectors, values = memories.with_values(view, list(earlier))
            else:
                read, _ = memories.read(view, list(earlier))
                vectors = [read[memory_id] for memory_id in earlier if memory_id in read]
            for vector, row in zip(vectors, values, strict=False):
                if header.where and not header.where.matches(to_record(vector)):
                    continue
                events = earlier.get(vector.key)
                writer.add(to_document(vector) | ({"history": events} if events else {}), row)
            if on_progress:
                on_progress(writer.memories, max(total, writer.memories))
    if header.user_id is None:
        writer.left_out = parts.ledger.left_out()
    writer.end()


def _earlier(ledger: Ledger, view: UserView, header: Header) -> Iterator[dict[str, Events]]:
    """Yield the ids of a user's memories in parts, with their earlier events if wanted."""
    if header.history:
        for part in batches(recorded(ledger, view), PUT_BATCH):
            yield {memory.id: newest(memory.earlier) for memory in part if memory.id}
        return
    for ids in batches(view.live, PUT_BATCH):
        yield dict.fromkeys(ids, ())
