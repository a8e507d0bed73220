"""A place of memories: backend, embedder, ledger and vector store, opened together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from ..activity import ActivityLog
from ..embedders import Embedder, open_embedder
from ..errors import IndexDamaged
from ..extras import missing_extras
from ..ledger import Ledger
from ..model.census import Census
from ..model.payload import owner
from ..model.records import Status, Step
from ..model.user_id import is_probe
from ..settings import Settings
from ..storage.backend import Backend, select_backend
from ..storage.vectors import Vector, VectorStore
from .damaged import Damage


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
        try:
            stored = len(live.intersection(self.store.keys()))
        except IndexDamaged:
            stored = 0
        return {self.backend.name: stored, "ledger": len(live) - stored}

    def status(self, census: Census) -> Status:
        """Return the decision on the backend, and how much it holds as of the census."""
        users = census.users
        return Status(
            backend=self.backend.name,
            persistent=self.backend.persistent,
            reason=self.backend.reason,
            steps=(*self.backend.steps, *self._damage()),
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
            missing_extras=missing_extras(),
        )

    def _damage(self) -> Iterator[Step]:
        """Yield a failed step where files of the index are damaged; S3 has no files."""
        try:
            if self.backend.name == "chroma":
                self.store.describe()
        except IndexDamaged as exc:
            yield Step("vector files", False, str(exc))


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

    A missing index is made where nothing is on record yet; with `create` in any case, and files of
    the index that are damaged are removed.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        IndexMismatch: an index of that name has another metric or dimension, or holds the memories
            of another ledger.
        BackendError: the chosen store cannot be used; there is no silent fallback.
    """
    embedder = open_embedder(settings)
    backend = select_backend(settings, embedder)
    ledger = Ledger(backend.objects)
    if create:
        backend.drop_damaged()
    store = backend.open_store(create or ledger.is_empty())
    backend.tie(store, partial(recorded_elsewhere, ledger))
    return Repository(backend, embedder, ledger, store)


def recorded_elsewhere(ledger: Ledger, vectors: Sequence[Vector]) -> bool:
    """Return whether most of the vectors that any ledger recorded are not on record in this one."""
    ledger = ledger.tolerant()
    damage = Damage(ledger)
    known = [
        vector.key in view.all_ids or str(vector.payload["revision"]) < view.forgotten
        for vector in vectors
        if "revision" in vector.payload and (user_id := owner(vector.payload))
        for view in (ledger.view(user_id),)
        if not damage.hides(user_id)
    ]
    return sum(known) * 2 < len(known)
