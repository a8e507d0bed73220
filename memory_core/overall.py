"""What a service does over all users: counting, auditing, saying how it stands."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple, Self

from . import census
from .backend import Backend
from .embedders import Embedder
from .identity import normalize_user_id
from .ledger import Ledger
from .memories import Memories
from .records import AuditReport, Found, Progress, Status, Unexpected, UserSummary
from .repair import Repairer
from .reuniting import Reunion, ReunionPlan, Reuniter
from .settings import Settings
from .stores import VectorStore


class Parts(NamedTuple):
    """What a service is made of, for tools that look beneath its calls. They only read."""

    backend: Backend
    embedder: Embedder
    ledger: Ledger
    store: VectorStore


class Overall:
    """The half of `MemoryService` that is not about one user."""

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        embedder: Embedder,
        ledger: Ledger,
        store: VectorStore,
    ) -> None:
        self.settings = settings
        self._backend = backend
        self._embedder = embedder
        self._ledger = ledger
        self._store = store
        self._memories = Memories(ledger, store, embedder)
        self._repairer = Repairer(ledger, store, embedder, self._memories)
        self._reuniter = Reuniter(ledger, store, embedder, self._memories)

    @property
    def parts(self) -> Parts:
        """What the service is made of."""
        return Parts(self._backend, self._embedder, self._ledger, self._store)

    def users(self) -> list[UserSummary]:
        """Return every user that has memories, most memories first; exact, from the ledger."""
        return census.count_users(self._ledger)

    def find(self, text: str) -> Found:
        """Return whose memories may be meant: an id in any form, a name, or a memory's id."""
        from .finding import find

        return find(self._ledger, text)

    def memories_per_day(self) -> dict[date, int]:
        """Return how many of today's memories were saved on which day (UTC), in order."""
        return census.count_days(self._ledger)

    def storage(self) -> dict[str, int]:
        """Return how many memories the store holds, and how many only the ledger; a full scan."""
        return census.count_stored(self._ledger, self._store, self._backend)

    def audit(
        self,
        *,
        repair: bool = False,
        unexpected: Unexpected = "keep",
        on_progress: Progress | None = None,
    ) -> AuditReport:
        """Compare the store with the ledger over all users; with `repair` make it as recorded.

        What was never recorded is only reported unless a repair is told to "adopt" it for the
        user it names, or to "remove" it. A repair that was cut off can be repeated.
        """
        return self._repairer.audit(repair=repair, unexpected=unexpected, on_progress=on_progress)

    def plan_reunion(self, former: str, user_id: str) -> ReunionPlan:
        """Say what `reunite` would move, and what it could not; changes nothing.

        Raises:
            InvalidMove: the two are one user, one is of a redeploy test, or has nothing to move.
        """
        return self._reuniter.plan(normalize_user_id(former), normalize_user_id(user_id))

    def reunite(self, former: str, user_id: str, *, on_progress: Progress | None = None) -> Reunion:
        """Move all memories of the user `former` to `user_id`: ids, texts and times stay.

        One that was cut off can be repeated. Keep what is returned: `undo_reunion` takes it.

        Raises:
            InvalidMove: as `plan_reunion`.
            NotIndexed: recorded, and nothing is lost, but the vector store could not be written.
        """
        return self._reuniter.reunite(
            normalize_user_id(former), normalize_user_id(user_id), on_progress=on_progress
        )

    def reunions(self, user_id: str) -> list[Reunion]:
        """Return what moved to the user from others and is still there, oldest first."""
        return self._reuniter.reunions(normalize_user_id(user_id))

    def undo_reunion(self, reunion: Reunion, *, on_progress: Progress | None = None) -> Reunion:
        """Give the memories of a reunion back, as they are now; those deleted since stay deleted.

        Raises:
            InvalidMove: none of them is with the new owner any more.
            NotIndexed: as `reunite`.
        """
        return self._reuniter.undo(reunion, on_progress)

    @property
    def backend(self) -> str:
        """The name of the backend in use."""
        return self._backend.name

    def status(self) -> Status:
        """Return which backend is used, why, and how much is in it."""
        return census.make_status(self._ledger, self._backend, self._embedder)

    def close(self) -> None:
        """Let go of files and connections."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
