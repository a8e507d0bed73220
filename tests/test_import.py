"""Imports: what was exported comes back whole, and what is broken says so and does no harm."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_core import InvalidMemory, InvalidUserId, MemoryService
from memory_core.intake import Outcome
from memory_core.ledger import book
from memory_core.transfer import Kind, export_memories, import_memories

from .contract.conftest import open_place, standin
from .contract.places import Place
from .intakes import Hashes, carried, open_world, puts, said, take, texts
from .test_export import RISKY

__all__ = ["open_place", "standin"]

HEAD = {
    "holdfast": "memories", "format": 1, "version": "9.9", "as_of": "2026-01-01T00:00:00+00:00",
    "user_id": None, "vectors": False, "embedder": {"name": "hashes", "dimensions": 8},
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> MemoryService:
    return open_world(tmp_path / "world")


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An export of three users with four memories each."""
    source = open_world(tmp_path / "source")
    take(source, *(carried(f"{u}-{n}", u, f"{u} {n}") for u in "abc" for n in range(4)))
    path = tmp_path / "all.jsonl"
    export_memories(source, path, vectors=True)
    return path


def written(path: Path, *lines: Any) -> Path:
    """Write lines of JSON, and those that are text as they are."""
    path.write_text(
        "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines), "utf-8"
    )
    return path


def rows_of(path: Path) -> bytes:
    """Return an exported table without its first and last line."""
    return path.read_bytes().partition(b"\r\n")[2].rpartition(b"#end")[0]


def everything(service: MemoryService) -> dict[str, list[Any]]:
    """Return what can be seen of every user's memories, but when the entry was written."""
    return {
        found.user_id: sorted(
            (one.id, one.memory, one.created_at, one.updated_at, one.agent_id, one.run_id,
             one.role, sorted(one.metadata.items()), one.indexed)
            for one in service.list_memories(found.user_id)
        )
        for found in service.users()
    }  # fmt: skip


@pytest.mark.parametrize("home", ["chroma", "s3_vectors"])
def test_there_and_back_again(
    world: MemoryService, open_place: Callable[[str], Place], tmp_path: Path, home: str
) -> None:
    """From a real backend to another, in every form, and back to it after everything was lost."""
    place = open_place(home)
    first = place.service()
    for at, text in enumerate(RISKY):
        # The memories of an export may begin with any sign; those saved here have their own ids.
        first.add_text_memory(
            f"User{at % 2}@Größe.de", f"{text} – 日本 \U0001f600\nline", agent_id="chef",
            run_id=f"r{at}", metadata={"=k": "=v", "n": 0.1 + at, "list": ["a", "é"], "yes": True},
        )  # fmt: skip
    first.add_document("user0@größe.de", "notes.md", b"# Title\n\nA sentence about nothing at all.")
    (edited, *_) = first.list_memories("user0@größe.de")
    first.update_memory("user0@größe.de", edited.id, "edited")
    before = everything(first)
    paths: dict[str, Path] = {}
    for name, kind, vectors in (("v", "jsonl", True), ("t", "jsonl", False), ("c", "csv", False)):
        paths[name] = tmp_path / f"{name}.{kind}"
        export_memories(first, paths[name], kind=kind, vectors=vectors)  # type: ignore[arg-type]
    for path in (paths["v"], paths["c"]):
        first.delete_user("user0@größe.de")
        back = import_memories(first, path, existing="keep-both").intake
        assert (back.verified, back.brought_back) == (True, len(before["user0@größe.de"]))
        assert everything(first) == before
    assert first.audit().clean
    first.close()
    for name, path in paths.items():
        other = open_world(tmp_path / name, 256, "another-model")
        report = import_memories(other, path)
        assert report.ok, report.intake
        assert report.intake.verified
        assert report.intake.embedded == len(RISKY) + 1, "another model, so none is kept"
        assert everything(other) == before
        assert other.audit().clean
        again = tmp_path / f"{name} again.csv"
        export_memories(other, again, kind="csv")
        rows = [
            path.read_bytes().split(b"\r\n", 1)[1].rpartition(b"#end")[0]
            for path in (paths["c"], again)
        ]
        assert rows[0] == rows[1]


