"""Evidence of the place of memories, the deployment and the real users, before and after."""

import hashlib
import os
import platform
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from ..errors import BackendUnavailable
from ..ledger import ALL, Ledger, UserView
from ..ledger.entries import is_batch
from ..memories.audit import Auditor
from ..memories.repository import Repository
from ..model.counting import counted
from ..model.records import Kind
from ..model.signature import Key
from ..model.user_id import PROBE_DOMAIN, is_probe
from ..service import MemoryService
from ..settings import Settings
from ..storage.objects.local import make_private_folder
from ..version import library_version
from .report import Installation, RealUsers, Sample

_COUNTED_APART = 5_000
_SAMPLED = 100
_PAUSE_S = 1.0
_LIBRARIES = ("mem0ai", "boto3", "chromadb")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# If one of these changed, memories were read from another place than they were written to.
_PLACE = ("bucket", "prefix", "vector bucket")
_NAMES = {
    "bucket": "bucket", "prefix": "prefix in the bucket", "vector bucket": "vector bucket",
    "index": "index", "collection": "collection", "folder": "ChromaDB folder", "region": "region",
    "endpoint": "endpoint",
}  # fmt: skip


def take_evidence(service: MemoryService) -> Installation:
    """Return the place of this process's memories and the facts of its deployment."""
    backend, embedder, _, store = service.parts
    deployment = service.settings.deployment
    created_at = store.describe().created_at
    started_at = _process_start(os.getpid()).isoformat(timespec="milliseconds")
    return Installation(
        backend=backend.name,
        persistent=backend.persistent,
        reason=backend.reason,
        location=dict(backend.location),
        index_created_at=created_at.isoformat() if created_at else "",
        embedder=embedder.name,
        dimensions=embedder.dimensions,
        commit=deployment.commit or "",
        instance=deployment.instance or "",
        service=deployment.service or "",
        host=deployment.host or socket.gethostname(),
        boot=_boot_id(),
        process=f"{os.getpid()} since {started_at}",
        versions={
            "python": platform.python_version(),
            **{name: library_version(name) for name in _LIBRARIES},
        },
        started_at=started_at,
        data_dir=str(service.settings.data_dir.resolve()),
    )  # fmt: skip


def changes(before: Installation, after: Installation) -> Iterator[str]:
    """Yield a sentence for each change of the place of memories, embedder or index."""
    if before.backend != after.backend:
        yield f"The backend changed: written to {before.backend}, read from {after.backend}."
        return
    for name, words in _NAMES.items():
        was, now = before.location.get(name, ""), after.location.get(name, "")
        if was != now:
            yield f"The {words} changed: written to {was or 'none'}, read from {now or 'none'}."
    if (before.embedder, before.dimensions) != (after.embedder, after.dimensions):
        yield (
            f"The embedder changed: {before.embedder} with "
            f"{counted(before.dimensions, 'dimension')} before, {after.embedder} with "
            f"{after.dimensions} after."
        )
    was, now = before.index_created_at, after.index_created_at
    if was and now and datetime.fromisoformat(was) < datetime.fromisoformat(now):
        yield "The index was created again after the probes were written."


