"""A place of memories: its backend, ledger, vectors and embedder."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..activity import ActivityLog
from ..embedders import Embedder
from ..ledger import Ledger
from ..settings import Settings
from ..storage.backend import Backend
from ..storage.vectors import VectorStore


class Repository(NamedTuple):
    """What a service is made of, for tools that look beneath its calls. They only read."""

    backend: Backend
    embedder: Embedder
    ledger: Ledger
    store: VectorStore


class Here(Protocol):
    """The parts of the service in use."""

    @property
    def backend(self) -> Backend: ...

    @property
    def embedder(self) -> Embedder: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def store(self) -> VectorStore: ...


class Home(Protocol):
    """A service, seen from modules that it is made of."""

    @property
    def parts(self) -> Here: ...

    @property
    def activity(self) -> ActivityLog: ...


class Service(Protocol):
    """A service, seen from here."""

    @property
    def settings(self) -> Settings: ...

    @property
    def parts(self) -> Here: ...

    @property
    def activity(self) -> ActivityLog: ...
