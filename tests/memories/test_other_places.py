"""What lies in another place than the one in use is found by its ids; nothing there is touched."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from memory_core import MemoryService, Settings, open_service
from memory_core.cli import cli
from memory_core.errors import BackendError
from memory_core.model.census import OtherPlaces
from memory_core.render.audit_report import other_places_text
from memory_core.storage.vectors.chroma import open_folder
from memory_core.storage.vectors.chroma_readonly import ChromaReader, is_chroma
from tests.support.migration_worlds import plain_collection
from tests.support.s3_bench import Bench, open_bench

ANN = "ann@example.com"


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


def opened(data_dir: Path, bench: Bench | None = None, **more: str) -> MemoryService:
    environ = {**(bench.environ if bench else {}), "MEMORY_DATA_DIR": str(data_dir), **more}
    environ["MEMORY_AUTO_MIGRATE"] = "0"
    return open_service(Settings.from_env(environ))


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything below a folder, with its times and sizes."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in [folder, *folder.rglob("*")]
    }


def missing(elsewhere: OtherPlaces) -> dict[str | None, tuple[int, int, int]]:
    return {
        one.user_id: (one.memories, one.missing, one.deleted)
        for place in elsewhere.places
        for one in place.users
    }


def test_on_s3_what_the_local_folder_holds_is_compared_and_left_as_it_is(
    bench: Bench, data_dir: Path
) -> None:
    with opened(data_dir) as local:
        for user, text in ((ANN, "tea"), (ANN, "oats"), ("bob", "rye")):
            local.add_text_memory(user, text)
    plain_collection(
        data_dir / "chroma", "mem0", {"p1": {"user_id": " Ann@Example.com", "data": "figs"},
                                      "p2": {"agent_id": "chef", "data": "salt"}},
    )  # fmt: skip
    with opened(data_dir, bench) as service:
        # The id of a memory follows from user and text, so these are the same.
        service.add_text_memory(ANN, "tea")
        (gone,) = service.add_text_memory("bob", "rye")
        service.delete_memory("bob", gone.id)
        before = state(data_dir)
        told: list[tuple[int, int]] = []
        found = service.elsewhere(lambda done, total: told.append((done, total)))
        assert state(data_dir) == before
        assert missing(found) == {ANN: (3, 2, 0), "bob": (1, 1, 1), None: (1, 1, 0)}
        assert found.missing == 4
        assert found.places[0].users[0].forms == (" Ann@Example.com", ANN)
        assert told[-1][0] == told[-1][1]
        whose = service.find("Ann@example.com", elsewhere=found).elsewhere
        assert [(place.backend, one.missing) for place, one in whose] == [("chroma", 2)]
    assert "bob" in other_places_text(found)


def test_no_local_folder_is_the_normal_case(bench: Bench, data_dir: Path) -> None:
    with opened(data_dir, bench) as service:
        service.add_text_memory(ANN, "tea")
        bench.standin.reset_requests()
        assert service.elsewhere().places == ()
        assert bench.asked() == 0
    assert not data_dir.exists()


def test_on_chromadb_what_s3_holds_is_compared_where_it_can_be_read(
    bench: Bench, data_dir: Path
) -> None:
    with opened(data_dir / "unused", bench) as remote:
        remote.add_text_memory(ANN, "tea")
        remote.add_text_memory(ANN, "oats")
        key = remote.add_text_memory("bob", "rye")[0].id
        stray = remote.parts.store.get([key], with_values=True)[key]
        remote.parts.store.put(
            [type(stray)("s1", {"user_id": "Carol", "data": "figs"}, stray.values)]
        )
    with opened(data_dir, bench, MEMORY_BACKEND="chroma") as service:
        service.add_text_memory(ANN, "tea")
        found = service.elsewhere()
        assert missing(found) == {ANN: (2, 1, 0), "bob": (1, 1, 0), "carol": (1, 1, 0)}
        assert (found.places[0].backend, found.places[0].note) == ("s3_vectors", "")
    moved = {"MEMORY_INDEX": "another", "CHROMA_PATH": str(data_dir / "chroma")}
    with opened(data_dir / "new", bench, MEMORY_BACKEND="chroma", **moved) as service:
        chroma, s3 = service.elsewhere().places
        assert (chroma.backend, chroma.missing) == ("chroma", 1)
        # Without its index, S3 still has its record.
        assert {one.user_id for one in s3.users} == {ANN, "bob"}
        assert "only its record was read" in s3.note


def test_half_of_a_configuration_is_said_to_be_too_little(data_dir: Path) -> None:
    with opened(data_dir, AWS_S3_BUCKET="documents") as service:
        (place,) = service.elsewhere().places
    assert (place.backend, place.looked) == ("s3_vectors", False)
    assert "AWS_REGION" in place.note
    with opened(data_dir) as service:
        assert service.elsewhere().places == ()


def test_the_command_ends_with_1_where_memories_lie_elsewhere(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(data_dir) as service:
        service.add_text_memory(ANN, "tea")
    plain_collection(data_dir / "chroma", "mem0", {"p1": {"user_id": ANN, "data": "figs"}})
    shown = CliRunner().invoke(cli, ["users", "--scan"])
    assert shown.exit_code == 1
    assert "collection 'mem0'" in shown.output
    assert "1 memory, of which 1 is not here" in shown.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that ChromaDB filled, changed and deleted in."""
    path = tmp_path / "theirs"
    lists = {"user_id": " A@x.com", "data": "t", "n": 1, "f": 0.5, "b": True, "l": ["x", "y"]}
    plain_collection(
        path, "mem0", {"a": lists, "b": {"data": "x"}, "c": {"memory": "gone"}, "d": {"n": 2}}
    )
    with open_folder(path).collection("mem0", "test", writes=True) as collection:
        collection.update(ids=["b"], metadatas=[{"data": "y", "extra": 0}])
        collection.delete(ids=["c"])
    open_folder(path).close()
    return path


