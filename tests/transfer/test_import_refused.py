"""Files that are cut, changed, broken or no export: what is said of them, and what is taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memory_core import InvalidMemory, MemoryService
from memory_core.transfer import export_memories, import_memories
from tests.support.intakes import carried, open_world, said, take, texts, written

HEAD = {
    "holdfast": "memories", "format": 1, "version": "9.9", "as_of": "2026-01-01T00:00:00+00:00",
    "user_id": None, "vectors": False, "embedder": {"name": "hashes", "dimensions": 8},
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> MemoryService:
    return open_world(tmp_path / "world")


def test_a_file_that_was_cut_off_imports_nothing_unless_told(
    world: MemoryService, exported: Path
) -> None:
    whole = exported.read_bytes()
    exported.with_name("all.jsonl.manifest.json").unlink()
    exported.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InvalidMemory, match=r"cut off.*nothing was imported.*--partial"):
        import_memories(world, exported)
    assert world.users() == []
    report = import_memories(world, exported, partial=True)
    assert (report.whole, report.ok, report.intake.verified) == (False, False, True)
    assert said(report.intake) == {"added": 8, "refused": 1}
    assert (report.intake.refused[0].line, report.intake.refused[0].reason) == (10, "it is cut off")


@pytest.mark.parametrize("where", ["within", "manifest"])
def test_a_file_that_was_changed_imports_nothing_unless_told(
    world: MemoryService, exported: Path, where: str
) -> None:
    if where == "within":
        exported.write_bytes(exported.read_bytes().replace(b'"a 0"', b'"A 0"'))
    else:
        manifest = exported.with_name("all.jsonl.manifest.json")
        document = json.loads(manifest.read_text()) | {"sha256": "0" * 64}
        manifest.write_text(json.dumps(document))
    with pytest.raises(InvalidMemory, match="checksum"):
        import_memories(world, exported)
    assert world.users() == []
    assert import_memories(world, exported, partial=True).intake.verified
    exported.with_name("all.jsonl.manifest.json").write_text("{")
    with pytest.raises(InvalidMemory, match="manifest"):
        import_memories(world, exported)


NO_EXPORTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "noise": (b"\x00\xff\x80 noise\n\n", "neither"),
    "a number": (b"17", "neither"),
    "a table of no texts": (b"id,colour\n1,red\n", "neither"),
    "the end alone": (b'{"holdfast": "end", "memories": 1}\n', "neither"),
    "format 2": (json.dumps({**HEAD, "format": 2}).encode() + b"\n", "format '2'.*'9.9'"),
    "a damaged first line": (b'{"holdfast": "memories", "format": 1}\n', "first line"),
    "format 2 as a table": (b'#holdfast,"{""format"": 2}"\r\n', "format '2'"),
}


@pytest.mark.parametrize("case", NO_EXPORTS)
def test_what_is_no_export_is_refused_in_one_sentence(
    world: MemoryService, tmp_path: Path, case: str
) -> None:
    content, words = NO_EXPORTS[case]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    for partial in (False, True):
        if partial and case == "the end alone":
            continue
        with pytest.raises(InvalidMemory, match=words) as refused:
            import_memories(world, path, partial=partial)
        assert "bad.jsonl" in str(refused.value)
        assert "\n" not in str(refused.value)
    with pytest.raises(InvalidMemory, match="could not read"):
        import_memories(world, tmp_path)


def test_plain_lines_of_json_come_in_and_bad_ones_are_named(
    world: MemoryService, tmp_path: Path
) -> None:
    path = written(
        tmp_path / "plain.jsonl",
        {"id": "m-1", "user_id": "Ann", "memory": "tea", "metadata": {"topic": "drinks"}},
        {"user_id": "ann", "text": "rye", "agent_id": "", "score": 0.7},
        {"user_id": "ann", "role": "assistant", "content": "oats"},
        {"memory": "nobody's"},
        {"user_id": "ann", "nothing": 1},
        {"user_id": "ann", "memory": "x", "metadata": {"user_id": "bob"}},
        {"user_id": [7], "memory": "x"},
        {"id": {"n": 7}, "user_id": "ann", "memory": "x"},
        {"user_id": "ann", "memory": "x", "vector": "abc"},
        "[1]",
        "not JSON",
        '{"user_id": "ann", "memory": "\\ud800"}',
        "",
        "9" * 5_000,
        "[" * 100_000,
        '{"user_id": "ann", "memory": "' + "y" * 3_000_000 + '"}',
        {"user_id": "ann", "memory": "the last"},
    )
    report = import_memories(world, path)
    assert (report.whole, report.header, report.ok) == (None, None, False)
    assert set(texts(world, "ann").values()) == {"tea", "rye", "oats", "x", "the last"}
    assert world.get_memory("ann", "m-1").metadata == {"topic": "drinks"}
    lines = [one.line for one in report.intake.refused]
    assert sorted(lines) == [4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16]
    assert report.intake.verified
    assert "--user" in next(one.reason for one in report.intake.refused if one.line == 4)
    nobodys = written(tmp_path / "lines.jsonl", '"only a text"', {"memory": "nobody's"})
    assert import_memories(world, nobodys, user_id="bob").ok
    assert set(texts(world, "bob").values()) == {"only a text", "nobody's"}


def test_a_table_with_broken_rows(world: MemoryService, tmp_path: Path) -> None:
    source = open_world(tmp_path / "source")
    take(source, *(carried(f"m-{n}", "ann", f"t {n}") for n in range(4)))
    path = tmp_path / "all.csv"
    export_memories(source, path, kind="csv")
    lines = path.read_bytes().split(b"\r\n")
    lines[3] += b",one too many"
    lines[4] = lines[4].replace(b",,,,", b",{,,,", 1) + b"{"
    lines[5] = lines[5].replace(b"t 3", b"t \xff")
    path.write_bytes(b"\r\n".join(lines))
    report = import_memories(world, path, partial=True)
    assert [one.line for one in report.intake.refused] == [4, 5, 6]
    assert texts(world, "ann") == {"m-0": "t 0"}
    path.write_bytes(b"\r\n".join(lines[:3]) + b'\r\nm-9,ann,"never ends')
    report = import_memories(world, path, partial=True)
    assert said(report.intake) == {"already_there": 1, "refused": 1}
    assert "CSV" in report.intake.refused[0].reason
