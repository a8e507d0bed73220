"""The calls of MemoryService about the whole store."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ..activity import noted
from ..memories.statistics import keep_figures
from ..model.census import Adoption, Census, OtherPlaces, Placement, StoreScan
from ..model.counting import Progress, counted
from ..model.records import AuditReport, Unexpected
from ..model.user_id import normalize_user_id
from ..storage.starts import ServiceStart, read_starts
from .parts import ServiceParts

_KEPT_FOR: Final = timedelta(minutes=1)
"""The least time between two writes of the figures of a count."""


class StoreCalls(ServiceParts):
    """Counts, comparisons and repairs over all users."""

    def count_users(self, on_progress: Progress | None = None, *, keep: bool = False) -> Census:
        """Count every user's memories, exactly, from the ledger.

        After the first time only users whose entries changed are read again. `on_progress` counts
        users; if it raises, the call ends, and the next one goes on from there. With `keep` the
        figures of a complete count are written for `last_status`, once a minute at most.
        """
        census = self._counter.count(on_progress)
        if keep and census.complete and census.as_of >= self._keep_after:
            keep_figures(self.parts.backend.objects, census)
            self._keep_after = census.as_of + _KEPT_FOR
        return census

    def storage(self) -> dict[str, int]:
        """Count the memories in the store and those in the ledger alone; a full scan."""
        placement = self.placement()
        return {self.backend: placement.both, "ledger": sum(placement.missing.values())}

    def placement(self) -> Placement:
        """Compare the ids in the store with those in the ledger: a full scan of both, of ids only.

        `scan_store` also compares under which users the memories are stored.
        """
        return self.parts.placement()

    def starts(self) -> list[ServiceStart]:
        """Return the newest starts of applications on this storage, at most 500, oldest first.

        Those on a storage that takes no writes are missing.
        """
        return read_starts(self.parts.backend.objects)

    def scan_store(self, on_progress: Progress | None = None) -> StoreScan:
        """Count the whole store user by user, beside the ledger: a second opinion, read only.

        Every vector counts under the id that it names. `on_progress` counts vectors.
        """
        return self._auditor.scan(self.backend, on_progress)

    @noted("repair", lambda report: f"{report.repaired:,} put right",
           of=None, when=lambda given: given["repair"])  # fmt: skip
    def audit(
        self,
        *,
        repair: bool = False,
        unexpected: Unexpected = "keep",
        on_progress: Progress | None = None,
    ) -> AuditReport:
        """Compare the store with the ledger over all users; with `repair` correct it.

        Orphans, which were never recorded, are only reported unless a repair is to "adopt" them
        for the user they name, or to "remove" them. A repair that was cut off can be repeated.
        """
        return self._repairer.audit(repair=repair, unexpected=unexpected, on_progress=on_progress)

    @noted("take-up", lambda taken: counted(taken.taken, "memory"),
           when=lambda given: not given["preview"])  # fmt: skip
    def take_up(
        self, user_id: str, *, preview: bool = False, on_progress: Progress | None = None
    ) -> Adoption:
        """Adopt the user's orphans: vectors in the store that were never recorded.

        Only vectors that name the user in a form that differs in case, whitespace or invisible
        characters are adopted. Safe to repeat. With `preview` nothing is changed.
        """
        user = normalize_user_id(user_id)
        return self._repairer.adopt_orphans(user, preview=preview, on_progress=on_progress)

    def elsewhere(self, on_progress: Progress | None = None) -> OtherPlaces:
        """Compare other places with the one in use: which memories are only there.

        With S3 Vectors that is the local data folder, which is not changed; with ChromaDB, other
        collections of the folder, and S3 if the settings suffice. `on_progress` counts memories.
        """
        from ..memories.other_places import compare_places

        return compare_places(self.settings, self.parts, on_progress)

    @property
    def more_to_come(self) -> bool:
        """True while a migration still copies memories that no call finds; makes no request."""
        return self._background is not None and self._background.status.more_to_come