def digest_of(*parts: object) -> bytes:
    """Return four bytes that identify the parts in a short code."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:4]


def place_digest(evidence: Installation) -> bytes:
    """Return the digest of the place of memories for a short code."""
    return digest_of(evidence.backend, *(evidence.location.get(name) for name in _PLACE))


# The canary: a file beside the local data, which an ordinary disk loses with a deployment.


def put_canary(settings: Settings, run: str) -> None:
    """Write the file of the test to the local disk.

    Raises:
        BackendUnavailable: the folder cannot be written.
    """
    (path,) = _canaries(settings, run)
    try:
        make_private_folder(path.parent)
        path.write_text(run)
    except OSError as exc:
        raise BackendUnavailable(
            f"could not write {path} to mark this deployment: {exc.strerror}; check that "
            "MEMORY_DATA_DIR can be written",
            backend="local",
            operation="redeploy test",
        ) from exc


def has_canary(settings: Settings, run: str, before: Installation | None) -> bool:
    """Look for the file: it shows that the test began on this disk.

    Another data folder is not another disk, so the original folder is searched as well.
    """
    return any(path.exists() for path in _canaries(settings, run, before))


def remove_canary(settings: Settings, run: str, before: Installation | None = None) -> None:
    """Remove the file; one that cannot be removed does no harm."""
    for path in _canaries(settings, run, before):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _canaries(settings: Settings, run: str, before: Installation | None = None) -> list[Path]:
    folders = [settings.data_dir, *([Path(before.data_dir)] if before and before.data_dir else [])]
    return [folder / f".redeploy-test-{run}" for folder in folders]


# The census: real users, to see that none of them lost a memory.


def real_users(ledger: Ledger) -> list[UserView]:
    """Read what is on record of each real user."""
    return [view for view in ledger.users() if not is_probe(view.user_id)]


def take_census(real: Iterable[UserView], key: Key) -> RealUsers:
    """Count real users and memories, and the memories of each of a sample of 5,000 users.

    The `key` of receipts marks users, so that nobody without it can try out addresses.
    """
    users = {
        _mark(view.user_id, key): (len(view.live), view.last_ulid) for view in real if view.live
    }
    # The lowest digests are a random sample, and the same one every time.
    sample = sorted(users)[:_COUNTED_APART]
    return RealUsers(
        users=len(users),
        memories=sum(count for count, _ in users.values()),
        counts={mark: users[mark][0] for mark in sample},
        newest={mark: users[mark][1] for mark in sample},
    )


def missing_users(real: Iterable[UserView], before: RealUsers, key: Key) -> int:
    """Count the users who lack memories that they had before and that nobody deleted since.

    Memories saved since do not compensate for lost ones.
    """
    # Receipts of earlier versions have marks without a key.
    now = {_mark(view.user_id, each): view for view in real for each in (Key(), key)}
    return sum(
        mark not in now or _kept(now[mark], before.newest.get(mark, "~"), count) < count
        for mark, count in before.counts.items()
    )


def _kept(view: UserView, until: str, count: int) -> int:
    """Count the memories recorded up to an entry that are live, or were deleted after it."""
    since = [entry for entry in view.entries if entry.ulid > until]
    removed = [entry.memory_id for entry in since if entry.kind in (Kind.DELETE, Kind.FORGET)]
    if ALL in removed:
        return count
    first = {entry.memory_id: entry.kind for entry in reversed(since)}
    deleted = sum(first[memory_id] is not Kind.ADD for memory_id in set(removed))
    # What was brought back counts once, and not at all if it was deleted before that entry.
    apart = {entry.memory_id for entry in since if entry.kind is Kind.ADD and entry.restored}
    apart.update(removed)
    return deleted + sum(
        memory.added.ulid <= until and memory_id not in apart
        for memory_id, memory in view.live.items()
    )


def compare_users(
    parts: Repository, before: RealUsers | None, key: Key
) -> tuple[RealUsers, int, Sample]:
    """Count the real users now and those who lack memories, and compare a sample of memories."""
    ledger = parts.ledger.tolerant()
    real = real_users(ledger)
    hidden = sum(is_batch(name) and PROBE_DOMAIN not in name for name in ledger.damaged or ())
    missing = missing_users(real, before, key) if before else 0
    return take_census(real, key), missing, _take_sample(parts, real, hidden)


def _take_sample(parts: Repository, real: Sequence[UserView], hidden: int) -> Sample:
    """Read up to 100 memories, spread over all, from record and store, and embed them again.

    `hidden` batches could not be read. Differences are read again after a second, because a
    memory may be in the middle of a save.
    """
    pairs = [(view.user_id, memory_id) for view in real for memory_id in view.live]
    count = min(_SAMPLED, len(pairs))
    sample = [pairs[at * len(pairs) // count] for at in range(count)]
    auditor = Auditor(parts.ledger, parts.store, parts.embedder)
    if differences := auditor.compare(sample):
        time.sleep(_PAUSE_S)
        differences = auditor.compare([difference.pair for difference in differences])
    kinds = Counter("missing" if each.older else each.kind for each in differences)
    return Sample(
        count,
        len(pairs),
        kinds["damaged"] + hidden,
        kinds["altered"],
        kinds["missing"],
        kinds["unlike"],
    )


def _mark(user_id: str, key: Key) -> str:
    return key.sign(user_id.encode()).hex()[:12]


@lru_cache(maxsize=1)
def _process_start(pid: int) -> datetime:
    """Return the start of this process, or the time of the first call if it is unknown."""
    now = datetime.now(UTC)
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now
    return now - timedelta(seconds=max(age, 0.0))


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
