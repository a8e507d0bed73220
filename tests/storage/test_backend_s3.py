"""S3 Vectors as the backend: chosen, told, durable, and never quietly replaced by another."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memory_core import (
    AccessDenied,
    BackendUnavailable,
    IndexMismatch,
    MemoryService,
    NotIndexed,
    Settings,
    SettingsError,
    Step,
    open_service,
)
from memory_core.embedders.local import LocalEmbedder
from memory_core.ledger import Ledger
from memory_core.settings import silence_telemetry
from memory_core.storage.aws import Aws, Retries
from memory_core.storage.backend import Backend, select_backend
from tests.support.s3_bench import Bench, open_bench

LINES = [
    "[Mem0] OK Mem0 service initialized with S3 (persistent) storage",
    "[Mem0] Using S3 vectors for persistent storage",
]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    # One that gives up at once: what is waited for is tested elsewhere.
    monkeypatch.setattr("memory_core.storage.aws.client.Retries", lambda: Retries(budget_s=0))
    with open_bench() as opened:
        yield opened


def environ(bench: Bench, **more: str) -> Mapping[str, str]:
    return {**bench.environ, **more}


def decide(bench: Bench, **more: str) -> Backend:
    return select_backend(Settings.from_env(environ(bench, **more)), LocalEmbedder())


def opened(bench: Bench, **more: str) -> MemoryService:
    return open_service(Settings.from_env(environ(bench, **more)))


def test_credentials_bucket_and_region_choose_s3_vectors(bench: Bench) -> None:
    backend = decide(bench)
    assert (backend.name, backend.persistent) == ("s3_vectors", True)
    assert backend.reason == (
        f"memories are on an S3 Vectors server at {bench.standin.url_s3vectors}, and last as long "
        "as it keeps them"
    )
    assert backend.stand_in is None
    assert backend.log_lines == tuple(LINES)
    assert [step.name for step in backend.steps if step.deciding] == ["S3 Vectors"]
    assert all(step.ok for step in backend.steps)
    assert bench.asked() == 0


def test_a_stand_in_is_called_so_once_it_has_answered(bench: Bench) -> None:
    with opened(bench) as service:
        status = service.status()
    assert status.stand_in == bench.standin.url_s3vectors
    assert status.reason == (
        f"memories are on a stand-in for Amazon S3 Vectors at {status.stand_in}, and last as long "
        "as it keeps them"
    )


def test_forcing_it_is_the_deciding_step(bench: Bench) -> None:
    steps = decide(bench, MEMORY_BACKEND="s3_vectors").steps
    assert [step.name for step in steps if step.deciding] == ["MEMORY_BACKEND"]
    assert steps[-1] == Step("S3 Vectors", True, "forced by MEMORY_BACKEND")


def own_ending(bench: Bench, prefix: str) -> str:
    return hashlib.sha256(f"s3://{bench.bucket}/{prefix}".encode()).hexdigest()[:8]


def test_the_location_says_where_everything_is(bench: Bench) -> None:
    assert decide(bench, MEMORY_PREFIX="/team/a/").location == {
        "bucket": bench.bucket,
        "vector bucket": bench.bucket,
        "index": f"mem0-wordllama-256-{own_ending(bench, 'team/a/')}",
        "region": "us-east-1",
        "prefix": "team/a/",
        "endpoint": bench.standin.url_s3vectors,
    }


def test_the_endpoint_is_told_only_when_it_is_another(bench: Bench) -> None:
    settings = replace(bench.settings, endpoint_s3vectors=None)
    assert "endpoint" not in select_backend(settings, LocalEmbedder()).location


@pytest.mark.parametrize(
    ("variables", "s3", "s3vectors"),
    [
        ({}, None, None),
        ({"AWS_ENDPOINT_URL": "http://a"}, "http://a", "http://a"),
        ({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"}, "http://b",
         "http://a"),
        ({"AWS_ENDPOINT_URL_S3VECTORS": "http://c"}, None, "http://c"),
        ({"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None,
         None),
    ],
)  # fmt: skip
def test_endpoints_are_read_as_boto3_reads_them(
    variables: dict[str, str], s3: str | None, s3vectors: str | None
) -> None:
    settings = Settings.from_env(variables)
    assert (settings.endpoint_s3, settings.endpoint_s3vectors) == (s3, s3vectors)


@pytest.mark.parametrize(
    ("bucket", "name"),
    [
        ("docs", "docs"),
        ("My_Docs.2026", "my-docs-2026"),
        ("_x.y_", "x-y"),
        ("a" * 62 + ".b", "a" * 62),
        ("ünï-docs", "n--docs"),
    ],
)
def test_the_vector_bucket_is_called_like_the_bucket_as_far_as_allowed(
    bench: Bench, bucket: str, name: str
) -> None:
    location = decide(bench, AWS_S3_BUCKET=bucket).location
    assert (location["bucket"], location["vector bucket"]) == (bucket, name)
    named = decide(bench, AWS_S3_BUCKET=bucket, MEMORY_VECTOR_BUCKET="own").location
    assert named["vector bucket"] == "own"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MEMORY_VECTOR_BUCKET", "Has_Underscore"),
        ("MEMORY_VECTOR_BUCKET", "dot.ted"),
        ("MEMORY_VECTOR_BUCKET", "ab"),
        ("AWS_S3_BUCKET", "__"),
        ("MEMORY_INDEX", "Mine"),
        ("MEMORY_INDEX", "my_index"),
        ("MEMORY_INDEX", "-x-"),
        ("MEMORY_INDEX", "x" * 64),
    ],
)
def test_a_name_that_is_not_allowed_is_named(bench: Bench, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is '{value}'"):
        decide(bench, **{variable: value})


def test_opening_is_announced_and_makes_everything(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "memory_core")
    with opened(bench) as service:
        assert service.status().persistent
        assert service.backend == "s3_vectors"
    assert [record.getMessage() for record in caplog.records][:2] == LINES


def test_memories_are_there_for_another_machine(bench: Bench) -> None:
    with opened(bench) as service:
        (saved,) = service.add_text_memory("Ann@X.com ", "Ann is allergic to cashews", verify=True)
        assert saved.verified
    with opened(bench, MEMORY_DATA_DIR="/nonexistent") as service:
        assert service.list_memories("ann@x.com") == [replace(saved, verified=False)]
        (hit,) = service.query_memories("ann@x.com", "Which nuts must she avoid?")
        assert hit.memory.id == saved.id
        assert service.query_memories("bob@x.com", "nuts", mode="index") == []


def test_a_service_that_was_closed_goes_on(bench: Bench) -> None:
    service = opened(bench)
    service.close()
    assert service.list_memories("ann") == []
    service.close()


def test_nothing_of_aws_that_fails_leads_to_chroma(bench: Bench, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for switches, expected in (
        ({"deny_actions": ["s3:ListBucket"]}, AccessDenied),
        ({"deny_actions": ["s3vectors:GetIndex"]}, AccessDenied),
        ({"deny_actions": ["s3vectors:CreateIndex"]}, AccessDenied),
        ({"foreign_buckets": [bench.bucket]}, AccessDenied),
    ):
        bench.standin.set_switches(**switches)
        with pytest.raises(expected):
            opened(bench, MEMORY_DATA_DIR=str(data))
        bench.standin.reset_switches()
    nowhere = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    with pytest.raises(BackendUnavailable, match="could not be reached"):
        opened(bench, MEMORY_DATA_DIR=str(data), **nowhere)
    assert not data.exists()


def test_an_index_that_is_missing_beside_memories_is_an_error(bench: Bench) -> None:
    with opened(bench) as service:
        service.add_text_memory("ann", "Ann likes tea")
    for mistyped in ({"MEMORY_INDEX": "mistyped"}, {"MEMORY_VECTOR_BUCKET": "mistyped"}):
        with pytest.raises(IndexMismatch, match=r"memories are on record.*rebuild"):
            opened(bench, **mistyped)
    client = bench.standin.client("s3vectors")
    assert len(client.list_vector_buckets()["vectorBuckets"]) == 1


def test_another_prefix_is_another_store_of_record(bench: Bench) -> None:
    with opened(bench) as service:
        service.add_text_memory("ann", "Ann likes tea")
    with opened(bench, MEMORY_PREFIX="other") as service:
        assert service.users() == []


def test_a_failed_put_is_recorded_and_mended_by_saving_again(bench: Bench) -> None:
    with opened(bench) as service:
        bench.standin.add_fault("error503", operation="PutVectors", nth="every")
        with pytest.raises(NotIndexed, match=r"recorded and safe.*could not do PutVectors"):
            service.add_text_memory("ann", "Ann likes tea")
        bench.standin.clear_faults()
        assert [one.indexed for one in service.list_memories("ann")] == [False]
        (again,) = service.add_text_memory("ann", "Ann likes tea")
        assert again.already_stored
        assert [one.indexed for one in service.list_memories("ann")] == [True]


@pytest.mark.parametrize("operation", ["PutObject", "PutVectors"])
def test_a_lost_acknowledgement_leads_to_one_memory(bench: Bench, operation: str) -> None:
    with opened(bench) as service:
        # boto3's own second attempt is enough here.
        bench.standin.add_fault("drop_after", operation=operation)
        service.add_text_memory("ann", "Ann likes tea")
        assert len(service.list_memories("ann")) == len(service.history("ann")) == 1
        assert service.storage() == {"s3_vectors": 1, "ledger": 0}


def test_memories_that_were_acknowledged_and_lost_come_from_the_ledger(bench: Bench) -> None:
    with opened(bench) as service:
        bench.standin.lose_vectors(1)
        service.add_text_memory("ann", "Ann likes tea")
        assert [one.memory for one in service.list_memories("ann")] == ["Ann likes tea"]
        assert service.query_memories("ann", "tea")[0].memory.indexed is False
        bench.standin.lose_vectors(1)
        with pytest.raises(NotIndexed, match="not there when it was read back"):
            service.add_text_memory("ann", "Ann likes coffee", verify=True)


def test_forgetting_leaves_no_word_in_the_bucket_or_the_index(bench: Bench) -> None:
    with opened(bench) as service:
        service.add_text_memory("ann", "zebrafish")
        service.add_document("ann", "a.md", b"zebrafish one\n\nzebrafish two", isolate=False)
        service.add_text_memory("bob", "Bob likes tea")
        receipt = service.forget_user("ann")
        assert receipt.left == 0
        assert service.storage() == {"s3_vectors": 1, "ledger": 0}
    objects = bench.objects()
    assert not any(b"zebrafish" in (objects.get(key) or b"") for key in objects.list(""))


def test_the_index_alone_is_read_by_plain_mem0(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bench.environ.items():
        monkeypatch.setenv(name, value)
    with opened(bench) as service:
        (saved,) = service.add_text_memory("ann", "Ann is allergic to cashews", agent_id="a")
        service.add_text_memory("bob", "Bob likes tea")
    location = decide(bench).location
    silence_telemetry()
    from mem0.vector_stores.s3_vectors import S3Vectors

    before = bench.asked("CreateIndex", "CreateVectorBucket")
    theirs = S3Vectors(location["vector bucket"], location["index"], 256, region_name="us-east-1")
    assert bench.asked("CreateIndex", "CreateVectorBucket") == before
    values = LocalEmbedder().embed(["cashews"])[0].tolist()
    for found in (
        [theirs.get(saved.id)],
        theirs.list(filters={"user_id": "ann"})[0],
        theirs.search("cashews", values, filters={"user_id": "ann"}),
    ):
        assert [one.id for one in found] == [saved.id]
        assert found[0].payload["data"] == "Ann is allergic to cashews"
        assert found[0].payload["agent_id"] == "a"
    theirs.client.close()


def test_looking_at_the_first_user_does_not_read_the_whole_ledger(bench: Bench) -> None:
    with opened(bench) as service:
        for number in range(5):
            service.add_text_memory("ann", f"Ann has {number} cats")
    bench.standin.set_switches(page_size=1)
    bench.standin.reset_requests()
    assert not Ledger(bench.objects()).is_empty()
    assert bench.asked() == 1


def test_the_store_closes_the_connections_of_the_ledger_too(bench: Bench) -> None:
    backend = decide(bench)
    store: Any = backend.open_store(True)
    assert isinstance(store._aws, Aws)
    assert store._aws is backend.objects._aws  # type: ignore[attr-defined]
    store.close()
