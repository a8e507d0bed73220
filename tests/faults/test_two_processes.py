"""Two processes that write for the same user at once lose nothing and store nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core.model.records import Kind
from memory_core.storage.vectors.chroma import open_chroma
from tests.support.factories import files_holding
from tests.support.waiting import wait_for
from tests.support.zygote import Zygote

BOTH = [f"number {number} of both" for number in range(15)]
ONE = [f"number {number} of one" for number in range(15)]
OTHER = [f"number {number} of the other" for number in range(15)]


def woven(mine: list[str]) -> list[str]:
    return [text for pair in zip(mine, BOTH, strict=True) for text in pair]


def test_two_writers_and_a_reader_end_with_exactly_the_union(
    zygote: Zygote,
    data_dir: Path,
    reopen: Callable[[], MemoryService],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    reader = zygote.start("look", data_dir=data_dir, until=45)
    reader.wait_for(1)
    # Both stop until the reader has seen what they had written by then.
    go_on = tmp_path_factory.mktemp("pause") / "go on"
    pause = {"pause_after": 10, "go_on": go_on}
    writers = [
        zygote.start("save_many", data_dir=data_dir, texts=woven(mine), **pause)
        for mine in (ONE, OTHER)
    ]
    wait_for("the reader to see 15", lambda: reader.reported()[-1], until=lambda seen: seen == 15)
    go_on.touch()
    acknowledged = [writer.finish()[1:] for writer in writers]
    counts = reader.finish()[1:]
    assert counts == sorted(counts)
    assert {15, 45} <= set(counts)

    service = reopen()
    listed = service.list_memories("ann")
    texts = [one.memory for one in listed]
    assert sorted(texts) == sorted([*ONE, *OTHER, *BOTH])
    ids = {one.memory: one.id for one in listed}
    for reports in acknowledged:
        assert all(ids[text] == one for one, text in reports)
    assert all(one.indexed for one in listed)
    for text in texts:
        assert service.query_memories("ann", text, limit=1)[0].memory.memory == text
    assert service.storage() == {"chroma": 45, "ledger": 0}
    store = open_chroma(
        data_dir / "chroma", service.status().location["collection"], 256, create=False
    )
    held = store.get(store.keys(), with_values=True)
    assert set(held) == set(ids.values())
    assert all(vector.values is not None for vector in held.values())
    assert {key for key, _ in store.query(listed[0].user_id, held[listed[0].id].values, 45)} == set(  # type: ignore[arg-type]
        held
    )


def test_updates_and_deletions_at_once_end_where_the_ledger_says(
    zygote: Zygote, data_dir: Path, reopen: Callable[[], MemoryService]
) -> None:
    service = reopen()
    messages = [{"role": "user", "content": f"number {n}"} for n in range(12)]
    ids = [one.id for one in service.add_messages("ann", messages, infer=False)]
    service.close()
    racers = [zygote.start("change_many", data_dir=data_dir, ids=ids, seed=seed) for seed in (1, 2)]
    reports = [racer.finish()[1:] for racer in racers]
    answered = {report[0] for said in reports for report in said}
    assert {"updated", "deleted"} <= answered <= {"updated", "deleted", "MemoryNotFound"}

    service = reopen()
    folded: dict[str, str] = {}
    for event in service.history("ann"):
        if event.kind is Kind.DELETE:
            folded.pop(event.id, None)
        elif event.kind is Kind.ADD or event.id in folded:
            folded[event.id] = event.memory or ""
    listed = service.list_memories("ann")
    assert {one.id: one.memory for one in listed} == folded
    deleted = {report[1] for said in reports for report in said if report[0] == "deleted"}
    assert set(folded) == set(ids) - deleted
    for one in listed:
        assert service.get_memory("ann", one.id).memory == one.memory
        assert service.query_memories("ann", one.memory)[0].memory.memory == one.memory
    hits = service.search("ann", "writer 1 wrote", limit=50, mode="index").hits
    assert {hit.memory.id for hit in hits} == set(folded)


@pytest.mark.parametrize("forgetting", ["erase", "begin again"])
def test_forgetting_while_another_writes_leaves_only_what_came_after(
    zygote: Zygote, data_dir: Path, reopen: Callable[[], MemoryService], forgetting: str
) -> None:
    writer = zygote.start(
        "save_many", data_dir=data_dir, texts=[f"zebrafish {n}" for n in range(25)]
    )
    writer.wait_for(5)
    service = reopen()
    service.forget_user("ann")
    if forgetting == "begin again":
        service.add_text_memory("ann", "zebrafish 1 again")
    assert writer.wait() == 0, writer.reported()[-1:]
    history = service.history("ann")
    after = [one.kind for one in history].index(Kind.FORGET)
    assert [one.memory for one in history[:after] if one.memory] == []
    listed = service.list_memories("ann")
    assert {one.memory for one in history[after:] if one.memory} == {one.memory for one in listed}
    service.forget_user("ann")
    assert files_holding(data_dir, "zebrafish") == []
