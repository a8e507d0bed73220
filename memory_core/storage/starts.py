"""Starts of the service: a small object for each, beside the ledger, says where it ran.

    starts/v1/<ULID of the start>.json

A process writes one for each store that an application opens. Commands and the workers of redeploy
tests, which only look into a store, write none.
"""

import json
import logging
import os
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ..errors import BackendError, EntryExists
from ..model.encoder import decode, encode
from ..settings import Settings
from .backend import Backend
from .objects import ObjectStore
from .objects.local import make_private_folder

_ROOT: Final = "starts/v1/"
_KEPT: Final = 500
"""Starts that are kept; older ones are deleted."""

_noted: set[tuple[int, str]] = set()
_logger = logging.getLogger("memory_core")


@dataclass(frozen=True, slots=True)
class ServiceStart:
    """One start of the service.

    `reason` says why the backend was chosen. `commit` and `instance` are the host's
    names for the deployment, or the name of the machine for an instance without one. `disk`
    identifies the folder of the local data, and changes with the disk; it is empty without one.
    """

    at: datetime
    backend: str
    reason: str
    commit: str
    instance: str
    disk: str


def note_start(backend: Backend, settings: Settings) -> None:
    """Record once that this process started to use the backend.

    A start never fails because of that: if the storage refuses writes, the record has a gap.
    """
    mark = os.getpid(), json.dumps(dict(backend.location), sort_keys=True)
    if mark in _noted:
        return
    _noted.add(mark)
    deployment = settings.deployment
    if backend.name == "chroma":
        with suppress(OSError):
            make_private_folder(settings.data_dir)
    start = ServiceStart(
        at=datetime.now(UTC),
        backend=backend.name,
        reason=backend.reason,
        commit=deployment.commit or "",
        instance=deployment.instance or deployment.host or socket.gethostname(),
        disk=_disk(settings.data_dir),
    )
    try:
        keep_start(backend.objects, start)
    except (BackendError, EntryExists) as exc:
        _logger.info("this start of the service is not recorded: %s", exc)


def keep_start(objects: ObjectStore, start: ServiceStart) -> None:
    """Write a start, and delete the oldest beyond 500.

    Raises:
        BackendError: the storage cannot be written.
    """
    from ulid import ULID

    key = f"{_ROOT}{ULID.from_datetime(start.at)}.json"
    objects.put_if_absent(key, json.dumps(encode(start), ensure_ascii=False).encode())
    objects.delete(sorted(objects.list(_ROOT))[:-_KEPT])


def read_starts(objects: ObjectStore) -> list[ServiceStart]:
    """Return the readable starts, oldest first."""
    stored = objects.get_many(objects.list(_ROOT))
    starts = []
    for key in sorted(stored):
        with suppress(ValueError):
            start = decode(ServiceStart, json.loads(stored[key]))
            starts.append(replace(start, at=start.at.astimezone(UTC)))
    return starts


def _disk(folder: Path) -> str:
    try:
        data = folder.stat()
    except OSError:
        return ""
    return f"{data.st_dev:x}-{data.st_ino:x}"
