"""An index lost, replaced or half made: the record makes it whole, and no other is touched."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pytest

from memory_core import IndexMismatch, MemoryService, Settings, open_service, rebuild_index
from memory_core.memories import repair as repairing
from memory_core.storage.vectors.chroma import ChromaStore, open_folder
from tests.support.command_line import CommandLine
from tests.support.damage import ANN, BOB, fill, found_in
from tests.support.zygote import Zygote

INDEX = "mem0-wordllama-256"
Reopen = Callable[[], MemoryService]


class Letters:
    """Another model: counts letters. `embedded` is every text that it was given."""

    name, slug, dimensions = "letters", "letters", 26

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.embedded += texts
        rows = np.array(
            [[text.lower().count(chr(97 + at)) + 0.01 for at in range(26)] for text in texts],
            dtype=np.float32,
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def settings(data_dir: Path, **variables: str) -> Settings:
    return Settings.from_env({"MEMORY_DATA_DIR": str(data_dir), **variables})


def texts(service: MemoryService, user: str) -> list[str]:
    return sorted(one.memory for one in service.list_memories(user))


def collections(data_dir: Path) -> dict[str, int]:
    with open_folder(data_dir / "chroma").client("list") as client:
        return {one.name: one.count() for one in client.list_collections()}


@pytest.fixture
def lost(service: MemoryService, data_dir: Path) -> dict[str, str]:
    """A filled service whose ChromaDB folder is gone; the ids by text."""
    ids = fill(service)
    service.close()
    rmtree(data_dir / "chroma")
    return ids


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    """Settings name the other model from now on."""
    model = Letters()
    monkeypatch.setattr("memory_core.memories.repository.open_embedder", lambda settings: model)
    return model


def test_a_lost_index_is_made_again_from_the_ledger(
    lost: dict[str, str], reopen: Reopen, data_dir: Path
) -> None:
    with pytest.raises(IndexMismatch, match="memory_core rebuild"):
        reopen()
    steps: list[tuple[int, int]] = []
    report = rebuild_index(settings(data_dir), lambda done, total: steps.append((done, total)))
    assert (report.index, report.memories, report.users) == (INDEX, 4, 2)
    assert report.embedded == 4
    assert report.seconds > 0
    assert report.audit.clean
    assert steps[-1] == (8, 8)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    service = reopen()
    assert texts(service, ANN) == ["oak and ash", "tea"]
    assert texts(service, BOB) == ["elm", "tea of bob"]
    assert all(one.indexed for one in service.list_memories(ANN))
    assert service.query_memories(ANN, "tea", mode="index")[0].memory.id == lost["tea"]
    assert service.get_memory(ANN, lost["tea"]).metadata == {"weight": 0.8474337369372327}


def test_a_rebuild_of_what_is_there_embeds_nothing(
    service: MemoryService, data_dir: Path, letters: Letters
) -> None:
    fill(service)
    assert rebuild_index(settings(data_dir)).embedded == 4
    letters.embedded.clear()
    report = rebuild_index(settings(data_dir))
    assert (report.embedded, report.memories, letters.embedded) == (0, 4, [])
    assert report.audit.clean


def test_deleted_memories_do_not_come_back(
    service: MemoryService, reopen: Reopen, data_dir: Path
) -> None:
    ids = fill(service)
    service.delete_memory(ANN, ids["tea"])
    service.forget_user(BOB)
    service.close()
    rmtree(data_dir / "chroma")
    assert rebuild_index(settings(data_dir)).memories == 1
    assert texts(reopen(), ANN) == ["oak and ash"]
    assert texts(reopen(), BOB) == []
    assert collections(data_dir) == {INDEX: 1}


def test_another_embedder_gets_an_index_of_its_own_and_the_old_one_stays(
    service: MemoryService, data_dir: Path, letters: Letters
) -> None:
    ids = fill(service)
    service.close()
    with pytest.raises(IndexMismatch):
        open_service(settings(data_dir))
    report = rebuild_index(settings(data_dir))
    assert report.index == "mem0-letters-26"
    assert sorted(letters.embedded) == ["elm", "oak and ash", "tea", "tea of bob"]
    assert collections(data_dir) == {INDEX: 4, "mem0-letters-26": 4}
    with open_service(settings(data_dir)) as other:
        assert other.query_memories(ANN, "tea", mode="index")[0].memory.id == ids["tea"]
        assert other.audit().clean


def test_another_index_name_is_filled_beside_the_old_one(
    service: MemoryService, data_dir: Path
) -> None:
    fill(service)
    named = settings(data_dir, MEMORY_INDEX="second")
    assert rebuild_index(named).audit.clean
    assert collections(data_dir) == {INDEX: 4, "second": 4}
    with open_service(named) as other:
        assert texts(other, ANN) == ["oak and ash", "tea"]


@pytest.mark.parametrize("fault", ["metric", "dimension"])
def test_an_index_of_another_shape_is_left_alone_and_the_variable_named(
    lost: dict[str, str], data_dir: Path, fault: str
) -> None:
    metric: Any = {"hnsw": {"space": "l2" if fault == "metric" else "cosine"}}
    with open_folder(data_dir / "chroma").client("make", writes=True) as client:
        made = client.create_collection(INDEX, configuration=metric, embedding_function=None)
        values = [1.0] * (256 if fault == "metric" else 3)
        made.upsert(ids=["theirs"], embeddings=[values], metadatas=[{"data": "theirs"}])
    with pytest.raises(IndexMismatch, match="MEMORY_INDEX"):
        rebuild_index(settings(data_dir))
    assert collections(data_dir) == {INDEX: 1}
    report = rebuild_index(settings(data_dir, MEMORY_INDEX="second"))
    assert report.audit.clean
    assert collections(data_dir) == {INDEX: 1, "second": 4}


def test_what_was_never_recorded_stays_and_is_reported(
    service: MemoryService, data_dir: Path
) -> None:
    fill(service)
    with open_folder(data_dir / "chroma").collection(INDEX, "put", writes=True) as made:
        # Without any payload, as others may put it.
        made.upsert(ids=["theirs"], embeddings=[[1.0] * 256])
    report = rebuild_index(settings(data_dir))
    assert found_in(report.audit) == {"unexpected": {"theirs"}}
    assert not report.audit.clean
    assert collections(data_dir) == {INDEX: 5}


def test_nothing_on_record_makes_an_empty_index(data_dir: Path, reopen: Reopen) -> None:
    report = rebuild_index(settings(data_dir))
    assert (report.memories, report.users, report.embedded) == (0, 0, 0)
    assert report.audit.clean
    assert reopen().users() == []


class Killed(BaseException):
    """The process dies here."""


def test_until_an_interrupted_rebuild_is_finished_nothing_is_missing_from_an_answer(
    service: MemoryService, data_dir: Path, letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(service)
    service.close()
    rmtree(data_dir / "chroma")
    monkeypatch.setattr(repairing, "BATCH", 1)
    whole_put = ChromaStore.put
    puts = 0

    def put(self: ChromaStore, vectors: Any) -> None:
        nonlocal puts
        puts += 1
        if puts == 2:
            raise Killed
        whole_put(self, vectors)

    monkeypatch.setattr(ChromaStore, "put", put)
    with pytest.raises(Killed):
        rebuild_index(settings(data_dir))
    monkeypatch.setattr(ChromaStore, "put", whole_put)
    assert collections(data_dir) == {"mem0-letters-26": 1}

    with open_service(settings(data_dir)) as half:
        assert texts(half, ANN) == ["oak and ash", "tea"]
        assert texts(half, BOB) == ["elm", "tea of bob"]
        hits = half.query_memories(BOB, "elm")
        assert sorted(hit.memory.id for hit in hits) == sorted([ids["elm"], ids["tea of bob"]])
        unindexed = {
            one.id for user in (ANN, BOB) for one in half.list_memories(user) if not one.indexed
        }
        assert len(unindexed) == 3
        assert found_in(half.audit()) == {"missing": unindexed}

    letters.embedded.clear()
    report = rebuild_index(settings(data_dir))
    assert (report.embedded, len(letters.embedded)) == (3, 3)
    assert report.audit.clean
    assert collections(data_dir) == {"mem0-letters-26": 4}


# Real processes


def test_a_killed_rebuild_goes_on_from_the_command_line(
    lost: dict[str, str], data_dir: Path, reopen: Reopen, zygote: Zygote, tmp_path: Path
) -> None:
    killed = zygote.start("rebuild_and_die", data_dir=data_dir, puts=2)
    assert killed.wait() == -signal.SIGKILL, killed.reported()
    commands = CommandLine(zygote, tmp_path)
    half = commands.run("audit", "--json")
    assert half.code == 1
    found = json.loads(half.out)
    assert len(found["missing"]) == 2
    assert (found["clean"], found["repaired"], found["checked"]) == (False, 0, 4)
    assert found["unexpected"] == found["altered"] == found["undeleted"] == []
    done = commands.run("rebuild", "--json").document
    assert (done["memories"], done["embedded"], done["clean"]) == (4, 2, True)
    repaired = commands.run("audit", "--repair")
    assert (repaired.code, repaired.out) == (0, "4 memories of 2 users are as recorded.\n")
    assert texts(reopen(), ANN) == ["oak and ash", "tea"]
