"""Services on servers that are not Amazon's: right, or honest about what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from memory_core import BackendUnavailable, MemoryService
from memory_core.render.audit_report import audit_text
from memory_core.render.user_tables import users_text
from memory_core.service import open_service
from memory_core.transfer import export_memories
from tests.support.other_servers import server

ANN, ANN_B, BOB = "ann", "ann.b", "bob"


def save(service: MemoryService, user_id: str, count: int) -> None:
    for number in range(count):
        service.add_text_memory(user_id, f"{user_id} has thing {number}")


def test_a_listing_that_loses_keys_is_seen_and_read_again(tmp_path: Any) -> None:
    with server("noobaa") as (standin, settings), open_service(settings) as service:
        save(service, ANN, 5)
        save(service, ANN_B, 2)
        save(service, BOB, 1)
        # A page ends with the last key of a folder, and the next one leaves out a whole user.
        standin.set_switches(page_size=5)
        assert (service.count_users().memories, service.count_users().left_out) == (8, (ANN_B,))
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
    service.parts.ledger.objects = forgetful
    audit = service.audit(repair=True, unexpected="remove")
    assert (audit.found, audit.left_out, audit.repaired) == ((), (ANN_B,), 0)
    scan = service.scan_store()
    assert (scan.clean, scan.left_out, scan.complete) == (True, (ANN_B,), False)
    assert len(service.list_memories(ANN_B)) == 2


def test_on_noobaa_every_vector_has_the_same_keys_and_mem0_reads_its_own() -> None:
    with server("noobaa") as (standin, settings), open_service(settings) as service:
        service.add_text_memory(ANN, "Ann likes tea")
        extra = {"colour": "green", "labels": ["a", "b"], "id": "7", "number": 3}
        service.add_text_memory(ANN, "Ann likes rye", metadata=extra)
        place = {"vectorBucketName": "vectors", "indexName": service.status().location["index"]}
        listed = standin.client("s3vectors").list_vectors(**place, returnMetadata=True)["vectors"]
        plain, attached = sorted(listed, key=lambda row: row["metadata"]["data"], reverse=True)
        assert plain["metadata"].keys() == attached["metadata"].keys()
        assert plain["metadata"]["user_id"] == ANN
        assert plain["metadata"]["data"] == "Ann likes tea"
        assert json.loads(attached["metadata"]["holdfast_metadata"]) == extra
        assert {record.memory: record.metadata for record in service.list_memories(ANN)} == {
            "Ann likes tea": {}, "Ann likes rye": extra
        }  # fmt: skip
        # With 256 vectors and more NooBaa answers each put with a failure, and keeps what it got.
        things = [{"role": "user", "content": f"Bob has thing {number}"} for number in range(260)]
        service.add_messages(BOB, things, infer=False)
        service.add_text_memory(BOB, "Bob likes figs")
        assert len(service.list_memories(BOB)) == 261
        audit = service.audit()
        assert (audit.clean, audit.checked) == (True, 263)
        with open_service(settings, migrate=False, index=False) as late:
            # Known before the index is opened: an entry of the activity log has a name of its own.
            assert not late.parts.backend.objects.atomic_puts


def test_a_vector_bucket_that_the_server_refuses_says_what_to_set() -> None:
    with server("noobaa") as (_, settings):
        same = replace(settings, vector_bucket=settings.bucket)
        with pytest.raises(BackendUnavailable, match="set MEMORY_VECTOR_BUCKET accordingly"):
            open_service(same)


def test_the_second_of_two_first_starts_finds_what_the_first_made() -> None:
    with server("noobaa") as (_, settings), open_service(settings) as first:
        with open_service(settings) as second:
            second.add_text_memory(ANN, "Ann likes tea")
        assert len(first.list_memories(ANN)) == 1
