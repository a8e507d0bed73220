"""Where memories are and on which deployment: taken before and after, and compared."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ..errors import BackendUnavailable
from ..identity import is_probe
from ..ledger import Ledger
from ..records import Kind
from ..service import MemoryService
from ..settings import Settings
from .values import Census, Evidence

_STARTED_AT = datetime.now(UTC)
_COUNTED_APART = 5_000
_LIBRARIES = ("mem0ai", "boto3", "chromadb")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# A change of these means that what was read is not what was written to.
_PLACE = ("bucket", "prefix", "vector bucket")
_NAMES = {
    "bucket": "bucket", "prefix": "prefix in the bucket", "vector bucket": "vector bucket",
    "index": "index", "collection": "collection", "folder": "ChromaDB folder", "region": "region",
}  # fmt: skip


def take_evidence(service: MemoryService) -> Evidence:
    """Return where this process keeps memories, and what is known of its deployment."""
    backend, embedder, _, store = service.parts
    deployment = service.settings.deployment
    created_at = store.describe().created_at
    return Evidence(
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
        process=f"{os.getpid()} since {_STARTED_AT.isoformat(timespec='milliseconds')}",
        versions={
            "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}
        },
    )  # fmt: skip


def changes(before: Evidence, after: Evidence) -> Iterator[str]:
    """Yield a sentence for each change of where memories are or how they are found."""
    if before.backend != after.backend:
        yield f"The backend changed: written to {before.backend}, read from {after.backend}."
        return
    for name, words in _NAMES.items():
        was, now = before.location.get(name, ""), after.location.get(name, "")
        if was != now:
            yield f"The {words} changed: written to {was or 'none'}, read from {now or 'none'}."
    if (before.embedder, before.dimensions) != (after.embedder, after.dimensions):
        yield (
            f"The embedder changed: {before.embedder} with {before.dimensions} dimensions before, "
            f"{after.embedder} with {after.dimensions} after."
        )
    if before.index_created_at < after.index_created_at and before.index_created_at:
        yield "The index was made anew after the probes were written."


def is_elsewhere(before: Evidence, after: Evidence) -> bool:
    """Say whether memories were read from another place than they were written to."""
    return before.backend != after.backend or any(
        before.location.get(name) != after.location.get(name) for name in _PLACE
    )


def digest_of(*parts: object) -> bytes:
    """Return four bytes that stand for the parts in a short code."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:4]


def place_digest(evidence: Evidence) -> bytes:
    """Return what stands for the place of memories in a short code."""
    return digest_of(evidence.backend, *(evidence.location.get(name) for name in _PLACE))


# The canary: a file beside the local data, which an ordinary disk loses with a deployment.


def put_canary(settings: Settings, run: str) -> None:
    """Leave the test's file on the local disk.

    Raises:
        BackendUnavailable: the folder cannot be written.
    """
    path = _canary(settings, run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(run)
    except OSError as exc:
        raise BackendUnavailable(
            f"could not leave {path} as the sign of this deployment: {exc.strerror}; check that "
            "MEMORY_DATA_DIR can be written",
            backend="local",
            operation="redeploy test",
        ) from exc


def has_canary(settings: Settings, run: str) -> bool:
    """Say whether the disk is still the one that the test began on."""
    return _canary(settings, run).exists()


def remove_canary(settings: Settings, run: str) -> None:
    """Take the file away again."""
    _canary(settings, run).unlink(missing_ok=True)


def _canary(settings: Settings, run: str) -> Path:
    return settings.data_dir / f".redeploy-test-{run}"


# The census: real users, to see that the deployment cost nobody anything.


def take_census(ledger: Ledger) -> Census:
    """Count real users and memories; beyond 5,000 users only in total."""
    found = {
        _mark(view.user_id): len(view.live)
        for view in ledger.users()
        if view.live and not is_probe(view.user_id)
    }
    counts = found if len(found) <= _COUNTED_APART else {}
    return Census(len(found), sum(found.values()), counts)


def missing_users(ledger: Ledger, before: Census, run: str) -> int:
    """Count the users who have fewer memories than before, though nothing of theirs was deleted."""
    now = {_mark(view.user_id): view for view in ledger.users()}
    short = 0
    for mark, count in before.counts.items():
        view = now.get(mark)
        if view and len(view.live) >= count:
            continue
        deleted = view and any(
            entry.kind in (Kind.DELETE, Kind.FORGET) and entry.ulid > run for entry in view.entries
        )
        short += not deleted
    return short


def _mark(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:12]


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
