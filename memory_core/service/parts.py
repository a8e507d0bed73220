"""The parts of a service, which all of its calls share."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from ..activity import RecallLog, open_log
from ..embedders import Embedder
from ..ledger import Ledger
from ..memories import statistics
from ..memories.audit import Auditor
from ..memories.find_user import UserFinder
from ..memories.inputs import Composer
from ..memories.merge_users import Merger
from ..memories.reader import MemoryReader
from ..memories.repair import Repairer
from ..memories.repository import Repository
from ..memories.search import Searcher
from ..memories.time_machine import TimeMachine
from ..memories.writer import MemoryWriter
from ..model.call_counts import CallCounts
from ..settings import Settings
from ..storage.backend import Backend
from ..storage.vectors import VectorStore

if TYPE_CHECKING:
    from ..transfer.background import Background, Observer
    from ..watch import Watcher


class ServiceParts:
    """The base of a service: its parts, opened once."""

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        embedder: Embedder,
        ledger: Ledger,
        store: VectorStore,
    ) -> None:
        self.settings = settings
        self.parts = Repository(backend, embedder, ledger, store)
        """The parts below the calls of the service."""
        self.activity = open_log(backend.objects, settings)
        """Who did what with memories. Calls that change or export something note themselves."""
        self.recall_log = RecallLog(backend.objects, settings.recall_days)
        """Which memories the questions of programs were given; see `PastCalls.recalls`."""
        self.counts = CallCounts()
        """How many saves and questions there were since this service was opened."""
        self._memories = MemoryReader(ledger, store, embedder)
        self._saver = MemoryWriter(ledger, store, self._memories)
        self._searcher = Searcher(self.parts, self._memories)
        self._composer = Composer(settings, embedder, self._searcher)
        self._auditor = Auditor(ledger, store)
        self._repairer = Repairer(self.parts, self._memories)
        self._merger = Merger(self.parts, self._memories)
        self._time_machine = TimeMachine(ledger, self._merger, self._repairer)
        self._counter = statistics.Counter(ledger)
        self._keep_after = datetime.min.replace(tzinfo=UTC)
        self._finder = UserFinder(ledger)
        self._background: Background | None = None
        self._observer: Observer | None = None
        self._watcher: Watcher | None = None

    @property
    def backend(self) -> str:
        """The name of the backend in use."""
        return self.parts.backend.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Release files and connections, after writing what is under way."""
        if self._background is not None:
            self._background.stop()
        if self._watcher is not None:
            self._watcher.stop()
        self.recall_log.close()
        self.activity.close()
        self.parts.store.close()