def test_vectors_are_kept_where_the_model_is_the_same(
    world: MemoryService, exported: Path, tmp_path: Path
) -> None:
    report = import_memories(world, exported)
    assert (report.whole, report.ok, report.intake.embedded) == (True, True, 0)
    assert puts(world) == [12]
    other = open_world(tmp_path / "other", 16)
    assert import_memories(other, exported).intake.embedded == 12
    assert other.parts.store.get(["a-0"], with_values=True)["a-0"].values.shape == (16,)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_second_import_writes_nothing(tmp_path: Path, world: MemoryService, kind: Kind) -> None:
    source = open_world(tmp_path / "source")
    take(source, *(carried(f"m-{n}", "ann", f"t {n}", topic="x", actor_id="Bo") for n in range(5)))
    path = tmp_path / f"all.{kind}"
    export_memories(source, path, kind=kind)
    import_memories(world, path)
    before = world.history("ann"), puts(world)[:]
    for existing in ("skip", "overwrite", "keep-both"):
        report = import_memories(world, path, existing=existing)  # type: ignore[arg-type]
        assert said(report.intake) == {"already_there": 5}
        assert report.intake.verified
    assert (world.history("ann"), puts(world)) == before


def test_a_dry_run_says_what_would_be_and_writes_nothing(
    world: MemoryService, exported: Path
) -> None:
    take(world, carried("a-0", "a", "other"), carried("x", "b", "b 1"))
    before = everything(world), puts(world)[:]
    dry = import_memories(world, exported, dry_run=True)
    assert (everything(world), puts(world)) == before
    assert (dry.intake.verified, dry.ok) == (None, True)
    real = import_memories(world, exported)
    assert dry.intake.counts == real.intake.counts
    assert real.intake.counts[Outcome.CONFLICT] == real.intake.counts[Outcome.ALREADY] == 1


def test_everything_as_one_users(world: MemoryService, exported: Path) -> None:
    take(world, carried("b-0", "b", "b 0"))
    report = import_memories(world, exported, user_id=" Zoe ")
    assert report.intake.verified
    assert len(texts(world, "zoe")) == 12
    assert report.intake.renamed == 1
    assert "b-0" not in texts(world, "zoe")
    assert texts(world, "b") == {"b-0": "b 0"}
    assert said(import_memories(world, exported, user_id="zoe").intake) == {"already_there": 12}
    with pytest.raises(InvalidUserId):
        import_memories(world, exported, user_id=" ")


def test_progress_counts_what_is_taken_in_and_what_is_read_back(
    world: MemoryService, exported: Path
) -> None:
    seen: list[tuple[int, int]] = []
    import_memories(world, exported, on_progress=lambda *done: seen.append(done))
    assert seen == [(12, 24), (16, 24), (20, 24), (24, 24)]


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
    "a list": (b'["a", "b"]', "neither"),
    "a table of somebody's": (b"id,text\n1,a\n", "neither"),
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
        {"user_id": 7, "memory": "x"},
        {"id": 7, "user_id": "ann", "memory": "x"},
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


def test_a_large_file_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the users take no more than a half more; what is kept of each is bounded."""
    monkeypatch.setattr(book, "_EVENTS_KEPT", 200)
    monkeypatch.setattr(book, "_VIEWS_KEPT", 5)
    monkeypatch.setattr(book, "_USERS_AT_ONCE", 5)
    monkeypatch.setattr("memory_core.transfer.importing._WINDOW", 100)

    def peaks(users: int) -> tuple[int, int]:
        path = written(
            tmp_path / f"{users}.jsonl",
            *(
                {"id": f"m-{user}-{n}", "user_id": f"user{user}", "memory": f"{n} " + "x" * 2_000}
                for user in range(users)
                for n in range(20)
            ),
        )
        service = open_world(tmp_path / f"world{users}")
        # A store that holds nothing and an embedder that keeps no texts.
        monkeypatch.setattr(Hashes, "embed", lambda self, texts: np.eye(8)[[0] * len(texts)])
        monkeypatch.setattr(type(service.parts.store), "put", lambda store, vectors: None)
        tracemalloc.start()
        report = import_memories(service, path)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        export_memories(service, tmp_path / f"out{users}.jsonl")
        given = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert report.intake.counts[Outcome.ADDED] == users * 20
        return taken, given

    few, many = peaks(10), peaks(40)
    assert many[0] < few[0] * 1.5
    assert many[1] < few[1] * 1.5
