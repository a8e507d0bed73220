"""Reading an export back: checked as a whole first, then taken in, then proven."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ..activity import noted
from ..errors import InvalidMemory
from ..ledger import Ledger
from ..memories.repository import Home
from ..model.batches import batches
from ..model.progress import after
from ..model.records import Progress
from ..model.user_id import normalize_user_id
from ..storage.vectors.base import PUT_BATCH
from .export_reader import ExportReader, open_export
from .format import ImportReport, from_document
from .incoming import Carried, Existing
from .ingest import Intake

_WINDOW = 4 * PUT_BATCH
_WINDOW_BYTES = 16 * 1024**2


@noted("import", when=lambda given: not given["dry_run"])
def import_memories(
    service: Home,
    path: Path,
    *,
    existing: Existing = "skip",
    user_id: str | None = None,
    dry_run: bool = False,
    partial: bool = False,
    on_progress: Progress | None = None,
) -> ImportReport:
    """Take in what `export_memories` wrote, or lines of JSON, and read all of it back.

    `user_id` makes everything that user's. A file that was cut off or changed is not taken in
    unless `partial`; then what can be read of it is. What cannot be stored is in the report, and
    keeps nothing else out. Whoever repeats a call that was cut off writes nothing twice.
    `on_progress` counts each memory when it is taken in, and again when it is read back.

    Raises:
        InvalidMemory: no export, of another format version, cut off or changed; nothing is done.
        InvalidUserId: `user_id` is none.
        NotIndexed, BackendError: something did not answer; repeat the call to go on.
    """
    if user_id is not None:
        normalize_user_id(user_id)
    with open_export(path) as reader:
        whole = _check(reader, path, partial)
        trailer = reader.trailer() if reader.header else None
        total = trailer.memories if trailer else 0
        parts = service.parts
        with Intake(
            parts.ledger, parts.store, parts.embedder, path.name, existing=existing, dry_run=dry_run
        ) as intake:
            done = 0
            rows = _rows(reader, intake, user_id)
            for batch in batches(
                rows, _WINDOW, max_bytes=_WINDOW_BYTES, size_of=Carried.size_bytes
            ):
                intake.take(batch)
                done += len(batch)
                if on_progress:
                    on_progress(done, max(total, done) * (1 if dry_run else 2))
            # A ledger that knows nothing yet: what was written does not vouch for itself.
            report = intake.finish(Ledger(parts.backend.objects), after(on_progress, done))
    return ImportReport(path, reader.kind, reader.header, whole, report)


def _check(reader: ExportReader, path: Path, partial: bool) -> bool | None:
    """Return whether the file is whole, None where it cannot say so."""
    if reader.header is None:
        return None
    problem = reader.check_whole(_checksum(path))
    if problem and not partial:
        raise InvalidMemory(
            f"{problem}, so nothing was imported; export it again, or take in what can be read of "
            "it with --partial"
        )
    return not problem


def _checksum(path: Path) -> str | None:
    """Return what the manifest beside the file says, None where there is none."""
    manifest = path.with_name(f"{path.name}.manifest.json")
    try:
        return str(json.loads(manifest.read_bytes())["sha256"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidMemory(
            f'the manifest "{manifest.name}" cannot be read ({exc}); correct it, or move it away'
        ) from exc


def _rows(reader: ExportReader, intake: Intake, user_id: str | None) -> Iterator[Carried]:
    """Yield the memories; count what is none as refused."""
    embedder = reader.header.embedder if reader.header else None
    for row in reader.rows():
        if row.problem:
            intake.refuse(row.line, row.problem)
            continue
        try:
            yield from_document(row.document, row.line, embedder, user_id)
        except InvalidMemory as exc:
            intake.refuse(row.line, str(exc))
