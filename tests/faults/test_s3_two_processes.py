"""Two processes that write for the same user on AWS lose nothing and store nothing twice.

Looking at the ledger costs a request here, so a put may land after another process's deletion; no
answer shows it, and one repair removes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core.embedders import Embedder
from memory_core.errors import NotIndexed
from memory_core.model.records import Kind
from tests.support.s3_worlds import Cloud, World, open_cloud
from tests.support.waiting import wait_for
from tests.support.zygote import Zygote

BOTH = [f"number {number} of both" for number in range(15)]
ONE = [f"number {number} of one" for number in range(15)]
OTHER = [f"number {number} of the other" for number in range(15)]


@pytest.fixture(scope="module")
def cloud(embedder: Embedder) -> Iterator[Cloud]:
    with open_cloud(embedder) as opened:
        yield opened


@pytest.fixture
def world(cloud: Cloud) -> World:
    made = cloud.world()
    made.open()
    return made


def woven(mine: list[str]) -> list[str]:
    return [text for pair in zip(mine, BOTH, strict=True) for text in pair]


def test_two_writers_and_a_reader_end_with_exactly_the_union(
    zygote: Zygote, world: World, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    where = {"data_dir": tmp_path, "environ": world.environ()}
    reader = zygote.start("look", **where, until=45)
    reader.wait_for(1)
    # Both stop until the reader has seen what they had written by then.
    go_on = tmp_path_factory.mktemp("pause") / "go on"
    pause = {"pause_after": 10, "go_on": go_on}
    writers = [
        zygote.start("save_many", **where, texts=woven(mine), **pause) for mine in (ONE, OTHER)
    ]
    wait_for("the reader to see 15", lambda: reader.reported()[-1], until=lambda seen: seen == 15)
    go_on.touch()
    acknowledged = [writer.finish()[1:] for writer in writers]
    counts = reader.finish()[1:]
    assert counts == sorted(counts)
    assert {15, 45} <= set(counts)
    assert list(tmp_path.iterdir()) == []

    assert sorted(world.texts("ann")) == sorted([*ONE, *OTHER, *BOTH])
    ids = {text: one for one, text, _ in world.look("ann")}
    for reports in acknowledged:
        assert all(ids[text] == one for one, text in reports)
    assert world.service().storage() == {"s3_vectors": 45, "ledger": 0}
    world.assert_sound()


def test_answers_lost_to_two_writers_lead_to_one_memory_each(cloud: Cloud, world: World) -> None:
    for operation in ("PutObject", "PutVectors"):
        with cloud.failing(1, "drop_after", operation=operation, times=2):
            for service in (world.service(), world.service()):
                service.add_text_memory("ann", f"after a lost {operation}", verify=True)
    assert len(world.texts("ann")) == len(world.kinds("ann")) == 2
    world.assert_sound()


def folded(service: MemoryService) -> dict[str, str]:
    """Return what Ann's history amounts to."""
    found: dict[str, str] = {}
    for event in service.history("ann"):
        if event.kind is Kind.DELETE:
            found.pop(event.id, None)
        elif event.kind is Kind.ADD or event.id in found:
            found[event.id] = event.memory or ""
    return found


def test_updates_and_deletions_at_once_end_where_the_ledger_says(
    zygote: Zygote, world: World, tmp_path: Path
) -> None:
    ids = [*world.fill("ann", [f"number {number}" for number in range(12)]).values()]
    where = {"data_dir": tmp_path, "environ": world.environ(), "ids": ids}
    racers = [zygote.start("change_many", **where, seed=seed) for seed in (1, 2)]
    reports = [racer.finish()[1:] for racer in racers]
    answered = {report[0] for said in reports for report in said}
    assert {"updated", "deleted"} <= answered <= {"updated", "deleted", "MemoryNotFound"}

    expected = folded(world.service())
    deleted = {report[1] for said in reports for report in said if report[0] == "deleted"}
    assert set(expected) == set(ids) - deleted
    assert {one: text for one, text, _ in world.look("ann")} == expected
    for one, text in expected.items():
        assert world.service().get_memory("ann", one).memory == text
    assert world.service().audit(repair=True).clean
    world.assert_sound()
    assert {one: text for one, text, indexed in world.look("ann") if indexed} == expected


@pytest.mark.parametrize("seed", range(2))
def test_forgetting_while_another_writes_leaves_only_what_came_after(
    zygote: Zygote, cloud: Cloud, world: World, tmp_path: Path, seed: int
) -> None:
    texts = [f"zebrafish {number}" for number in range(20)]
    writer = zygote.start("save_many", data_dir=tmp_path, environ=world.environ(), texts=texts)
    writer.wait_for(3 + 2 * seed)
    world.service().forget_user("ann")
    writer.wait()
    acknowledged = {text for _, text in writer.reported()[1:] if "zebrafish" in text}
    found = set(world.texts("ann"))
    with suppress(NotIndexed):
        world.service().add_text_memory("ann", "likes tea", verify=True)
    assert world.service().audit(repair=True).clean
    world.assert_sound()
    assert world.texts("ann") == [text for text in texts if text in found] + ["likes tea"]
    assert found <= acknowledged
    history = [one.memory for one in world.service().history("ann") if one.memory]
    assert set(history) == {*found, "likes tea"}
    world.service().forget_user("ann")
    assert world.service().audit(repair=True).clean
    client = cloud.bench.standin.client("s3")
    left = client.list_objects_v2(Bucket=cloud.bench.bucket, Prefix=world.prefix)["Contents"]
    keys = [entry["Key"].removeprefix(world.prefix) for entry in left]
    assert {key.split(".")[1] for key in keys if key.startswith("ledger/")} == {"FORGET"}
    assert [
        key for key in keys if not key.startswith(("ledger/", "activity/v1/log/", "starts/"))
    ] == []
    assert list(world.service().parts.store.keys()) == []