WANTED = {
    "a": {"user_id": " A@x.com", "data": "t", "n": 1, "f": 0.5, "b": True, "l": ["x", "y"]},
    "b": {"data": "y", "extra": 0},
    "d": {"n": 2},
}


def read(path: Path) -> dict[str, dict[str, Any]]:
    with ChromaReader(path) as reader:
        (collection,) = reader.collections()
        assert collection.name == "mem0"
        return {one.id: dict(one.payload) for one in reader.memories(collection)}


def test_a_folder_of_chromadb_is_read_as_chromadb_reads_it(folder: Path) -> None:
    before = state(folder)
    assert read(folder) == WANTED
    with ChromaReader(folder) as reader:
        (collection,) = reader.collections()
        some = {one.id: one.payload for one in reader.memories(collection, ("user_id",))}
    assert some == {"a": {"user_id": " A@x.com"}, "b": {}, "d": {}}
    assert state(folder) == before


def test_what_waits_in_the_queue_counts_as_written(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "chroma.sqlite3")) as database:
        (topic,) = database.execute("SELECT topic FROM embeddings_queue").fetchone()
        for one, operation, metadata in (
            ("a", 2, '{"n": 5, "f": null}'), ("b", 3, None), ("e", 0, '{"data": "new"}'),
            ("d", 3, None), ("d", 0, '{"data": "anew"}'),
        ):  # fmt: skip
            database.execute(
                "INSERT INTO embeddings_queue (operation, topic, id, metadata) VALUES (?,?,?,?)",
                (operation, topic, one, metadata),
            )
        database.commit()
    changed = {**WANTED["a"], "n": 5}
    del changed["f"]
    assert read(folder) == {"a": changed, "d": {"data": "anew"}, "e": {"data": "new"}}


@pytest.mark.parametrize("left_behind", ["a crash", "wal"])
def test_a_database_that_cannot_be_read_in_place_is_read_from_a_copy(
    folder: Path, left_behind: str
) -> None:
    file = folder / "chroma.sqlite3"
    if left_behind == "wal":
        with closing(sqlite3.connect(file)) as database:
            database.execute("PRAGMA journal_mode = WAL")
    elif (child := os.fork()) == 0:
        writer = sqlite3.connect(file)
        writer.executescript("PRAGMA cache_size = 1; BEGIN IMMEDIATE;")
        for number in range(100):
            writer.execute("INSERT INTO maintenance_log VALUES (?, 1, ?)", (number, "x" * 5000))
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        os.waitpid(child, 0)
        assert Path(f"{file}-journal").stat().st_size
    before = state(folder)
    assert read(folder) == WANTED
    assert state(folder) == before


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 50])
def test_what_is_no_database_of_chromadb_is_refused_and_told(
    data_dir: Path, tmp_path: Path, bench: Bench, content: bytes
) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(content)
    assert is_chroma(tmp_path)
    with pytest.raises(BackendError, match="cannot be read as a database of ChromaDB"):
        read(tmp_path)
    with opened(data_dir, bench, CHROMA_PATH=str(tmp_path)) as service:
        (place,) = service.elsewhere().places
    assert not place.looked
    assert "check that the folder belongs to ChromaDB" in place.note
