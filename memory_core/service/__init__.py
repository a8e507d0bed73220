"""MemoryService: every public call. Each normalizes its user id and calls a package below."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..memories.repository import open_repository
from ..memories.statistics import read_figures
from ..model.census import Census
from ..model.records import MigrationStatus, Status
from ..settings import Settings
from ..storage.starts import note_start
from ..transfer.background import has_local_memories
from .memory_calls import MemoryCalls

if TYPE_CHECKING:
    from ..watch import Proof, Watcher


def open_service(
    settings: Settings | None = None, *, migrate: bool = True, index: bool = True
) -> MemoryService:
    """Choose the backend, open it and return the service, a context manager.

    On S3 it begins to migrate memories from the local disk, in the background, unless
    `MEMORY_AUTO_MIGRATE` is 0. With `migrate` False it only opens the store: nothing is
    migrated, and the start is not recorded (see `MemoryService.starts`). With `MEMORY_WATCH` the
    standing proof is checked now and in every interval, unless `migrate` is False. With `index`
    False the vector store is opened by the first call that needs it, so that the past of a user
    can be read, from the ledger alone, while the index is missing or broken.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        BackendError: the chosen store cannot be used; there is no silent fallback.
    """
    settings = settings or Settings.from_env()
    parts = open_repository(settings, on_demand=not index)
    parts.backend.objects.sweep()
    parts.backend.announce()
    service = MemoryService(settings, *parts)
    if migrate:
        note_start(parts.backend, settings)
        if settings.auto_migrate:
            service.migrate_in_background()
        if settings.watch_s:
            service.watch_in_background()
    return service


class MemoryService(MemoryCalls):
    """Get it from `open_service`. Safe to share between threads; other processes may write too.

    Every call normalizes its `user_id` first. Errors of every call: `InvalidUserId`, and
    `BackendError` when the store or the ledger cannot be reached.
    """

    def status(self, counted: Census | None = None) -> Status:
        """Return the backend in use, why it was chosen, and how much it holds."""
        status = self.parts.status(counted or self.count_users())
        return replace(status, migration=self.migration_status())

    def last_status(self) -> Status | None:
        """Return the status with the figures of the last count that a process kept, if one did.

        It has no users, and takes one request however many there are.
        """
        figures = read_figures(self.parts.backend.objects)
        nobody = Census((), (), 0, {}, {}, datetime.now(UTC))
        return replace(self.status(nobody), **figures) if figures else None

    def migrate_in_background(self) -> None:
        """On S3, begin to migrate memories from the local disk, if it has any."""
        if self._background is not None or not has_local_memories(self.settings, self.backend):
            return
        from ..transfer.background import Background

        self._background = Background(self)
        self._background.start()

    def migration_status(self) -> MigrationStatus:
        """Return the state of the migration from the local disk, whoever migrates."""
        if self._background is not None:
            return self._background.status
        if not has_local_memories(self.settings, self.backend):
            return MigrationStatus()
        if self._observer is None:
            from ..transfer.background import Observer

            self._observer = Observer(self)
        return self._observer.look()

    def watch_in_background(self) -> None:
        """Begin to check the standing proof now and at every interval of `MEMORY_WATCH`."""
        if self._watcher is None and self.settings.watch_s:
            self._proof_watcher().start()

    def check_proof(self) -> Proof:
        """Read the standing probes back now, and record it; the first call stores them.

        Raises:
            BackendError, LedgerError, NotIndexed: the state of the probes is then unknown.
        """
        return self._proof_watcher().check()

    def proof(self) -> Proof | None:
        """Return the standing proof as on record, None before the first check; two requests."""
        from ..watch import read_proof

        return read_proof(self.parts.backend.objects)[1]

    @property
    def last_proof(self) -> tuple[Proof | None, str]:
        """The standing proof as this process knows it, and why it could not be read, if so."""
        return (self._watcher.proof, self._watcher.trouble) if self._watcher else (None, "")

    def _proof_watcher(self) -> Watcher:
        from ..watch import Watcher

        self._watcher = self._watcher or Watcher(self)
        return self._watcher
