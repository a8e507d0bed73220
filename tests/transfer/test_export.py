"""Exports: what is in them, and that none is taken for whole before it is."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_core import (
    BackendError,
    BackendUnavailable,
    InvalidMemory,
    MemoryNotFound,
    MemoryService,
)
from memory_core.model.user_id import PROBE_DOMAIN
from memory_core.transfer import export_bytes, export_memories, export_stream
from memory_core.transfer.format import Kind, armed, defused
from memory_core.transfer.incoming_memory import Digest
from tests.support.intakes import RISKY, carried, open_world, take


@pytest.fixture
def world(tmp_path: Path) -> MemoryService:
    """Three users with three memories each, and one of a redeploy test."""
    service = open_world(tmp_path / "data")
    take(
        service,
        *(carried(f"{user}-{n}", user, f"{user} {n} ñ") for user in "cab" for n in range(3)),
    )
    service.add_text_memory(f"probe@{PROBE_DOMAIN}", "probe")
    return service


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_an_export_says_what_it_is_and_that_it_is_whole(
    world: MemoryService, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    seen: list[tuple[int, int]] = []
    report = export_memories(world, path, on_progress=lambda *done: seen.append(done))
    first, *memories, last = lines_of(path)
    assert (first["holdfast"], first["format"], first["user_id"]) == ("memories", 1, None)
    assert first["embedder"] == {"name": "hashes", "dimensions": 8}
    assert [one["id"] for one in memories] == [f"{user}-{n}" for user in "abc" for n in range(3)]
    assert memories[0]["memory"] == "a 0 ñ"
    assert "vector" not in memories[0]
    assert (last["memories"], last["users"]) == (9, 3)
    content = path.read_bytes()
    before_last = content[: content.rstrip().rfind(b"\n") + 1]
    assert last["sha256"] == hashlib.sha256(before_last).hexdigest()
    assert seen[-1] == (9, 9)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (report.memories, report.bytes, len(report.users)) == (9, len(content), 3)


def test_the_manifest_has_checksum_counts_and_digests(world: MemoryService, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    report = export_memories(world, path)
    assert report.manifest == tmp_path / "all.jsonl.manifest.json"
    manifest = json.loads(report.manifest.read_text("utf-8"))
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() == report.sha256
    assert (manifest["file"], manifest["memories"], manifest["users"]) == ("all.jsonl", 9, 3)
    digest = Digest()
    for n in range(3):
        digest.add(f"a-{n}", f"a {n} ñ")
    assert manifest["per_user"]["a"] == {"memories": 3, "digest": str(digest)}
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == [
        "all.jsonl",
        "all.jsonl.manifest.json",
    ]


def test_one_user_alone(world: MemoryService) -> None:
    for line in export_bytes(world, " A ").splitlines()[1:-1]:
        assert json.loads(line)["user_id"] == "a"
    for nobody in ("nobody", f"nobody@{PROBE_DOMAIN}"):
        with pytest.raises(MemoryNotFound, match="users find"):
            export_bytes(world, nobody)


def test_vectors_come_as_numbers_that_round_to_the_same(world: MemoryService) -> None:
    (line, *_) = export_bytes(world, "a", vectors=True).splitlines()[1:]
    vector = json.loads(line)["vector"]
    stored = world.parts.store.get(["a-0"], with_values=True)["a-0"].values
    assert stored is not None
    assert (stored == np.array(vector, dtype=np.float32)).all()
    with pytest.raises(InvalidMemory, match="jsonl"):
        export_bytes(world, "a", kind="csv", vectors=True)


@pytest.mark.parametrize("text", RISKY)
def test_no_cell_is_a_formula_and_the_sign_comes_off_again(text: str) -> None:
    assert defused(text)[0] not in "=+-@\t\r\n＝＋－＠"
    assert armed(defused(text)) == text
    assert (defused(text) == text) is (text == "a=1")


def test_a_table_is_safe_to_open(tmp_path: Path) -> None:
    service = open_world(tmp_path / "data")
    take(
        service,
        *(carried(f"-{n}", "=ann", text + "x", n="=2") for n, text in enumerate(RISKY)),
    )
    first, columns, *rows, last = rows_of(export_bytes(service, "=ann", kind="csv"))
    assert (first[0], last[0]) == ("#holdfast", "#end")
    assert columns[:3] == ["id", "user_id", "memory"]
    assert len(rows) == len(RISKY)
    for row in rows:
        assert not any(cell[:1] in tuple("=+-@\t\r\n＝＋－＠") for cell in row if cell)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("cut", [0.05, 0.6, 0.999, 1.0])
def test_an_export_that_was_cut_off_goes_on_with_resume(
    world: MemoryService, tmp_path: Path, kind: Kind, cut: float
) -> None:
    take(world, carried("multi", "b", 'line one\n"b",x\r\nline "two"\n#end,'))
    path = tmp_path / f"all.{kind}"
    export_memories(world, path, kind=kind)
    whole = path.read_bytes()
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(whole[: int(len(whole) * cut)])
    path.unlink()
    report = export_memories(world, path, kind=kind, resume=True)
    assert not part.exists()
    written = path.read_bytes()
    if cut > 0.5:
        # The time of the beginning is kept, so nothing differs.
        assert written == whole
    assert report.resumed == {0.05: 0, 0.6: 3, 0.999: 7, 1.0: 7}[cut]
    assert report.memories == 10
    assert report.sha256 == hashlib.sha256(written).hexdigest()


def test_what_was_begun_with_other_options_is_not_gone_on_with(
    world: MemoryService, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    export_memories(world, path)
    path.rename(tmp_path / "all.jsonl.part")
    before = (tmp_path / "all.jsonl.part").read_bytes()
    for other in ({"vectors": True}, {"user_id": "a"}, {"kind": "csv"}):
        with pytest.raises(InvalidMemory, match="other options"):
            export_memories(world, path, resume=True, **other)  # type: ignore[arg-type]
        assert (tmp_path / "all.jsonl.part").read_bytes() == before
    assert export_memories(world, path).resumed == 0


def test_whoever_was_forgotten_meanwhile_is_not_in_what_goes_on(
    world: MemoryService, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    export_memories(world, path)
    path.rename(tmp_path / "all.jsonl.part")
    world.forget_user("a")
    report = export_memories(world, path, resume=True)
    assert (report.resumed, report.memories, set(report.users)) == (0, 6, {"b", "c"})
    assert b"a 0" not in path.read_bytes()


def test_two_exports_do_not_write_one_file(world: MemoryService, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    refused: list[str] = []

    def another(done: int, total: int) -> None:
        with pytest.raises(BackendUnavailable, match="another export") as told:
            export_memories(world, path)
        refused.append(str(told.value))

    assert export_memories(world, path, on_progress=another).memories == 9
    assert refused


def test_what_fails_midway_leaves_the_former_export_alone(
    world: MemoryService, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    export_memories(world, path)
    before = path.read_bytes()

    def stop(done: int, total: int) -> None:
        raise BackendError("stopped", backend="test", operation="test")

    world.add_text_memory("a", "new")
    with pytest.raises(BackendError, match="stopped"):
        export_memories(world, path, on_progress=stop)
    assert path.read_bytes() == before
    assert (tmp_path / "all.jsonl.part").exists()
    with pytest.raises(InvalidMemory, match="no folder"):
        export_memories(world, tmp_path / "no folder" / "all.jsonl")
    (tmp_path / "taken.jsonl").mkdir()
    with pytest.raises(BackendError, match="check the folder"):
        export_memories(world, tmp_path / "taken.jsonl")


def test_an_empty_store_gives_a_whole_export_of_nothing(tmp_path: Path) -> None:
    file = io.BytesIO()
    report = export_stream(open_world(tmp_path), file)
    first, last = map(json.loads, file.getvalue().splitlines())
    assert (first["holdfast"], last["memories"], report.path) == ("memories", 0, None)
