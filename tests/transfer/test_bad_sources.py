"""What cannot be migrated is refused with a sentence, by itself; the rest comes along."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from memory_core import MemoryService
from memory_core import transfer as m
from memory_core.errors import BackendError, BackendUnavailable, MigrationError
from memory_core.model.limits import MAX_MEMORY_BYTES
from memory_core.transfer.migration_source import open_source
from memory_core.transfer.staging import Staging
from tests.support.intakes import Hashes, texts
from tests.support.migration_worlds import RELEASES, Old, contents, plain_collection, state, unpack

Worlds = Callable[..., MemoryService]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mongo:x", "is not the address of a source"),
        ("here", "is not the address of a source"),
        ("chroma:", "is not the address of a source"),
        ("chroma-http://nowhere", "names no host and port"),
        ("s3vectors:bucket", "names no index"),
        ("chroma:{0}/none", "there is no folder"),
        ("chroma:{0}/empty", "not a ChromaDB folder"),
        ("chroma:{0}/ancient", "older than 0.4"),
        ("chroma:{0}/torn", "cannot be read as a database of ChromaDB"),
        ("history:{0}/torn/chroma.sqlite3", "name one with --user"),
        ("jsonl:{0}/none.jsonl", "could not read"),
        ("jsonl:{0}/cut.jsonl", "was cut off"),
    ],
)
def test_what_is_no_source_is_refused_with_a_sentence(
    tmp_path: Path, world: Worlds, address: str, said: str
) -> None:
    for name in ("empty", "ancient", "torn"):
        (tmp_path / name).mkdir()
    (tmp_path / "ancient" / "chroma-collections.parquet").write_bytes(b"PAR1")
    header = {"holdfast": "memories", "format": 1, "version": "0.1.0", "user_id": None}
    header |= {"as_of": "2026-01-01T00:00:00+00:00", "vectors": False}
    header |= {"embedder": {"name": "hashes", "dimensions": 8}}
    (tmp_path / "cut.jsonl").write_text(json.dumps(header) + "\n")
    whole = unpack(RELEASES[-1], tmp_path).folder / "chroma" / "chroma.sqlite3"
    (tmp_path / "torn" / "chroma.sqlite3").write_bytes(whole.read_bytes()[:90_000])
    with pytest.raises((MigrationError, BackendError), match=said):
        m.plan(world(), address.format(tmp_path))


def test_a_history_that_is_none_is_refused(tmp_path: Path, world: Worlds) -> None:
    (tmp_path / "history.db").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(MigrationError, match="cannot be read as a history of mem0"):
        m.plan(world(), f"history:{tmp_path / 'history.db'}", user="ann")
    with pytest.raises(MigrationError, match="could not read"):
        m.plan(world(), f"history:{tmp_path / 'none.db'}", user="ann")


def test_a_collection_that_is_not_there_is_named_with_those_that_are(
    old: Old, world: Worlds
) -> None:
    with pytest.raises(MigrationError, match="no collection 'mem1'; it has 'cosine', 'mem0'"):
        m.plan(world(), f"{old.chroma}#mem1")


def test_a_database_that_another_process_holds_is_said_to_be_held(
    old: Old, world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.storage.sqlite_readonly._BUSY_S", 0.01)
    with closing(sqlite3.connect(old.folder / "chroma" / "chroma.sqlite3")) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BackendUnavailable, match="another process is writing"):
            m.plan(world(), old.chroma)


def test_each_row_that_is_no_memory_is_refused_by_itself(tmp_path: Path, world: Worlds) -> None:
    path = tmp_path / "theirs"
    rows: dict[str, dict[str, Any]] = {
        "fine": {"user_id": "Ann", "data": "tea", "created_at": "2026-01-02T03:04:05+00:00"},
        "no-text": {"user_id": "ann", "topic": "none"},
        "no-user": {"agent_id": "chef", "data": "salt"},
        "bad-user": {"user_id": "\u200b", "data": "salt"},
        "has space": {"user_id": "ann", "data": "figs"},
        "wide": {"user_id": "ann", "data": "x", "note": "y" * 2000},
    }
    plain_collection(path, "mem0", rows)
    plain_collection(path, "mem0migrations", {"u": {"user_id": "somebody"}})
    plain_collection(path, "mem0_entities", {"e": {"user_id": "ann", "data": "London"}})
    before = state(path)
    service = world()
    plan = m.plan(service, f"chroma:{path}")
    report = m.apply(service, f"chroma:{path}")
    assert state(path) == before
    assert {one.name: bool(one.skipped) for one in plan.survey.parts} == {
        "mem0": False, "mem0migrations": True, "mem0_entities": True,
    }  # fmt: skip
    assert (report.copied, report.failed, report.ok) == (1, 5, False)
    reasons = {one.id: one.reason for one in report.intake.refused}
    assert reasons == {one.id: one.reason for one in plan.intake.refused}
    assert "no text" in reasons["no-text"]
    assert "--user" in reasons["no-user"]
    assert "no visible character" in reasons["bad-user"]
    assert "without spaces" in reasons["has space"]
    assert "metadata takes" in reasons["wide"]
    assert not m.verify(service, f"chroma:{path}").verified
    owned = m.apply(service, f"chroma:{path}", user="Chef@X.com")
    assert (owned.copied, texts(service, "chef@x.com")) == (1, {"no-user": "salt"})


def test_lost_vectors_are_made_anew(old: Old, world: Worlds) -> None:
    for file in (old.folder / "chroma").glob("*/data_level0.bin"):
        file.write_bytes(b"")
    with closing(sqlite3.connect(old.folder / "chroma" / "chroma.sqlite3")) as database:
        database.execute("UPDATE embeddings_queue SET vector = NULL WHERE seq_id % 2")
        database.commit()
    service = world()
    report = m.apply(service, old.chroma)
    assert (report.copied, report.ok) == (76, True)
    assert 0 < report.intake.embedded < 76
    assert set(contents(service)) == set(old.live)


@pytest.mark.parametrize("content", ["", "\n"])
def test_nothing_to_migrate_is_no_error(tmp_path: Path, world: Worlds, content: str) -> None:
    (tmp_path / "theirs").mkdir()
    plain_collection(tmp_path / "theirs", "mem0", {"a": {"user_id": "ann", "data": "tea"}})
    with closing(sqlite3.connect(tmp_path / "theirs" / "chroma.sqlite3")) as database:
        database.executescript("DELETE FROM embeddings; DELETE FROM embeddings_queue;")
    service = world()
    plan = m.plan(service, f"chroma:{tmp_path / 'theirs'}")
    assert (plan.planned, plan.failed, plan.survey.rows) == (0, 0, 0)
    assert m.apply(service, f"chroma:{tmp_path / 'theirs'}").ok
    assert m.verify(service, f"chroma:{tmp_path / 'theirs'}").verified


def test_a_text_too_long_for_one_memory_becomes_linked_parts(tmp_path: Path, world: Worlds) -> None:
    sentence = "Das ist der große Satz Nummer {}. "
    long = "".join(map(sentence.format, range(2200)))
    line = {"id": "long", "user_id": "Ann", "memory": long, "metadata": {"topic": "t"}}
    (tmp_path / "a.jsonl").write_text(json.dumps(line))
    service = world()
    source = f"jsonl:{tmp_path / 'a.jsonl'}"
    report = m.apply(service, source)
    assert (report.survey.split, report.copied, report.ok) == (1, 3, True)
    parts = sorted(service.list_memories("ann"), key=lambda one: int(one.metadata["part"]))
    assert " ".join(one.memory for one in parts) == long.strip()
    assert parts[0].id == "long"
    assert all(one.memory.endswith(".") for one in parts)
    assert all(len(one.memory.encode()) <= MAX_MEMORY_BYTES for one in parts)
    assert [dict(one.metadata) for one in parts] == [
        {"topic": "t", "part": number, "parts": 3, "part_of": "long"} for number in (1, 2, 3)
    ]
    assert m.apply(service, source).copied == 0
    assert m.verify(service, source).verified


def test_what_is_read_lies_on_disk_and_not_in_memory(tmp_path: Path, world: Worlds) -> None:
    peaks = []
    for number in (500, 2_500):
        file = tmp_path / f"{number}.jsonl"
        file.write_text(
            "\n".join(
                json.dumps({"id": f"m{at}", "user_id": f"u{at % 9}", "memory": f"{at} " * 50})
                for at in range(number)
            )
        )
        with (
            Staging(Hashes(), None) as staging,
            open_source(world(), f"jsonl:{file}") as source,
        ):
            tracemalloc.start()
            assert staging.fill(source).rows == number
            assert sum(1 for _ in staging.memories()) == number
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000, peaks
