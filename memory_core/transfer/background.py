"""Automatic migration: memories of the local disk are copied to S3 while the service is used."""

import atexit
import logging
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ..activity import Actor, acting
from ..errors import BackendUnavailable, MemoryCoreError
from ..ledger import ROOT
from ..memories.repository import Service
from ..model.counting import counted
from ..model.records import MigrationState, MigrationStatus
from ..settings import Settings
from ..storage.objects import LocalObjects
from ..storage.vectors.chroma_readonly import is_chroma
from .lease import Done, read_done, read_holder
from .migrate import copy, read_source
from .migration_source import LOCAL
from .reports import SourceSurvey

_AGAIN_S = (15.0, 60.0, 300.0)
"""The waits before further tries; the last repeats."""
_JOIN_S: Final = 60.0
_ACTOR = Actor("migration", "system", via="the background")
_logger = logging.getLogger("memory_core")


def has_local_memories(settings: Settings, backend: str) -> bool:
    """Return whether the local disk has memories while S3 is in use; no request is made."""
    if backend != "s3_vectors":
        return False
    record = settings.data_dir / ROOT
    return is_chroma(settings.chroma_path) or (record.is_dir() and any(record.iterdir()))


def local_state(settings: Settings) -> object:
    """Return a value that changes when the memories on the local disk may have changed."""
    keys = tuple(LocalObjects(settings.data_dir).list(ROOT))
    try:
        database = (settings.chroma_path / "chroma.sqlite3").stat()
    except OSError:
        return hash(keys), None
    return hash(keys), database.st_mtime_ns, database.st_size


class Stopped(Exception):
    """The thread was asked to end."""


class Observer:
    """Reports on the local disk if this process does not migrate it; reads only.

    A survey of the disk is kept while nothing on it changes.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: tuple[object, SourceSurvey] | None = None

    def look(self) -> MigrationStatus:
        """Return the status, as other processes recorded it in object storage."""
        service, objects = self._service, self._service.parts.backend.objects
        if not has_local_memories(service.settings, service.parts.backend.name):
            return MigrationStatus()
        if (holder := read_holder(objects)) and holder.holds(datetime.now(UTC)):
            return MigrationStatus(
                "elsewhere",
                source=holder.source,
                done=holder.done,
                total=holder.total,
                message=f"{holder.host} is already migrating",
                started_at=holder.started_at,
            )
        try:
            state = local_state(service.settings)
            if self._known is None or self._known[0] != state:
                with read_source(service, LOCAL, sample=False) as (_, read):
                    self._known = state, read
            survey = self._known[1]
        except MemoryCoreError as exc:
            return MigrationStatus("failed", LOCAL, message=str(exc))
        if not survey.rows:
            return MigrationStatus()
        if done := read_done(objects, survey.digest):
            return finished(done, survey)
        return MigrationStatus(
            "waiting" if service.settings.auto_migrate else "off",
            LOCAL,
            total=survey.rows,
            message="run `python -m memory_core migrate apply --from local`",
        )


def finished(done: Done, survey: SourceSurvey) -> MigrationStatus:
    """Return the status of a source that was migrated."""
    return MigrationStatus(
        "incomplete" if done.failed else "done",
        LOCAL,
        done=survey.rows,
        total=survey.rows,
        copied=done.copied,
        failed=done.failed,
        message="see `python -m memory_core migrate plan --from local`" if done.failed else "",
        finished_at=done.finished_at,
    )


class BackgroundThread(ABC):
    """A daemon thread that ends in order: when it is told to, and before the interpreter does.

    `start` runs `_run`, which has to look at `_stop` between its steps; `stop` sets it.
    """

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def _run(self) -> None: ...

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        # An interpreter that ends in order lets it finish its step. What `atexit` calls comes too
        # late: by then no pool of threads takes work any more (Python 3.11).
        register = getattr(threading, "_register_atexit", atexit.register)
        reference = weakref.WeakMethod(self.stop)
        register(lambda: (stop := reference()) and stop())

    def stop(self) -> None:
        """End the thread after its current step; called from the thread itself, do not wait."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)


class Background(BackgroundThread):
    """A daemon thread that migrates the local disk; `stop` ends it between two batches."""

    def __init__(self, service: Service, *, again_s: Sequence[float] = _AGAIN_S) -> None:
        super().__init__("migration")
        self._service = service
        self._again_s = again_s
        self.status = MigrationStatus("waiting", LOCAL)
        self._began = 0.0

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended; return whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        tries = 0
        while not self._stop.is_set():
            try:
                self._migrate()
                return
            except Stopped:
                break
            except MemoryCoreError as exc:
                taken = isinstance(exc, BackendUnavailable) and exc.code == "taken"
                self._tell("elsewhere" if taken else "failed", message=str(exc))
                if not taken:
                    _logger.warning("migration of the local disk failed: %s", exc)
                self._stop.wait(self._again_s[min(tries, len(self._again_s) - 1)])
                tries += 1
        if self.status.state not in ("done", "incomplete", "none"):
            self._tell("stopped")

    def _migrate(self) -> None:
        began = datetime.now(UTC)
        self._began = time.monotonic()
        self.status = MigrationStatus("running", LOCAL, started_at=began)
        with (
            acting(_ACTOR),
            read_source(self._service, LOCAL, on_progress=self._advance) as (staging, survey),
        ):
            if not survey.rows:
                self.status = MigrationStatus()
                return
            if before := read_done(self._service.parts.backend.objects, survey.digest):
                self.status = finished(before, survey)
                return
            rows = counted(survey.rows, "memory")
            _logger.info("migration of the local disk begins: %s", rows)
            report = copy(self._service, LOCAL, staging, survey, began, on_progress=self._advance)
        done = Done(report.finished_at, report.copied, report.failed)
        status = replace(finished(done, survey), started_at=began)
        if not (report.ok or report.failed):
            message = "not all of it was read back; run `audit --repair`"
            status = replace(status, state="failed", message=message)
        self.status = status
        _logger.info(
            "migration of the local disk: %s copied, %d there already, %d refused or in conflict",
            counted(report.copied, "memory"),
            report.skipped,
            report.failed,
        )

    def _advance(self, done: int, total: int) -> None:
        if self._stop.is_set():
            raise Stopped
        spent = time.monotonic() - self._began
        rate = done / spent if done and spent > 0 else 0.0
        left = (total - done) / rate if rate else None
        self.status = replace(
            self.status, state="running", done=done, total=total, rate=rate, remaining_s=left
        )

    def _tell(self, state: MigrationState, message: str = "") -> None:
        self.status = replace(self.status, state=state, message=message, remaining_s=None)
