"""A place of memories: backend, embedder, ledger and vector store, opened together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, NamedTuple, Protocol, cast

from ..activity import ActivityLog, RecallLog, current_author
from ..embedders import Embedder, open_embedder
from ..errors import IndexDamaged
from ..extras import missing_extras
from ..ledger import Ledger
from ..ledger.entries import match_name
from ..model.census import Census, Placement
from ..model.payload import owner
from ..model.records import Status, Step
from ..model.user_id import UserId, is_probe
from ..settings import Settings
from ..storage.backend import Backend, select_backend
from ..storage.vectors import Vector, VectorStore
from .damaged import Damage, is_entry


class Repository(NamedTuple):
    """A place of memories. Tools that use it directly, without a service, only read it."""

    backend: Backend
    """Which storage was chosen, why, and its objects."""
    embedder: Embedder
    ledger: Ledger
    """What should be stored."""
    store: VectorStore
    """What is stored."""

    def placement(self) -> Placement:
        """Compare the ids in the store with those in the ledger; a full scan of both.

        Saves and deletions in the meantime do not count: the ledger is read before and after.
        """
        ledger = self.ledger.tolerant()
        as_of, before = datetime.now(UTC), _live(ledger)
        try:
            stored = set(self.store.keys())
        except IndexDamaged:
            stored = set()
        orphans = stored.difference(*before.values())
        same = not orphans and all(map(stored.issuperset, before.values()))
        after = before if same else _live(ledger)
        orphans.difference_update(*after.values())
        real = {user_id: live for user_id, live in after.items() if not is_probe(user_id)}
        missing = {
            user_id: len({*live}.intersection(before.get(user_id, ())) - stored)
            for user_id, live in real.items()
        }
        unread = filter(is_entry, ledger.damaged or ())
        hidden = sum(int(match_name(key)["count"] or 0) for key in unread)
        return Placement(
            backend=self.backend.name,
            both=sum(map(len, real.values())) - sum(missing.values()),
            missing={user_id: count for user_id, count in missing.items() if count},
            orphans=max(0, len(orphans) - hidden),
            as_of=as_of,
        )

    def status(self, census: Census) -> Status:
        """Return the decision on the backend, and how much it holds as of the census."""
        return Status(
            backend=self.backend.name,
            persistent=self.backend.persistent,
            reason=self.backend.reason,
            steps=(*self.backend.steps, *self._damage()),
            embedder=self.embedder.name,
            dimensions=self.embedder.dimensions,
            location=self.backend.location,
            memories=census.memories,
            users=len(census.users),
            since=census.since,
            last_write=census.last_write,
            as_of=census.as_of,
            stand_in=self.backend.stand_in,
            server=self.backend.server,
            card=self.backend.card,
            left_out=census.left_out,
            damaged=census.damaged,
            missing_extras=missing_extras(),
        )

    def _damage(self) -> Iterator[Step]:
        """Yield a failed step if files of the index are damaged; S3 has no files."""
        try:
            if self.backend.name == "chroma":
                self.store.describe()
        except IndexDamaged as exc:
            yield Step("vector files", False, str(exc))


def _live(ledger: Ledger) -> dict[UserId, tuple[str, ...]]:
    # Sets of all users' few ids would take seven times as much.
    return {view.user_id: tuple(view.live) for view in ledger.users()}


class Service(Protocol):
    """A service, as far as export, import and migration use it."""

    @property
    def settings(self) -> Settings: ...

    @property
    def parts(self) -> Repository: ...

    @property
    def activity(self) -> ActivityLog: ...

    @property
    def recall_log(self) -> RecallLog: ...


class _StoreOnDemand:
    """Opens the store at its first use, so that calls answered by the ledger work without it."""

    def __init__(self, open_store: Callable[[], VectorStore]) -> None:
        self._open = cache(open_store)

    def close(self) -> None:
        if self._open.cache_info().currsize:
            self._open().close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._open(), name)


def open_repository(
    settings: Settings, *, create: bool = False, on_demand: bool = False
) -> Repository:
    """Choose the backend and open everything that belongs to it.

    A missing index is made if nothing is on record yet. With `create` it is made in any case, and
    damaged files of the index are removed. With `on_demand` the index is opened by the first call
    that needs it, which then raises what is wrong with it.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        IndexMismatch: an index of that name has another metric or dimension, or holds the memories
            of another ledger.
        BackendError: the chosen store cannot be used; there is no silent fallback.
    """
    embedder = open_embedder(settings)
    backend = select_backend(settings, embedder)
    ledger = Ledger(backend.objects, author=current_author)
    if create:
        backend.drop_damaged()

    def open_store() -> VectorStore:
        store = backend.open_store(create or ledger.is_empty())
        backend.tie(store, partial(recorded_elsewhere, ledger))
        return store

    store = cast(VectorStore, _StoreOnDemand(open_store)) if on_demand else open_store()
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
