"""Which sources have come along already: a mark in object storage for each, by their digest."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from ..errors import EntryExists
from ..objects import ObjectStore
from .lease import ROOT
from .values import MigrationReport

_DONE = ROOT + "done/"


@dataclass(frozen=True, slots=True)
class Done:
    """A source that was migrated whole: what could be copied is there."""

    finished_at: datetime
    copied: int
    failed: int


def note_done(objects: ObjectStore, report: MigrationReport) -> None:
    """Leave the mark of a source; it has counts and no names."""
    document = {
        "finished_at": report.finished_at.isoformat(),
        "copied": report.copied,
        "failed": report.failed,
    }
    folder = f"{_DONE}{report.survey.digest}/"
    number = sum(1 for _ in objects.list(folder))
    # Another process that did the same just now has left it already.
    with suppress(EntryExists):
        objects.put_if_absent(f"{folder}{number:04d}.json", json.dumps(document).encode())


def read_done(objects: ObjectStore, digest: str) -> Done | None:
    """Return what is known of a source, None where it was not migrated."""
    key = max(objects.list(f"{_DONE}{digest}/"), default=None)
    data = objects.get(key) if key else None
    try:
        found = json.loads(data or b"")
        finished = datetime.fromisoformat(found["finished_at"])
        return Done(finished, int(found["copied"]), int(found["failed"]))
    except (ValueError, KeyError, TypeError):
        return None
