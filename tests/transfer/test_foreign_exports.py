"""Exports of other systems: whose memories they are, what is left out, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memory_core import InvalidMemory, MemoryService
from memory_core.render.transfer import import_document, import_text
from memory_core.transfer import apply, export_memories, import_memories, verify
from tests.support.intakes import carried, open_world, said, take, texts, written

FOREIGN = Path(__file__).parent / "foreign"
ALICE = ("aaaaaaaa-0000-4000-8000-000000000001", "Alice is allergic to cashews")
BOB = ("aaaaaaaa-0000-4000-8000-000000000002", "Bob plays violin")


@pytest.fixture
def world(tmp_path: Path) -> MemoryService:
    return open_world(tmp_path / "world")


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def utf16(content: bytes) -> bytes:
    return content.decode().encode("utf-16")


PACKINGS: dict[str, Callable[[Path, bytes], Path]] = {
    "plain": lambda path, content: path,
    "gz": lambda path, content: _written(path.with_suffix(".gz"), gzip.compress(content)),
    "zip": lambda path, content: packed(
        path.with_suffix(".zip"),
        {
            "a/": b"",
            "__MACOSX/._x.json": b"\0",
            "x.manifest.json": b"{}",
            f"a/{path.name}": content,
        },
    ),
    "utf-16": lambda path, content: _written(path.with_suffix(".16"), utf16(content)),
}


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize(
    "name", ["get_all.jsonl", "get_all_compact.json", "get_all_list.json", "get_all_pretty.json"]
)
def test_get_all_of_mem0_in_every_shape(
    world: MemoryService, tmp_path: Path, name: str, packing: str
) -> None:
    path = _written(tmp_path / name, (FOREIGN / name).read_bytes())
    report = import_memories(world, PACKINGS[packing](path, path.read_bytes()))
    assert (report.ok, report.whole, dict(report.not_carried)) == (True, None, {})
    assert texts(world, "alice@example.com") == dict([ALICE])
    assert texts(world, "bob@example.com") == dict([BOB])
    memory = world.get_memory("alice@example.com", ALICE[0])
    assert (memory.metadata, memory.role) == ({"category": "health"}, "user")
    assert memory.created_at.isoformat() == "2025-03-01T10:00:00-08:00"
    assert world.get_memory("bob@example.com", BOB[0]).updated_at.day == 3


@pytest.mark.parametrize("name", ["platform.jsonl", "platform_page.json"])
def test_rows_of_the_platform(world: MemoryService, name: str) -> None:
    report = import_memories(world, FOREIGN / name)
    assert report.ok
    assert dict(report.not_carried) == {"structured_attributes": 1}
    vegan, moved = sorted(world.list_memories("carol@example.com"), key=lambda row: row.created_at)
    assert vegan.metadata == {
        "food": "vegan", "categories": ["food", "health"], "app_id": "shop", "immutable": False,
        "owner": "carol",
    }  # fmt: skip
    assert (moved.metadata["loc"], str(moved.expires)) == ('{"city": "Lyon"}', "2024-08-01")
    assert "Not carried, and not verified: structured_attributes (1)." in import_text(report)
    assert import_document(report)["not_carried"] == {"structured_attributes": 1}


@pytest.mark.parametrize(
    ("name", "user"),
    [("memories.jsonl", "dan"), ("memories.jsonl.gz", "dan"), ("memories.json", None),
     ("memories_export_dan.zip", None)],
)  # fmt: skip
def test_what_openmemory_has_deleted_stays_out_unless_asked_for(
    world: MemoryService, tmp_path: Path, name: str, user: str | None
) -> None:
    report = import_memories(world, FOREIGN / name, user_id=user)
    assert (report.ok, said(report.intake)) == (True, {"added": 1, "embedded": 1})
    assert list(texts(world, "dan").values()) == ["Dan likes jazz"]
    assert report.left_out == {"deleted": 1, "archived": 1, "paused": 1}
    assert [summary.user_id for summary in world.users()] == ["dan"]
    words = "Left out because they are not in use there: deleted (1), archived (1), paused (1)."
    assert words in import_text(report)
    again = import_memories(world, FOREIGN / name, user_id=user, inactive=True)
    assert (again.left_out, len(texts(world, "dan"))) == ({}, 4)
    left = {row.memory: row.metadata.get("state") for row in world.list_memories("dan")}
    assert left["Dan's salary is 5000"] == "paused"
    assert left["Dan likes jazz"] is None


def test_a_migration_leaves_the_same_out(world: MemoryService) -> None:
    source = f"jsonl:{FOREIGN / 'memories.json'}"
    report = apply(world, source)
    assert (report.ok, report.copied) == (True, 1)
    assert [(part.skipped, part.rows) for part in report.survey.parts] == [
        ("", 1), ("deleted", 1), ("archived", 1), ("paused", 1),
    ]  # fmt: skip
    assert verify(world, source).verified


def test_a_migration_names_the_fields_that_do_not_fit(world: MemoryService) -> None:
    report = apply(world, f"jsonl:{FOREIGN / 'platform.jsonl'}")
    (_, part) = report.survey.parts
    assert part.skipped == "the field structured_attributes, where it does not fit"
    assert (report.copied, part.rows) == (2, 1)


def test_a_table_of_somebodys_own(world: MemoryService, tmp_path: Path) -> None:
    assert import_memories(world, FOREIGN / "foreign.csv").ok
    frank = world.get_memory("frank", "1")
    assert (frank.memory, frank.created_at.isoformat()) == (
        "Frank likes fog", "2025-01-01T00:00:00+00:00",
    )  # fmt: skip
    rows = (
        "sep=;\r\nUser ID;Memory;Created At;Mood\r\nélan;'tis a pity;1735689600;ça va;\r\n\r\nbo;x"
    )
    for encoding in ("utf-8-sig", "utf-16", "cp1252"):
        table = open_world(tmp_path / encoding)
        path = _written(tmp_path / f"{encoding}.csv", rows.encode(encoding))
        assert import_memories(table, path).ok, encoding
        (memory,) = table.list_memories("élan")
        assert (memory.memory, memory.metadata) == ("'tis a pity", {"Mood": "ça va"})
        assert memory.created_at.year == 2025
    path = written(tmp_path / "wide.csv", "memory,user_id", "x,ann,too,many", "y,ann")
    wide = import_memories(world, path)
    assert [(row.line, row.reason) for row in wide.intake.refused] == [
        (2, "there are more cells than columns")
    ]


def test_a_table_of_ours_without_its_first_line(world: MemoryService, tmp_path: Path) -> None:
    source = open_world(tmp_path / "source")
    take(source, carried("m-1", "ann", "=1+1", topic="'x"))
    export_memories(source, tmp_path / "all.csv", kind="csv")
    lines = (tmp_path / "all.csv").read_bytes().splitlines(True)
    assert import_memories(world, _written(tmp_path / "rows.csv", b"".join(lines[1:-1]))).ok
    assert texts(world, "ann") == {"m-1": "=1+1"}
    assert world.get_memory("ann", "m-1").metadata == {"topic": "'x"}


def test_nobody_is_guessed_and_users_are_kept_apart(world: MemoryService) -> None:
    report = import_memories(world, FOREIGN / "nobody.jsonl")
    assert not report.ok
    assert "names no user" in report.intake.refused[0].reason
    assert import_text(report).endswith("None of the memories is stored, so nothing was verified.")
    assert world.users() == []
    assert import_memories(world, FOREIGN / "sametext.jsonl").ok
    assert (len(texts(world, "u1")), len(texts(world, "u2"))) == (3, 1)


def test_ids_and_times_of_other_kinds(world: MemoryService, tmp_path: Path) -> None:
    path = written(
        tmp_path / "odd.jsonl",
        {"id": 7, "userId": 42, "text": "a", "createdAt": 1735689600000},
        {"id": "b", "user_id": "42", "text": "b", "created_at": "last Tuesday"},
        {"id": [1], "user_id": "42", "text": "c"},
        '{"id": "d", "user_id": "42", "text": "d", "score": NaN}',
        '{"id": "e", "user_id": "42", "text": "e", "actor_id": "\\ud800"}',
    )
    report = import_memories(world, path)
    assert texts(world, "42") == {"7": "a", "d": "d"}
    assert world.get_memory("42", "7").created_at.isoformat() == "2025-01-01T00:00:00+00:00"
    assert sorted(row.line for row in report.intake.refused) == [2, 3, 5]
    reasons = " ".join(row.reason for row in report.intake.refused)
    assert "'last Tuesday' cannot be read" in reasons
    assert "the id [1] is not text" in reasons
    assert "actor_id has a broken character" in reasons


def test_a_text_that_is_too_long_is_cut_into_parts(world: MemoryService, tmp_path: Path) -> None:
    row = {"id": "m-1", "user_id": "ann", "memory": "A sentence. " * 4_000}
    path = written(tmp_path / "long.jsonl", row)
    for _ in range(2):
        assert import_memories(world, path).ok
        parts = {memory.metadata["part"]: memory for memory in world.list_memories("ann")}
        assert (len(parts), parts[1].id, parts[2].metadata["part_of"]) == (2, "m-1", "m-1")


def test_an_unreadable_date_of_a_store_is_no_date_of_today(world: MemoryService) -> None:
    report = take(world, carried("m-1", "ann", "x", created_at="yesterday"))
    assert said(report) == {"refused": 1}
    assert "created_at 'yesterday' cannot be read" in report.refused[0].reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{\n "results": [\n', "is not valid JSON .*so nothing was imported"),
        (b'[\n{"memory": "x", "user_id": "ann"},\n', "is not valid JSON"),
        (b"id,colour\n1,red\n", "neither"),
        (b"\x1f\x8b\x08\x00damaged", "cannot be unpacked"),
        (gzip.compress(b'{"memory": "x"}\n' * 99, mtime=0)[:-9], "cannot be unpacked"),
        (b"PK\x03\x04damaged", "cannot be unpacked"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"plain words\n", "neither"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    world: MemoryService, tmp_path: Path, content: bytes, words: str
) -> None:
    path = _written(tmp_path / "bad.json", content)
    with pytest.raises(InvalidMemory, match=words) as refused:
        import_memories(world, path)
    assert "\n" not in str(refused.value)
    assert "upload" not in str(refused.value)
    assert world.users() == []


def test_a_zip_of_pages_is_read_whole_and_one_of_tables_is_not(
    world: MemoryService, tmp_path: Path
) -> None:
    pages = {
        f"page{number}.json": json.dumps(
            {"results": [{"id": f"p-{number}", "memory": f"m {number}", "user_id": "ann"}]}
        ).encode()
        for number in (1, 2)
    }
    assert import_memories(world, packed(tmp_path / "pages.zip", pages)).ok
    assert texts(world, "ann") == {"p-1": "m 1", "p-2": "m 2"}
    tables = dict.fromkeys(("a.csv", "b.csv"), b"memory,user_id\nx,ann\n")
    with pytest.raises(InvalidMemory, match="several tables"):
        import_memories(world, packed(tmp_path / "tables.zip", tables))
    with pytest.raises(InvalidMemory, match=r"no \.json"):
        import_memories(world, packed(tmp_path / "none.zip", {"a.txt": b"x"}))


def test_too_much_in_a_packed_file_is_refused(
    world: MemoryService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.transfer.archive._LARGEST", 1024)
    path = _written(tmp_path / "bomb.gz", gzip.compress(b" " * 2048))
    with pytest.raises(InvalidMemory, match="unpack it"):
        import_memories(world, path)
    monkeypatch.setattr("memory_core.transfer.export_reader._LARGEST_WHOLE", 10)
    with pytest.raises(InvalidMemory, match="write a memory on every line"):
        import_memories(world, FOREIGN / "get_all_pretty.json")


def test_an_export_of_ours_comes_back_packed_and_without_its_first_line(
    world: MemoryService, exported: Path, tmp_path: Path
) -> None:
    content = exported.read_bytes()
    path = _written(tmp_path / "all.jsonl.gz", gzip.compress(content))
    report = import_memories(world, path)
    assert (report.whole, report.ok, len(texts(world, "a"))) == (True, True, 4)
    cut = gzip.compress(content[: len(content) // 2])
    with pytest.raises(InvalidMemory, match="cut off"):
        import_memories(world, _written(tmp_path / "cut.jsonl.gz", cut))
    lines = _written(tmp_path / "lines.jsonl", b"".join(content.splitlines(True)[1:-1]))
    other = open_world(tmp_path / "other")
    report = import_memories(other, lines)
    assert (report.ok, dict(report.not_carried)) == (True, {})
    assert {row.id: row.metadata for row in other.list_memories("a")} == {
        row.id: row.metadata for row in world.list_memories("a")
    }


def test_earlier_texts_travel_with_an_export(world: MemoryService, tmp_path: Path) -> None:
    (memory,) = world.add_messages("ann", [{"role": "user", "content": "tea"}], infer=False)
    world.update_memory("ann", memory.id, "coffee")
    world.add_text_memory("ann", "rye")
    path = tmp_path / "all.jsonl"
    export_memories(world, path, history=True)
    other = open_world(tmp_path / "other")
    assert import_memories(other, path).ok
    events = [event.memory for event in other.history("ann", memory.id)]
    assert events == ["tea", "coffee", "coffee"]
    assert other.history("ann", memory.id)[0].at == world.history("ann", memory.id)[0].at
    with pytest.raises(InvalidMemory, match="CSV has no room for history"):
        export_memories(world, tmp_path / "all.csv", kind="csv", history=True)


UPLOADS: dict[str, Any] = {
    "compact.json": (FOREIGN / "get_all_compact.json").read_bytes(),
    "list.json": (FOREIGN / "get_all_list.json").read_bytes(),
    "pretty.json": (FOREIGN / "get_all_pretty.json").read_bytes(),
    "lines.jsonl": (FOREIGN / "get_all.jsonl").read_bytes(),
    "lines.txt": (FOREIGN / "get_all.jsonl").read_bytes(),
    "pretty.md": (FOREIGN / "get_all_pretty.json").read_bytes(),
    "table.csv": (FOREIGN / "foreign.csv").read_bytes(),
    "backup.json": (FOREIGN / "memories.json").read_bytes(),
    "backup.jsonl": (FOREIGN / "memories.jsonl").read_bytes(),
    "page.json": (FOREIGN / "platform_page.json").read_bytes(),
    "camel.json": b'[{"text": "x", "userId": "bob"}]',
    "around.json": b'{"user_id": "bob", "memories": ["x"]}',
    "number.json": b'[{"memory": "x", "user": 7}]',
    "inside.json": b'[{"memory": "x", "metadata": {"userId": "bob"}}]',
    "wide.txt": json.dumps([{"memory": "x", "user_id": "bob"}]).encode("utf-16"),
    "table.txt": b"User ID;Memory\nbob;x\n",
    "backup.zip": (FOREIGN / "memories_export_dan.zip").read_bytes(),
    "long.json": json.dumps([{"memory": "x", "user_id": "b" * 300}]).encode(),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_stores_nobody_elses_memories(world: MemoryService, name: str) -> None:
    with pytest.raises(InvalidMemory) as refused:
        world.add_document("alice@example.com", name, UPLOADS[name], isolate=False)
    assert name in str(refused.value)
    if name != "long.json":
        assert "python -m memory_core import" in str(refused.value)
    assert world.users() == []


def test_an_upload_of_our_own_export_is_recognised(world: MemoryService, exported: Path) -> None:
    table = io.BytesIO()
    table.write(b'\xef\xbb\xbf#holdfast,"{}"\r\nid,user_id,memory\r\n1,bob,x\r\n')
    for name, content in (("a.jsonl", exported.read_bytes()), ("a.csv", table.getvalue())):
        with pytest.raises(InvalidMemory, match="is an export of memories; import the file with"):
            world.add_document("bob", name, content, isolate=False)
    assert world.users() == []


def test_an_upload_of_the_users_own_memories_is_taken(world: MemoryService) -> None:
    content = (
        b'{"userId": " Alice@Example.com", "text": "tea", "metadata": {"n": null}}\n'
        b'{"text": "rye"}\n'
    )
    saved = world.add_document("alice@example.com", "own.jsonl", content, isolate=False)
    assert [record.memory for record in saved] == ["tea", "rye"]
    table = world.add_document(
        "alice@example.com", "own.csv", b"user_id,order\nbob,17\n", isolate=False
    )
    assert [record.memory for record in table] == ["user_id: bob; order: 17"]
