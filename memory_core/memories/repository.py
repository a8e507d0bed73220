"""A place of memories: backend, embedder, ledger and vector store, opened together."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..activity import ActivityLog
from ..embedders import Embedder, open_embedder
from ..ledger import Ledger
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


# Former names, until their users are renamed.
Here = Repository
Home = Service
