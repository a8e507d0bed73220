"""An installation to test deployments of: its storage, its disk, and the commit that runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from memory_core import MemoryService, Settings, open_service
from memory_core.ledger import ALL, EventDraft
from memory_core.model.records import Kind
from memory_core.model.user_id import UserId
from memory_core.redeploy_test import (
    RedeployReceipt,
    Report,
    Verdict,
    begin,
    leftovers,
    pending,
    reports,
    verify,
)
from memory_core.redeploy_test.probes import probe_users
from memory_core.redeploy_test.report import Probe
from memory_core.storage.objects import ObjectStore
from memory_core.storage.vectors import Vector
from standin import StandIn
from tests.support.standin_state import put_state, take_state

ANN, BOB = "ann@example.com", "bob@example.com"
_numbers = count(1)


@dataclass
class Installation:
    """On S3 with a bucket of its own where there is a stand-in, else on a disk that is kept.

    With the variables of another it is the same again, on a new disk.
    """

    data_dir: Path
    standin: StandIn | None = None
    environ: dict[str, str] = field(default_factory=dict)
    commits: int = 0

    def __post_init__(self) -> None:
        given = self.environ or {"RENDER_GIT_COMMIT": "commit-0"}
        self.environ = {**given, "MEMORY_DATA_DIR": str(self.data_dir)}
        if self.standin and "AWS_S3_BUCKET" not in given:
            bucket = f"redeploy-{next(_numbers)}"
            self.standin.client("s3").create_bucket(Bucket=bucket)
            self.environ |= self.standin.environ() | {"AWS_S3_BUCKET": bucket}

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.environ)

    def open(self) -> MemoryService:
        return open_service(self.settings)

    def begin(self, probes: int = 6) -> RedeployReceipt:
        with self.open() as service:
            return begin(service, probes)

    def verify(self, receipt: RedeployReceipt) -> Report:
        return verify(receipt, self.settings)

    def deploy(self) -> None:
        """Run another commit; on S3 the local disk is a new one."""
        self.commits += 1
        self.environ["RENDER_GIT_COMMIT"] = f"commit-{self.commits}"
        if self.standin:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def look(self, receipt: RedeployReceipt) -> tuple[list[Verdict], list[str], list[str]]:
        """Return the verdicts kept of a test, and the tests that are pending and left over."""
        with self.open() as service:
            kept = [one.verdict for one in reports(service) if one.run == receipt.run]
            return kept, [one.run for one in pending(service)], leftovers(service)

    def remains(self, receipt: RedeployReceipt) -> list[str]:
        """Return all that is left of a test, but for the fact that something was forgotten."""
        users = probe_users(receipt.run)
        with self.open() as service:
            vectors = service.parts.store.get([probe.id for probe in receipt.probes])
            left = [key for key, one in vectors.items() if one.payload["user_id"] in users]
            for user_id in users:
                entries = service.parts.ledger.view(user_id).entries
                left += [entry.key for entry in entries if entry.kind is not Kind.FORGET]
            left += [
                key
                for key in service.parts.backend.objects.list("redeploy/")
                if receipt.run in key and not key.endswith((".report.json", ".cleaned.json"))
            ]
        return left + [str(path) for path in self.data_dir.glob(".redeploy-test-*")]


MakeInstallation = Callable[..., Installation]
First = Callable[[Installation], Any]
GoOn = Callable[[str, First], tuple[Installation, Any]]


@dataclass(frozen=True)
class Kept:
    """All that an installation holds at a moment, and its variables then."""

    data_dir: Path
    environ: dict[str, str]
    _state: bytes
    """What its stand-in holds; its disk is beside it."""

    @classmethod
    def of(cls, installation: Installation) -> Kept:
        kept = cls(
            installation.data_dir,
            {**installation.environ},
            take_state(installation.standin) if installation.standin else b"",
        )
        if not installation.standin:
            shutil.copytree(kept.data_dir, kept._template)
        return kept

    def put_back(self, installation: Installation) -> None:
        """Let the stand-in, or the disk, hold that and nothing else."""
        if installation.standin:
            put_state(installation.standin, self._state)
        else:
            shutil.rmtree(self.data_dir)
            shutil.copytree(self._template, self.data_dir)

    @property
    def _template(self) -> Path:
        return self.data_dir.with_name("template")


class Hands:
    """What happens to memories behind the application's back."""

    def __init__(self, service: MemoryService) -> None:
        self.service = service
        self.store = service.parts.store
        self.ledger = service.parts.ledger
        self.objects: ObjectStore = service.parts.backend.objects
        self.embedder = service.parts.embedder

    def lose_vectors(self, probes: Iterable[Probe]) -> None:
        self.store.delete([probe.id for probe in probes])

    def lose_records(self, probes: Iterable[Probe]) -> None:
        self.objects.delete([key for probe in probes for key in self.keys(probe)])

    def lose(self, probes: Iterable[Probe]) -> None:
        probes = list(probes)
        self.lose_vectors(probes)
        self.lose_records(probes)

    def keys(self, probe: Probe) -> list[str]:
        entries = self.ledger.view(probe.user_id).entries
        return [entry.key for entry in entries if entry.memory_id == probe.id]

    def tear(self, probe: Probe) -> None:
        """Cut the record off in the middle, and lose the vector that would stand in for it."""
        (key,) = self.keys(probe)
        data = self.objects.get(key) or b""
        self.objects.delete([key])
        self.objects.put_if_absent(key, data[: len(data) // 2])
        self.lose_vectors([probe])

    def rewrite(self, probe: Probe, change: Callable[[bytes], bytes]) -> None:
        """Overwrite the record of a probe."""
        (key,) = self.keys(probe)
        self.objects.replace(key, change(self.objects.get(key) or b""))

    def rewrite_all_of(self, user_id: str, data: bytes = b"") -> None:
        """Overwrite every record of a user."""
        for entry in self.ledger.view(UserId(user_id)).entries:
            self.objects.replace(entry.key, data)

    def change(self, one: Probe, **payload: Any) -> None:
        before = self.stored(one)
        self.store.put([replace(before, payload={**before.payload, **payload})])

    def turn(self, probe: Probe, question: str, *, away: bool = False) -> None:
        """Let a vector point to the meaning of a question, or away from it."""
        values = self.embedder.embed([question])[0]
        self.store.put([replace(self.stored(probe), values=-values if away else values)])

    def put_values(self, probe: Probe, values: Any) -> None:
        self.store.put([replace(self.stored(probe), values=values)])

    def save_as(self, probe: Probe, user_id: str, memory_id: str) -> None:
        """Record the text of a probe once more, for a user and under an id."""
        before = self.stored(probe)
        payload = {**before.payload, "user_id": user_id}
        owner = UserId(user_id)
        draft = EventDraft(Kind.ADD, memory_id, user_id, payload)
        (entry,) = self.ledger.append(self.ledger.view(owner), [draft])
        self.store.put([Vector(memory_id, {**payload, "revision": entry.ulid}, before.values)])

    def forget_record_of(self, user_id: str) -> None:
        view = self.ledger.view(UserId(user_id))
        assert all(entry.memory_id != ALL for entry in view.entries)
        self.store.delete(view.live)
        self.ledger.erase(view.user_id, view.entries)

    def stored(self, probe: Probe) -> Vector:
        return self.store.get([probe.id], with_values=True)[probe.id]


def hands(installation: Installation) -> closing[Hands]:
    """Open the storage as it is now."""
    service = installation.open()

    class Opened(Hands):
        def close(self) -> None:
            service.close()

    return closing(Opened(service))
