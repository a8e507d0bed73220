"""A new index from the ledger: for another embedder, a wrong configuration or a lost index."""

from __future__ import annotations

import time
from contextlib import closing

from .activity import memories, open_log, recording
from .backend import select_backend
from .embedders import open_embedder
from .ledger import Ledger
from .memories import Memories
from .records import Progress, RebuildReport
from .repair import Repairer
from .settings import Settings


def rebuild_index(
    settings: Settings | None = None, on_progress: Progress | None = None
) -> RebuildReport:
    """Make the index that the settings name hold every recorded memory, and audit it.

    The index is made if it is missing, and no other is touched. What it holds as recorded is not
    embedded again, so a rebuild that was cut off goes on where it was. Until it is complete the
    service can be used: what is still missing comes from the ledger.

    Raises:
        SettingsError: the configuration is missing something, or contradicts itself.
        IndexMismatch: an index of that name has another metric or dimension; nothing is changed.
        BackendError: the store or the embedder did not answer.
    """
    started = time.monotonic()
    settings = settings or Settings.from_env()
    embedder = open_embedder(settings)
    backend = select_backend(settings, embedder)
    ledger = Ledger(backend.objects)
    store = backend.open_store(True)
    with (
        closing(store),
        closing(open_log(backend.objects, settings)) as log,
        recording(log, "rebuild") as operation,
    ):
        repairer = Repairer(ledger, store, embedder, Memories(ledger, store, embedder))
        filled = repairer.audit(repair=True, unexpected="keep", on_progress=on_progress)
        audit = repairer.audit(repair=False, unexpected="keep", on_progress=None)
        operation.detail = memories(audit.checked)
        return RebuildReport(
            index=store.describe().name,
            memories=audit.checked,
            users=audit.users,
            embedded=sum(item.repaired for item in filled.missing + filled.altered),
            seconds=time.monotonic() - started,
            audit=audit,
        )
