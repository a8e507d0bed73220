"""Check of the round trip: a memory is saved, found by every way of reading, and removed."""

import time
from collections.abc import Iterator

from ulid import ULID

from ...errors import MemoryCoreError
from ...ledger import UserView
from ...model.counting import counted
from ...model.user_id import UserId, is_probe
from ...redeploy_test.probes import make_probes, probe_users, write
from ...redeploy_test.records import clean_up, key_of
from ...redeploy_test.report import Probe
from ...service import MemoryService
from ..context import Context
from ..findings import Check, Evidence, Finding, finding
from .user_data import leaks, neighbours

_SLOW_MS = 5_000
# The first probe is of one reserved user, the fifth of the other.
_OWN, _OTHER = 0, 4
_NEIGHBOURS = 20


def probe(context: Context) -> Iterator[Finding]:
    run, service = str(ULID()), None
    try:
        service = _open(context, run)
        yield from _save_and_find(service, run)
    except MemoryCoreError as exc:
        yield finding("probe.E001", f"{exc}.", *context.place)
    finally:
        left = _remove(service, run) if service else ""
    if left:
        yield finding("probe.E003", left, *context.place)


CHECKS = (
    Check("probe.roundtrip", "A memory can be saved, found and removed", probe,
          "probe.E001 probe.E002 probe.E003 probe.W001 probe.I001 leakage.E001",
          needs=("embedder.works", "index.fits", "index.tied"), tags=("live",),
          limit_s=120.0),
)  # fmt: skip


def _open(context: Context, run: str) -> MemoryService:
    """Open a service as a program does, and mark the test as under way."""
    backend, ledger = context.backend, context.ledger
    store = backend.open_store(ledger.is_empty())
    backend.objects.put_if_absent(key_of(run, "busy"), b"{}")
    return MemoryService(context.settings, backend, context.embedder, ledger, store)


def _save_and_find(service: MemoryService, run: str) -> Iterator[Finding]:
    probes = make_probes(run, _OTHER + 1)
    own, other = probes[_OWN], probes[_OTHER]
    started = time.monotonic()
    # Each is read back by its id, in the list and by a question.
    lost = [probe for probe in (own, other) if not write(service, probe)]
    written = time.monotonic()
    # The index itself: answers of the service are compared with the record as well.
    values = service.parts.embedder.embed([other.text])[0]
    service.parts.store.query(UserId(own.user_id), values, _NEIGHBOURS)
    times = {
        "save and find two memories": round((written - started) * 1000),
        "search the index": round((time.monotonic() - written) * 1000),
    }
    evidence = [Evidence(name, f"{ms} ms", "clock") for name, ms in times.items()]
    if lost:
        yield finding(
            "probe.E002", f"Not found by every way of reading: {len(lost)} of 2.", *evidence
        )
    elif leaked := list(leaks(service, _pairs(service, own, other), *evidence)):
        yield from leaked
    elif max(times.values()) > _SLOW_MS:
        slowest = max(times, key=lambda name: times[name])
        yield finding("probe.W001", f"It took {times[slowest]:,} ms to {slowest}.", *evidence)
    else:
        yield finding("probe.I001", f"It took {sum(times.values()):,} ms in all.", *evidence)


def _pairs(service: MemoryService, *probes: Probe) -> list[tuple[UserView, UserView]]:
    """Return the reserved users, both ways round, and a sample of real users."""
    ledger = service.parts.ledger
    reserved = [ledger.view(UserId(probe.user_id)) for probe in probes]
    real = [view for view in ledger.tolerant().users() if not is_probe(view.user_id)]
    return neighbours(reserved) + neighbours(real)


def _remove(service: MemoryService, run: str) -> str:
    """Forget the probes and close the service; return what is left, or an empty string."""
    try:
        left = clean_up(service, run)
    except MemoryCoreError as exc:
        return f"{exc}."
    finally:
        service.close()
    users = ", ".join(probe_users(run))
    return f"Still there for {users}: {counted(left, 'memory')}." if left else ""
