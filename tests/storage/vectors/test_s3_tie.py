"""An index belongs to one ledger: other installations are refused, or have their own index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from memory_core import IndexMismatch, MemoryService, Settings, open_service
from memory_core.cli import cli
from memory_core.memories.repair import rebuild_index
from memory_core.storage.vectors.s3_tie import TIE, ledger_name
from standin.httpd import Request, Response
from tests.support.s3_bench import Bench, in_front, open_bench, refusal

SHARED = {"MEMORY_INDEX": "shared"}
TAGS = ("s3vectors:ListTagsForResource", "s3vectors:TagResource")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


@pytest.fixture
def bench(cloud: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The same stand-in, with nothing in it."""
    for name, value in cloud.environ.items():
        monkeypatch.setenv(name, value)
    cloud.standin.reset_switches()
    client = cloud.standin.client("s3vectors")
    for bucket in client.list_vector_buckets()["vectorBuckets"]:
        name = bucket["vectorBucketName"]
        for index in client.list_indexes(vectorBucketName=name)["indexes"]:
            client.delete_index(vectorBucketName=name, indexName=index["indexName"])
    objects = cloud.standin.client("s3")
    for listed in objects.list_objects_v2(Bucket=cloud.bucket).get("Contents", ()):
        objects.delete_object(Bucket=cloud.bucket, Key=listed["Key"])
    return cloud


def settings(bench: Bench, prefix: str, **environ: str) -> Settings:
    values = {"MEMORY_DATA_DIR": "no-such-folder", **bench.environ, "MEMORY_PREFIX": prefix}
    return Settings.from_env({**values, **environ})


def enter(bench: Bench, prefix: str, **environ: str) -> MemoryService:
    return open_service(settings(bench, prefix, **environ))


def names(service: MemoryService) -> dict[str, str]:
    location = service.parts.backend.location
    return {"vectorBucketName": location["vector bucket"], "indexName": location["index"]}


def tags(bench: Bench, index: dict[str, str]) -> dict[str, str]:
    client = bench.standin.client("s3vectors")
    arn = client.get_index(**index)["index"]["indexArn"]
    return dict(client.list_tags_for_resource(resourceArn=arn)["tags"])


def untie(bench: Bench, index: dict[str, str]) -> None:
    """Leave the index as a release without ties made it."""
    client = bench.standin.client("s3vectors")
    arn = client.get_index(**index)["index"]["indexArn"]
    client.untag_resource(resourceArn=arn, tagKeys=[TIE])


def listed(bench: Bench, index: dict[str, str]) -> set[str]:
    answer = bench.standin.client("s3vectors").list_vectors(**index)
    return {vector["key"] for vector in answer["vectors"]}


def filled(bench: Bench, prefix: str, *texts: str, **environ: str) -> dict[str, str]:
    """Save texts in an installation; return the names of its index."""
    with enter(bench, prefix, **environ) as service:
        for text in texts:
            service.add_text_memory("ann", text)
        return names(service)


def both_sides(bench: Bench, *prefixes: str) -> str:
    return ".*".join(f"s3://{bench.bucket}/{prefix}" for prefix in prefixes)


def test_installations_that_differ_in_the_prefix_have_an_index_each(bench: Bench) -> None:
    production = filled(bench, "production/", "likes tea", "likes rye")
    before = listed(bench, production)
    with enter(bench, "staging/") as staging:
        assert names(staging) != production
        staging.add_text_memory("ann", "likes tea")
        staging.forget_user("ann")
        assert staging.audit(repair=True, unexpected="adopt").clean
        assert staging.list_memories("ann") == []
    assert listed(bench, production) == before
    with enter(bench, "production/") as service:
        assert names(service) == production
        assert len(service.list_memories("ann")) == 2
        assert service.audit().clean
    assert tags(bench, production) == {TIE: f"s3://{bench.bucket}/production/"}


