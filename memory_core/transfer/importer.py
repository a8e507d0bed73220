"""Importing an export: checked as a whole first, then taken in, then read back."""

import json
from itertools import chain
from pathlib import Path

from ..activity import noted
from ..errors import InvalidMemory
from ..memories.repository import Service
from ..model.counting import Progress, after
from ..model.user_id import normalize_user_id
from .export_reader import open_export
from .incoming_memory import split
from .incoming_writer import Intake
from .reports import Existing, ImportReport


@noted("import", when=lambda given: not given["dry_run"])
def import_memories(
    service: Service,
    path: Path,
    *,
    existing: Existing = "skip",
    user_id: str | None = None,
    dry_run: bool = False,
    partial: bool = False,
    inactive: bool = False,
    on_progress: Progress | None = None,
) -> ImportReport:
    """Take in what `export_memories` or another system wrote, and read all of it back.

    `user_id` makes everything that user's. A file that was cut off or changed is not taken in
    unless `partial`; then its readable part is. Memories that its system has deleted, archived or
    paused are left out and counted, unless `inactive`. A text that is too long is cut into linked
    parts, as in a migration. A memory that cannot be stored is in the report, and keeps no other
    out. Repeating a call that was cut off writes nothing twice. `on_progress` counts each memory
    when it is taken in, and again when it is read back.

    Raises:
        InvalidMemory: no export, or of another format version, cut off or changed; does nothing.
        InvalidUserId: `user_id` is not valid.
        NotIndexed, BackendError: something did not answer; repeat the call to go on.
    """
    if user_id is not None:
        normalize_user_id(user_id)
    with open_export(path) as reader:
        # A file of another system has no checksum.
        problem = reader.check_whole(_checksum(path)) if reader.header else ""
        if problem and not partial:
            raise InvalidMemory(
                f"{problem}, so nothing was imported; export it again, or import its readable part "
                "with --partial"
            )
        whole = not problem if reader.header else None
        trailer = reader.trailer() if reader.header else None
        total = trailer.memories if trailer else 0
        parts = service.parts
        with Intake(
            parts.ledger, parts.store, parts.embedder, path.name, existing=existing, dry_run=dry_run
        ) as intake:
            memories = reader.memories(user_id, inactive=inactive)
            split_up = chain.from_iterable(map(split, memories))
            done = intake.take_all(split_up, on_progress, total, rounds=1 if dry_run else 2)
            report = intake.finish(after(on_progress, done))
    left_out, lost = dict(reader.inactive), dict(reader.lost)
    return ImportReport(
        path, reader.kind, reader.header, whole, report, reader.unit, left_out, lost
    )


def _checksum(path: Path) -> str | None:
    """Return the checksum in the manifest beside the file, None if there is none."""
    manifest = path.with_name(f"{path.name}.manifest.json")
    try:
        return str(json.loads(manifest.read_bytes())["sha256"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidMemory(
            f'the manifest "{manifest.name}" cannot be read ({exc}); correct it, or move it away'
        ) from exc
