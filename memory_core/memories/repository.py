"""A place of memories: backend, embedder, ledger and vector store, opened together."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..activity import ActivityLog
from ..embedders import Embedder, open_embedder
from ..ledger import Ledger
from ..model.census import Census
from ..model.records import Status
from ..model.user_id import is_probe
from ..settings import Settings
from ..storage.backend import Backend, select_backend
from ..storage.vectors import VectorStore


class Repository(NamedTuple):
    """Where memories are kept. Tools that look beneath the calls of a service only read it."""

    backend: Backend
    """Which storage was chosen, why, and its objects."""
    embedder: Embedder
    ledger: Ledger
    """What should be stored."""
    store: VectorStore
    """What is stored."""

    def count_stored(self) -> dict[str, int]:
        """Count the memories in the store and those in the ledger alone; a full scan."""
        real = (view for view in self.ledger.users() if not is_probe(view.user_id))
        live = {memory_id for view in real for memory_id in view.live}
        stored = len(live.intersection(self.store.keys()))
        return {self.backend.name: stored, "ledger": len(live) - stored}

    def status(self, census: Census) -> Status:
        """Return the decision on the backend, and how much it holds as of the census."""
        users = census.users
        return Status(
            backend=self.backend.name,
            persistent=self.backend.persistent,
            reason=self.backend.reason,
            steps=self.backend.steps,
            embedder=self.embedder.name,
            dimensions=self.embedder.dimensions,
            location=self.backend.location,
            memories=census.memories,
            users=len(users),
            since=min((user.first_write for user in users), default=None),
            last_write=max((user.last_write for user in users), default=None),
            as_of=census.as_of,
            stand_in=self.backend.stand_in,
            server=self.backend.server,
            card=self.backend.card,
            left_out=census.left_out,
        )


class Service(Protocol):
    """A service as the modules that export, import and migrate see it."""

    @property
    def settings(self) -> Settings: ...

    @property
    def parts(self) -> Repository: ...

    @property
    def activity(self) -> ActivityLog: ...


def open_repository(settings: Settings, *, create: bool = False) -> Repository:
    """Choose the backend and open everything that belongs to it.

    A missing index is made where nothing is on record yet; with `create` in any case.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        IndexMismatch: an index of that name has another metric or dimension.
        BackendError: the chosen store cannot be used; there is no silent fallback.
    """
    embedder = open_embedder(settings)
    backend = select_backend(settings, embedder)
    ledger = Ledger(backend.objects)
    store = backend.open_store(create or ledger.is_empty())
    return Repository(backend, embedder, ledger, store)
