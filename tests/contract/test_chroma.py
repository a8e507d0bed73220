"""What only ChromaDB can do to us: other metrics, missing collections, damaged folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_core import MemoryService, Settings, open_service
from memory_core.errors import BackendError, IndexMismatch
from memory_core.storage.vectors import Vector
from memory_core.storage.vectors.chroma import open_chroma, open_folder
from tests.support.child_tasks import text_if_there

Reopen = Callable[[], MemoryService]


def open_with(data_dir: Path, **environ: str) -> MemoryService:
    return open_service(Settings.from_env({"MEMORY_DATA_DIR": str(data_dir), **environ}))


def make_collection(path: Path, name: str, metric: str) -> None:
    """Make a collection as somebody else might have."""
    with open_folder(path).client("create", writes=True) as client:
        configuration: Any = {"hnsw": {"space": metric}}
        client.create_collection(name, configuration=configuration, embedding_function=None)
    open_folder(path).close()


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_a_collection_of_another_metric_is_refused_with_both_sides(
    tmp_path: Path, metric: str
) -> None:
    make_collection(tmp_path, "ours", metric)
    with pytest.raises(IndexMismatch) as caught:
        open_chroma(tmp_path, "ours", 8, create=True)
    assert f"'{metric}'" in str(caught.value)
    assert "'cosine'" in str(caught.value)
    assert "MEMORY_INDEX" in str(caught.value)


def test_a_collection_of_other_dimensions_is_refused_with_both_sides(tmp_path: Path) -> None:
    store = open_chroma(tmp_path, "ours", 8, create=True)
    store.put([Vector("a", {"user_id": "ann"}, np.eye(8, dtype=np.float32)[0])])
    with pytest.raises(IndexMismatch, match=r"has 8 dimensions .* makes 16"):
        open_chroma(tmp_path, "ours", 16, create=True)
    store.close()
    with pytest.raises(IndexMismatch, match=r"has 8 dimensions .* makes 16"):
        open_chroma(tmp_path, "ours", 16, create=False)
    assert set(open_chroma(tmp_path, "ours", 8, create=False).keys()) == {"a"}


def test_a_missing_collection_with_memories_on_record_offers_rebuild(
    service: MemoryService, data_dir: Path
) -> None:
    service.add_text_memory("ann", "likes tea")
    service.close()
    with pytest.raises(IndexMismatch) as caught:
        open_with(data_dir, MEMORY_INDEX="mistyped")
    assert "'mistyped'" in str(caught.value)
    assert "python -m memory_core rebuild" in str(caught.value)
    assert [one.memory for one in open_with(data_dir).list_memories("ann")] == ["likes tea"]
    with open_folder(data_dir / "chroma").client("list") as client:
        assert "mistyped" not in {collection.name for collection in client.list_collections()}


def test_a_mistyped_folder_does_not_come_into_being(service: MemoryService, data_dir: Path) -> None:
    service.add_text_memory("ann", "likes tea")
    service.close()
    mistyped = data_dir.parent / "mistyped"
    with pytest.raises(IndexMismatch, match=r"mistyped.* rebuild"):
        open_with(data_dir, CHROMA_PATH=str(mistyped))
    assert not mistyped.exists()


def test_a_folder_path_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BackendError, match=r"/file'.*CHROMA_PATH"):
        open_with(tmp_path / "data", CHROMA_PATH=str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 80, b"SQLite format 3\x00" + b"\xff" * 9000, b"hello"]
)
def test_a_damaged_database_is_an_error_each_time_and_mends_in_the_same_process(
    data_dir: Path, content: bytes
) -> None:
    with open_with(data_dir) as service:
        service.add_text_memory("ann", "likes tea")
    database = data_dir / "chroma" / "chroma.sqlite3"
    good = database.read_bytes()
    database.write_bytes(content)
    for _ in range(2):
        with pytest.raises(BackendError, match="chroma"):
            open_with(data_dir)
    assert database.read_bytes() == content
    database.write_bytes(good)
    with open_with(data_dir) as service:
        assert [one.memory for one in service.list_memories("ann")] == ["likes tea"]


def test_a_vector_index_that_lost_its_files_still_lists_and_finds_everything(
    data_dir: Path, reopen: Reopen
) -> None:
    service = reopen()
    service.add_text_memory("ann", "likes tea")
    service.close()
    for path in (data_dir / "chroma").rglob("*.bin"):
        path.write_bytes(b"")
    service = reopen()
    assert [one.memory for one in service.list_memories("ann")] == ["likes tea"]
    assert service.query_memories("ann", "likes tea")[0].memory.memory == "likes tea"


def test_a_copy_of_the_folder_elsewhere_has_everything_and_goes_on(
    service: MemoryService, data_dir: Path, tmp_path: Path
) -> None:
    (first,) = service.add_text_memory("ann", "likes tea")
    service.update_memory("ann", first.id, "likes cocoa")
    service.add_text_memory("ann", "likes rye")
    service.close()
    moved = Path(shutil.copytree(data_dir, tmp_path / "other host" / "data"))
    with open_with(moved) as copied:
        assert copied.list_memories("ann") == service.list_memories("ann")
        assert copied.history("ann") == service.history("ann")
        copied.add_text_memory("ann", "likes oats", verify=True)
        assert len(copied.search("ann", "oats", mode="index").hits) == 3
    assert len(service.list_memories("ann")) == 2


def test_a_ledger_without_its_index_is_an_error_that_offers_rebuild(
    service: MemoryService, data_dir: Path
) -> None:
    service.add_text_memory("ann", "likes tea")
    service.close()
    shutil.rmtree(data_dir / "chroma")
    for _ in range(2):
        with pytest.raises(IndexMismatch, match="rebuild"):
            open_with(data_dir)
    assert not (data_dir / "chroma").exists()


def test_two_services_in_one_process_share_the_folder_and_survive_each_others_closing(
    data_dir: Path,
) -> None:
    one, other = open_with(data_dir), open_with(data_dir)
    one.add_text_memory("ann", "likes tea")
    one.close()
    other.add_text_memory("ann", "likes rye", verify=True)
    assert {found.memory for found in one.list_memories("ann")} == {"likes tea", "likes rye"}
    other.close()


def threads_named(name: str) -> int:
    return sum(
        text_if_there(task / "comm").startswith(name) for task in Path("/proc/self/task").iterdir()
    )


def test_chromadb_starts_one_thread_for_its_own_tasks_whatever_others_are_told(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several, one of them may spin for ever: https://github.com/launchbadge/sqlx/issues/3645.

    Those that it starts for files have the same name.
    """
    monkeypatch.setenv("TOKIO_WORKER_THREADS", "64")
    before = threads_named("tokio-rt")
    reopen().add_text_memory("ann", "likes tea")
    assert threads_named("tokio-rt") - before < 64
    assert os.environ["TOKIO_WORKER_THREADS"] == "64"


def test_plain_mem0_finds_our_memories_by_user(service: MemoryService, data_dir: Path) -> None:
    service.add_text_memory("ann", "likes tea", metadata={"topic": "drinks"}, agent_id="chef")
    service.add_text_memory("bob", "likes rye")
    service.close()
    from mem0.vector_stores.chroma import ChromaDB

    plain = ChromaDB(
        collection_name=service.status().location["collection"], path=str(data_dir / "chroma")
    )
    (found,) = plain.list(filters={"user_id": "ann"}, top_k=10)[0]
    (ours,) = service.list_memories("ann")
    assert found.id == ours.id
    assert found.payload["data"] == "likes tea"
    assert {"hash", "created_at", "user_id", "agent_id", "topic"} <= found.payload.keys()
    near = plain.search("tea", [found_values(service, ours.id)], filters={"user_id": "bob"})
    assert [one.payload["data"] for one in near] == ["likes rye"]


def found_values(service: MemoryService, memory_id: str) -> list[float]:
    store = open_chroma(
        service.settings.chroma_path, service.status().location["collection"], 256, create=False
    )
    values = store.get([memory_id], with_values=True)[memory_id].values
    assert values is not None
    return [float(number) for number in values]
