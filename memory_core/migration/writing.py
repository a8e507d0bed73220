"""Memories of any source written into an export, and the file read back."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid5

from ..embedders import Embedder
from ..errors import BackendError, InvalidMemory, InvalidUserId
from ..identity import UserId
from ..intake import Checked, Digest, IntakeReport, Outcome, Problem, UserResult, check, mark_of
from ..saving import NAMESPACE
from ..stores import Vector
from ..transfer.lines import to_document
from ..transfer.reading import open_export
from ..transfer.values import Header
from ..transfer.writing import Writer, write_manifest
from .spool import Spool

_LISTED = 1_000
_TOLD_EVERY = 1_000


def write_file(
    embedder: Embedder, spool: Spool, source: str, path: Path, told: Callable[[int, int], None]
) -> IntakeReport:
    """Write everything that can be a memory; what `path` held stays until the file is whole.

    Raises:
        BackendError: the file cannot be written.
    """
    from .. import __version__

    header = Header(__version__, datetime.now(UTC), None, False, embedder.name, embedder.dimensions)
    part = path.with_name(f"{path.name}.part")
    counts: Counter[Outcome] = Counter()
    refused = [Problem(*problem) for problem in spool.problems()]
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "r+b") as file:
            writer = Writer(file, "jsonl", header)
            writer.begin()
            for at, one in enumerate(spool.rows(), 1):
                try:
                    checked = check(one)
                except (InvalidMemory, InvalidUserId) as exc:
                    refused.append(Problem(one.line, one.id, one.user_id, str(exc)))
                    continue
                key = key_of(checked)
                # A memory stands once in a file, however many collections have it.
                if not spool.is_new(mark_of(key, f"{checked.user_id} {checked.text}")):
                    counts[Outcome.DUPLICATE] += 1
                    continue
                document = to_document(Vector(key, checked.payload))
                if one.earlier:
                    document["history"] = [dict(event) for event in one.earlier]
                writer.add(document, None)
                if at % _TOLD_EVERY == 0:
                    told(at, 2 * at)
            writer.end()
            os.fsync(file.fileno())
        manifest = path.with_name(f"{path.name}.manifest.json")
        manifest.unlink(missing_ok=True)
        part.replace(path)
        report = writer.report(path, manifest, 0)
        write_manifest(report)
    except OSError as exc:
        raise BackendError(
            f"could not write {str(path)!r}: {exc.strerror or exc}; check the folder and the free "
            "space",
            backend="files",
            operation="migrate",
        ) from exc
    counts[Outcome.ADDED] = report.memories
    counts[Outcome.REFUSED] = len(refused)
    found = read_digests(path)
    return IntakeReport(
        source=source,
        existing="skip",
        dry_run=False,
        counts={outcome: counts[outcome] for outcome in Outcome},
        renamed=0,
        brought_back=0,
        healed=0,
        embedded=0,
        refused=tuple(refused[:_LISTED]),
        conflicts=(),
        users=tuple(
            _result(UserId(user), one.memories, one.digest, found.get(user, Digest()))
            for user, one in sorted(report.users.items())
        ),
    )


def key_of(checked: Checked) -> str:
    """Return the id of a memory; one that has none gets one that follows from its text."""
    return checked.carried.id or str(uuid5(NAMESPACE, json.dumps([checked.user_id, checked.text])))


def read_digests(path: Path) -> dict[str, Digest]:
    """Return what a file has of every user."""
    found: dict[str, Digest] = {}
    with open_export(path) as reader:
        for row in reader.rows():
            with suppress(KeyError, TypeError):
                document = row.document
                found.setdefault(document["user_id"], Digest()).add(
                    document["id"], document["memory"]
                )
    return found


def _result(user: UserId, expected: int, digest: str, found: Digest) -> UserResult:
    counts = {Outcome.ADDED: expected}
    return UserResult(user, counts, expected, digest, found.count, str(found))