def test_the_default_prefix_and_bucket_keep_the_default_name(bench: Bench) -> None:
    assert filled(bench, "memory/")["indexName"] == "mem0-wordllama-256"
    with enter(bench, "memory/", MEMORY_VECTOR_BUCKET="shared-by-buckets") as service:
        assert names(service)["indexName"].startswith("mem0-wordllama-256-")


def test_one_index_for_two_ledgers_is_refused_with_both_sides(bench: Bench) -> None:
    index = filled(bench, "production/", "likes tea", **SHARED)
    filled(bench, "staging/", "likes oats", MEMORY_INDEX="another")
    before = listed(bench, index)
    with pytest.raises(IndexMismatch, match=both_sides(bench, "production/", "staging/")):
        enter(bench, "staging/", **SHARED)
    with pytest.raises(IndexMismatch, match="MEMORY_INDEX to a name of its own"):
        rebuild_index(settings(bench, "staging/", **SHARED))
    assert listed(bench, index) == before
    with enter(bench, "production/", **SHARED) as service:
        assert [memory.memory for memory in service.list_memories("ann")] == ["likes tea"]


@pytest.mark.parametrize(("command", "code"), [("status", 3), ("doctor", 1), ("forget ann", 3)])
def test_each_command_names_both_sides(
    bench: Bench, command: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(bench, "production/", "likes tea", **SHARED)
    for name, value in {**SHARED, "MEMORY_PREFIX": "staging/"}.items():
        monkeypatch.setenv(name, value)
    answer = CliRunner().invoke(cli, command.split())
    assert answer.exit_code == code, answer.output
    assert re.search(both_sides(bench, "production/", "staging/"), answer.output)
    assert ("index.E005" in answer.output) == (command == "doctor")


def test_an_index_that_names_nobody_is_adopted(bench: Bench) -> None:
    index = filled(bench, "memory/", "likes tea")
    untie(bench, index)
    filled(bench, "memory/")
    assert tags(bench, index) == {TIE: f"s3://{bench.bucket}/memory/"}
    bench.standin.reset_requests()
    filled(bench, "memory/")
    assert bench.asked() == bench.asked("GetIndex", "ListTagsForResource", "ListObjectsV2") == 3


def test_an_installation_from_before_goes_on_with_its_index(bench: Bench) -> None:
    earlier = filled(bench, "production/", "likes tea", MEMORY_INDEX="mem0-wordllama-256")
    untie(bench, earlier)
    # Another installation that is new does not take it.
    assert filled(bench, "staging/", "likes oats") != earlier
    for _ in range(2):
        with enter(bench, "production/") as service:
            assert names(service) == earlier
            assert service.audit().clean
            assert [memory.indexed for memory in service.list_memories("ann")] == [True]


def test_of_two_that_shared_an_index_the_one_with_fewer_memories_leaves(bench: Bench) -> None:
    index = filled(bench, "production/", *(f"likes {n} teas" for n in range(9)), **SHARED)
    untie(bench, index)
    before = listed(bench, index)
    # Nothing is on its record yet, or something that is not in the index.
    for prefix in ("new/", "staging/"):
        with pytest.raises(IndexMismatch, match=f"another installation recorded.*{prefix}"):
            enter(bench, prefix, **SHARED)
        filled(bench, "staging/", "likes oats", MEMORY_INDEX="another")
    assert tags(bench, index) == {}
    filled(bench, "production/", **SHARED)
    assert rebuild_index(settings(bench, "staging/", MEMORY_INDEX="its-own")).audit.clean
    assert listed(bench, index) == before


def test_vectors_of_other_programs_are_no_installation(bench: Bench) -> None:
    index = filled(bench, "memory/", **SHARED)
    untie(bench, index)
    vector = {"float32": [1.0] + [0.0] * 255}
    rows = [
        {"key": f"plain-{n}", "data": vector, "metadata": {"user_id": "ann", "data": f"tea {n}"}}
        for n in range(3)
    ]
    bench.standin.client("s3vectors").put_vectors(**index, vectors=rows)
    with enter(bench, "memory/", **SHARED) as service:
        assert service.take_up("ann").taken == 3


@pytest.mark.parametrize("denied", [TAGS, TAGS[1:]], ids=["no tags", "tags to read"])
def test_without_tags_a_reserved_vector_names_the_ledger(
    bench: Bench, denied: tuple[str, ...]
) -> None:
    bench.standin.set_switches(deny_actions=list(denied))
    index = filled(bench, "production/", "likes tea", **SHARED)
    assert TIE in listed(bench, index)
    with pytest.raises(IndexMismatch, match=both_sides(bench, "production/", "staging/")):
        enter(bench, "staging/", **SHARED)
    with enter(bench, "production/", **SHARED) as service:
        assert TIE not in set(service.parts.store.keys())
        assert service.audit().clean
        assert len(service.search("ann", "tea", mode="index").hits) == 1
        assert service.scan_store().vectors == 1
    # One that may read tags sees it as well.
    bench.standin.reset_switches()
    with pytest.raises(IndexMismatch, match=both_sides(bench, "production/", "staging/")):
        enter(bench, "staging/", **SHARED)


def test_a_server_without_tags_that_fails_while_it_is_empty_is_tied_by_its_second_start(
    bench: Bench,
) -> None:
    filled_once: list[bool] = []

    def answer(request: Request) -> Response | None:
        operation = request.path.strip("/")
        if operation in ("GetVectors", "ListVectors") and not filled_once:
            return refusal(500, "InternalServerException", "no table")
        if operation == "PutVectors":
            filled_once.append(True)
        if operation != "GetIndex":
            return None
        whole = bench.standin._vectors_server.app(request)
        # As a member that nobody knows, which boto3 leaves out.
        return replace(whole, body=whole.body.replace(b"indexArn", b"unknown_"))

    with in_front(bench.standin, "s3vectors", answer) as url:
        served = {**SHARED, "AWS_ENDPOINT_URL_S3VECTORS": url}
        index = filled(bench, "production/", "likes tea", **served)
        assert TIE not in listed(bench, index)
        filled(bench, "production/", "likes rye", **served)
        assert TIE in listed(bench, index)
        with pytest.raises(IndexMismatch, match=both_sides(bench, "production/", "staging/")):
            enter(bench, "staging/", **served)


def test_a_role_that_only_reads_opens_an_index_that_names_nobody(bench: Bench) -> None:
    index = filled(bench, "memory/", "likes tea")
    untie(bench, index)
    bench.standin.set_switches(deny_actions=["s3vectors:TagResource", "s3vectors:PutVectors"])
    with enter(bench, "memory/") as service:
        assert len(service.list_memories("ann")) == 1
    assert tags(bench, index) == {}


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("memory/", "s3://b/memory/"),
        ("a*b=c~d/", "s3://b/a=2Ab=3Dc=7Ed/"),
        ("größe/", "s3://b/gr=C3=B6=C3=9Fe/"),
        ("", "s3://b/"),
    ],
)
def test_the_name_of_a_ledger_is_one_that_a_tag_can_have(prefix: str, name: str) -> None:
    assert ledger_name("b", prefix) == name
    assert len(ledger_name("b", prefix * 200)) <= 256


def test_long_prefixes_with_one_beginning_have_names_of_their_own() -> None:
    first, second = (ledger_name("b", "x" * 500 + end) for end in "yz")
    assert first != second
    assert len(first) <= 256


def test_opening_with_a_prefix_of_ones_own_takes_a_request_more(bench: Bench) -> None:
    filled(bench, "production/", "likes tea")
    bench.standin.reset_requests()
    filled(bench, "production/")
    asked: dict[str, Any] = bench.standin.request_counts()
    assert asked == {
        "s3:ListObjectsV2": 1,
        "s3vectors:GetIndex": 2,
        "s3vectors:ListTagsForResource": 1,
    }
