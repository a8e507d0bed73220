"""What a service does over all users: counting, auditing, saying how it stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, NamedTuple, Self

from . import census
from .activity import memories, noted, open_log, recording
from .backend import Backend
from .disks import has_local_memories
from .embedders import Embedder
from .finding import Finder
from .identity import normalize_user_id
from .ledger import Ledger
from .memories import Memories
from .people import Census, Elsewhere, Found, StoreScan, TakenUp
from .records import AuditReport, MigrationStatus, Progress, Status, Unexpected, UserSummary
from .repair import Repairer
from .reuniting import Reunion, ReunionPlan, Reuniter
from .scanning import Scanner
from .settings import Settings
from .stores import VectorStore

if TYPE_CHECKING:
    from .migration.background import Background, Observer
    from .traces import Traces


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
        self._counter = census.Counter(ledger)
        self._finder = Finder(ledger)
        self._background: Background | None = None
        self._observer: Observer | None = None
        self.activity = open_log(backend.objects, settings)
        """Who did what with memories. Calls that change or export something note themselves."""

    @property
    def parts(self) -> Parts:
        """What the service is made of."""
        return Parts(self._backend, self._embedder, self._ledger, self._store)

    def count_users(self, on_progress: Progress | None = None) -> Census:
        """Count every user's memories, exactly, from the ledger.

        After the first time only users whose entries changed are read again. `on_progress` is told
        of users; where it raises, the call ends, and the next one goes on from there.
        """
        return self._counter.count(on_progress)

    def users(self) -> list[UserSummary]:
        """Return every user that has memories, most memories first; exact, from the ledger."""
        return list(self.count_users().users)

    def scan_store(self, on_progress: Progress | None = None) -> StoreScan:
        """Read the whole store and compare it with the ledger, user by user: a second opinion.

        Every vector is counted under the id that it stands under. `on_progress` is told of
        vectors; where it raises, the call ends. Nothing is changed.
        """
        return Scanner(self.backend, self._ledger, self._store).scan(on_progress)

    def elsewhere(self, on_progress: Progress | None = None) -> Elsewhere:
        """Return what lies in another place than the one in use, and is not here.

        On S3 Vectors that is the local data folder, in which nothing is made or changed; on
        ChromaDB it is other collections of the folder, and S3 where the settings suffice.
        `on_progress` is told of memories; where it raises, the call ends.
        """
        from .elsewhere import look_elsewhere

        return look_elsewhere(self.settings, self.parts, on_progress)

    @noted("take-up", lambda taken: memories(taken.taken), when=lambda given: not given["preview"])
    def take_up(
        self, user_id: str, *, preview: bool = False, on_progress: Progress | None = None
    ) -> TakenUp:
        """Record what lies in the store for this user and never was recorded.

        Taken up is what names the user in any form that differs in case, whitespace or invisible
        characters alone; it is the user's from then on. Safe to repeat. With `preview` nothing is
        changed.
        """
        return self._repairer.take_up(
            normalize_user_id(user_id), preview=preview, on_progress=on_progress
        )

    def find(
        self,
        text: str,
        *,
        scan: StoreScan | None = None,
        elsewhere: Elsewhere | None = None,
        counted: Census | None = None,
    ) -> Found:
        """Return whose memories may be meant: an id in any form, a name, or a memory's id.

        With a `scan` the ids in the store are looked through as well, with `elsewhere` those of
        other places. Users are counted now unless `counted` is given.
        """
        return self._finder.find(text, counted or self.count_users(), scan, elsewhere)

    def traces(self, user_id: str, *, on_progress: Progress | None = None) -> Traces:
        """Return what is left of a user, looked for everywhere: the proof of a deletion.

        Reads the whole store, the record and other places; `on_progress` is told of vectors.
        """
        from .traces import sum_up

        user = normalize_user_id(user_id)
        scan, other = self.scan_store(on_progress), self.elsewhere()
        found = self.find(user, scan=scan, elsewhere=other)
        return sum_up(user, self._ledger, self._memories, found, other)

    def memories_per_day(self) -> dict[date, int]:
        """Return how many of today's memories were saved on which day (UTC), in order."""
        return dict(self.count_users().days)

    def storage(self) -> dict[str, int]:
        """Return how many memories the store holds, and how many only the ledger; a full scan."""
        return census.count_stored(self._ledger, self._store, self._backend)

    @noted(
        "repair",
        lambda report: f"{report.repaired:,} put right",
        of=None,
        when=lambda given: given["repair"],
    )
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

    @noted("reunite", lambda moved: memories(len(moved.ids)), of="former", other="user_id")
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
        with recording(
            self.activity, "undo", user_id=reunion.former, other_id=reunion.user_id
        ) as operation:
            undone = self._reuniter.undo(reunion, on_progress)
            operation.detail = memories(len(undone.ids))
        return undone

    @property
    def backend(self) -> str:
        """The name of the backend in use."""
        return self._backend.name

    def migrate_in_background(self) -> None:
        """Begin to bring along what lies on the local disk, where memories are on S3.

        `open_service` does it unless told otherwise. Nothing is done where there is no such disk.
        """
        if self._background is not None or not self._has_local():
            return
        from .migration.background import Background

        self._background = Background(self)
        self._background.start()

    def migration_status(self) -> MigrationStatus:
        """Return how it stands with memories on the local disk that may not be here yet.

        Where this service does not migrate by itself the local folder is read for it.
        """
        if self._background is not None:
            return self._background.status
        if not self._has_local():
            return MigrationStatus()
        if self._observer is None:
            from .migration.background import Observer

            self._observer = Observer(self)
        return self._observer.look()

    @property
    def more_to_come(self) -> bool:
        """Whether memories are on their way that no call finds yet; asks nobody."""
        return self._background is not None and self._background.status.more_to_come

    def status(self, counted: Census | None = None) -> Status:
        """Return which backend is used, why, and how much is in it, as of now or as `counted`."""
        status = census.make_status(counted or self.count_users(), self._backend, self._embedder)
        return replace(status, migration=self.migration_status())

    def close(self) -> None:
        """Let go of files and connections, once what is under way is written."""
        if self._background is not None:
            self._background.stop()
        self.activity.close()
        self._store.close()

    def _has_local(self) -> bool:
        return has_local_memories(self.settings, self._backend.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
