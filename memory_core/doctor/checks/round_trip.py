"""A memory that is saved, found by every way of reading, and removed again."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ulid import ULID

from ...errors import MemoryCoreError
from ...model.user_id import UserId
from ...redeploy_test.probes import make_probes, probe_users, write
from ...redeploy_test.records import busy_key, clean_up
from ...service import MemoryService
from ..context import Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix
from .user_data import LEAK

_SLOW_MS = 5_000
# The first is of one reserved user, the fifth of the other.
_OWN, _OTHER = 0, 4

UNSAVED = FindingKind(
    "probe.E001",
    "A memory cannot be saved",
    "Nothing new that customers say is remembered.",
    (Fix("Allow what the sentence names, or solve what it says", link="docs/s3-vectors.md"),),
)
UNFOUND = FindingKind(
    "probe.E002",
    "A memory that was saved is not found again",
    "Customers miss what they have just said.",
    (Fix("Compare the store with the record", command="python -m memory_core audit"),),
)
LEFT = FindingKind(
    "probe.E003",
    "A memory cannot be removed",
    "What customers want deleted stays, and so does what this test has written.",
    (Fix("Allow s3vectors:DeleteVectors and s3:DeleteObject in the IAM policy",
         link="docs/s3-vectors.md"),),
)  # fmt: skip
SLOW = FindingKind(
    "probe.W001",
    "Saving or searching is slow",
    "Customers wait for the assistant.",
    (Fix("Run the assistant in the region of the bucket, and look at the provider's status"),),
)
DONE = FindingKind(
    "probe.I001",
    "A memory was saved, found and removed",
    "Nothing: this is how long it took.",
)


def probe(context: Context) -> Iterator[Finding]:
    run = str(ULID())
    try:
        service = _open(context, run)
    except MemoryCoreError as exc:
        yield UNSAVED.found(f"{exc}.", *_where(context))
        return
    try:
        yield from _save_and_find(service, run)
    except MemoryCoreError as exc:
        yield UNSAVED.found(f"{exc}.", *_where(context))
    finally:
        left = _remove(service, run)
        service.close()
    if left:
        yield LEFT.found(left, *_where(context))


CHECKS = (
    Check("probe.roundtrip", "A memory can be saved, found and removed", probe,
          (UNSAVED, UNFOUND, LEFT, SLOW, DONE, LEAK),
          needs=("embedder.works", "index.fits", "vectors.readable"), tags=("live",),
          limit_s=120.0),
)  # fmt: skip


def _open(context: Context, run: str) -> MemoryService:
    """Open a service as a program does, and mark the probes as being looked at."""
    backend, ledger = context.backend, context.ledger
    store = backend.open_store(ledger.is_empty())
    backend.objects.put_if_absent(busy_key(run), b"{}")
    return MemoryService(context.settings, backend, context.embedder, ledger, store)


def _save_and_find(service: MemoryService, run: str) -> Iterator[Finding]:
    probes = make_probes(run, _OTHER + 1)
    own, other = probes[_OWN], probes[_OTHER]
    times = {}
    started = time.monotonic()
    # Each is read back by its id, the list and a question.
    lost = [one for one in (own, other) if not write(service, one)]
    times["save and find two memories"] = _ms_since(started)
    started = time.monotonic()
    # The index itself: what the service shows has been compared with the record as well.
    asking = UserId(own.user_id)
    values = service.parts.embedder.embed([other.text])[0]
    seen = {key for key, _ in service.parts.store.query(asking, values, 20)}
    times["search the index"] = _ms_since(started)
    seen |= {one.id for one in service.list_memories(own.user_id)}
    evidence = [Evidence(name, f"{ms} ms", "clock") for name, ms in times.items()]
    if lost:
        yield UNFOUND.found(f"{len(lost)} of 2 were not found by each way of reading.", *evidence)
    elif other.id in seen:
        yield LEAK.found("A reserved user was shown the memory of another one.", *evidence)
    elif max(times.values()) > _SLOW_MS:
        slowest = max(times, key=lambda name: times[name])
        yield SLOW.found(f"It took {times[slowest]:,} ms to {slowest}.", *evidence)
    else:
        yield DONE.found(f"It took {sum(times.values()):,} ms in all.", *evidence)


def _remove(service: MemoryService, run: str) -> str:
    """Forget what was written; return why something is left, empty where nothing is."""
    try:
        left = clean_up(service, run)
    except MemoryCoreError as exc:
        return f"{exc}."
    users = ", ".join(probe_users(run))
    return f"{left} of what was written for {users} are still there." if left else ""


def _where(context: Context) -> list[Evidence]:
    return [Evidence(name, value, "decision") for name, value in context.backend.location.items()]


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
