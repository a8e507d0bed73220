"""Services on servers that are not Amazon's: right, or honest about what is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from memory_core import MemoryService, Settings
from memory_core.render.audit_report import audit_text
from memory_core.render.user_tables import users_text
from memory_core.service import open_service
from memory_core.transfer import export_memories
from standin import StandIn
from standin.profiles import profile_of

ANN, ANN_B, BOB = "ann", "ann.b", "bob"


@contextmanager
def server(profile: str, **changes: Any) -> Iterator[tuple[StandIn, Settings]]:
    """A stand-in of a profile with a bucket in it, and the settings that lead there."""
    with StandIn(profile=profile_of(profile, **changes)) as standin:
        bucket = f"documents-{profile}"
        standin.client("s3").create_bucket(Bucket=bucket)
        shared = standin.profile.manners.vector_bucket == "shared"
        environ = {
            **standin.environ(),
            "AWS_S3_BUCKET": bucket,
            "MEMORY_VECTOR_BUCKET": bucket if shared else "vectors",
            "MEMORY_DATA_DIR": "no-such-folder",
            "MEMORY_EMBEDDER": "local",
        }
        yield standin, Settings.from_env(environ)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASTANDIN000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "standin-secret")


def save(service: MemoryService, user_id: str, count: int) -> None:
    for number in range(count):
        service.add_text_memory(user_id, f"{user_id} has thing {number}")


def test_a_listing_that_loses_keys_is_seen_and_read_again(tmp_path: Any) -> None:
    with server("noobaa") as (standin, settings), open_service(settings) as service:
        save(service, ANN, 5)
        save(service, ANN_B, 2)
        save(service, BOB, 1)
        standin.set_switches(page_size=3)
        census = service.count_users()
        counts = {user.user_id: user.memories for user in census.users}
        assert counts == {ANN: 5, ANN_B: 2, BOB: 1}
        assert not census.complete
        assert census.left_out == (ANN, ANN_B)
        assert (
            "perhaps not all: the storage's listing left out entries of ann, ann.b"
            in users_text(census)
        )
        audit = service.audit()
        assert (audit.clean, audit.checked, audit.left_out) == (True, 8, (ANN, ANN_B))
        assert "left out entries of ann" in audit_text(audit)
        report = export_memories(service, tmp_path / "all.jsonl")
        assert (report.memories, report.left_out) == (8, (ANN, ANN_B))


def test_a_listing_that_leaves_nothing_out_is_complete() -> None:
    with server("ceph") as (standin, settings), open_service(settings) as service:
        save(service, ANN, 5)
        save(service, ANN_B, 2)
        standin.set_switches(page_size=3)
        census = service.count_users()
        assert (census.memories, census.complete, census.scope) == (7, True, "complete")


class Forgetful:
    """An object store whose listing of all leaves a user out, and says nothing."""

    lists_freely = False
    in_order = False
    left_out: frozenset[str] = frozenset()

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def list(self, prefix: str, start_after: str = "") -> Iterator[str]:
        whole = prefix == "ledger/v1/"
        for key in self._inner.list(prefix, start_after):
            if not (whole and key.startswith("ledger/v1/ann.b/")):
                yield key


def test_no_vector_is_called_unrecorded_whose_users_folder_has_it(service: MemoryService) -> None:
    save(service, ANN, 1)
    save(service, ANN_B, 2)
    forgetful: Any = Forgetful(service.parts.backend.objects)
    service.parts.ledger._objects = forgetful
    audit = service.audit(repair=True, unexpected="remove")
    assert (audit.found, audit.left_out, audit.repaired) == ((), (ANN_B,), 0)
    scan = service.scan_store()
    assert (scan.clean, scan.left_out, scan.complete) == (True, (ANN_B,), False)
    assert len(service.list_memories(ANN_B)) == 2
