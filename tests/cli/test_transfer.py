"""`export` and `import` on the command line, and what they tell people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from memory_core.render.transfer import import_document, import_text
from memory_core.transfer import import_memories
from tests.support.command_line import CommandsHere
from tests.support.intakes import carried, open_world, take


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> CommandsHere:
    made = CommandsHere(tmp_path_factory.mktemp("transfer"))
    assert made.run("save", "Ann@X.com ", "=likes tea ñ").code == 0
    assert made.run("save", "bob", "likes rye").code == 0
    return made


def test_from_one_place_to_another(commands: CommandsHere) -> None:
    path = str(commands.folder / "all.csv")
    told = commands.run("export", "--format", "csv", "--output", path, "--json").document
    assert (told["file"], told["memories"], told["users"]) == (path, 2, 2)
    assert {"sha256", "manifest", "per_user", "as_of", "resumed"} <= told.keys()
    elsewhere = {"MEMORY_DATA_DIR": str(commands.folder / "elsewhere")}
    dry = commands.run("import", path, "--dry-run", **elsewhere)
    assert dry.code == 0
    assert dry.out.startswith("Nothing was written: a dry run. 2 memories of 2 users read from")
    came = commands.run("import", path, "--json", **elsewhere).document
    assert (came["added"], came["already_there"], came["refused"], came["verified"]) == (
        2, 0, [], True,
    )  # fmt: skip
    assert came["per_user"]["bob"]["found_digest"] == told["per_user"]["bob"]["digest"]
    again = commands.run("import", path, **elsewhere)
    assert "2  there already" in again.out
    assert "Verified: 2 read back" in again.out


def test_to_stdout_and_back_as_another_user(commands: CommandsHere) -> None:
    told = commands.run("export", "--user", "ANN@x.com")
    assert (told.code, told.err) == (0, "")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [line.get("memory") for line in lines] == [None, "=likes tea ñ", None]
    path = commands.folder / "ann.jsonl"
    path.write_text(told.out, "utf-8")
    assert commands.run("import", str(path), "--user", "zoe").code == 0
    listed = commands.run("list", "zoe", "--json").document["memories"]
    assert [one["memory"] for one in listed] == ["=likes tea ñ"]


def test_what_another_system_wrote(commands: CommandsHere) -> None:
    path = commands.folder / "backup.jsonl"
    lines = [{"id": f"dan-{state}", "content": f"is {state}", "state": state, "steps": {"a": 1}}
             for state in ("active", "deleted")]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    first = commands.run("import", str(path), "--user", "dan", "--json").document
    assert (first["added"], first["left_out"], first["not_carried"]) == (
        1, {"deleted": 1}, {"steps": 1},
    )  # fmt: skip
    second = commands.run("import", str(path), "--user", "dan", "--include-inactive")
    assert "1  added" in second.out
    assert "Not carried, and not verified: steps (2)." in second.out
    assert commands.run("update", "dan", "dan-active", "is edited").code == 0
    told = commands.run("export", "--user", "dan", "--history").out.splitlines()
    histories = {row["id"]: row["history"] for row in map(json.loads, told[1:-1])}
    assert [event["memory"] for event in histories["dan-active"]] == ["is active", "is edited"]


def test_what_goes_wrong_is_a_sentence_and_an_exit_code(commands: CommandsHere) -> None:
    path = commands.folder / "cut.jsonl"
    path.write_text(commands.run("export").out.rpartition("{")[0], "utf-8")
    cut = commands.run("import", str(path))
    assert (cut.code, cut.out) == (2, "")
    assert "cut off" in cut.err
    assert cut.err.count("\n") == 1
    path.write_text('{"memory": "nobody\'s"}\n{"user_id": "ann", "memory": "x"}\n', "utf-8")
    refused = commands.run("import", str(path))
    assert refused.code == 1
    assert "line 1: it names no user" in refused.out
    assert commands.run("export", "--user", "nobody").code == 2
    assert commands.run("export", "--json").code == 2


def test_everything_that_was_counted_is_told(tmp_path: Path) -> None:
    service = open_world(tmp_path / "data")
    take(
        service,
        *(carried(f"m-{n}", "ann", f"text {n}") for n in range(4)),
        carried("bobs", "bob", "rye"),
    )
    service.delete_memory("ann", "m-1")
    service.parts.store.delete(["m-3"])
    path = tmp_path / "a.jsonl"
    lines = [
        {"id": "m-0", "user_id": "ann", "memory": "another"},
        {"id": "m-1", "user_id": "ann", "memory": "text 1"},
        {"id": "m-2", "user_id": "ann", "memory": "text 2"},
        {"id": "m-2", "user_id": "ann", "memory": "text 2"},
        {"id": "m-3", "user_id": "ann", "memory": "text 3"},
        {"id": "bobs", "user_id": "ann", "memory": "rye"},
        {"id": "m-9", "user_id": "ann", "memory": "\ud800\x1b"},
        {"id": "\ud800", "user_id": "\ud800", "memory": "x"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    report = import_memories(service, path)
    told = import_text(report)
    for words in (
        "8 memories of 1 user read from a.jsonl",
        "1  added",
        "2  there already",
        "1  the same as another in the source",
        "1  deleted here, and left out",
        "1  in conflict: the same id has another text here, which stays",
        "2  refused",
        "1  of these under a new id",
        "1  of these put into the store again",
        "line 1: memory 'm-0' has another text here",
        "use --existing keep-both",
        "Verified: 3 read back",
    ):
        assert words in told, told
    assert "\x1b" not in told
    told.encode()
    document = import_document(report)
    json.dumps(document, ensure_ascii=False).encode()
    assert (document["conflicts"], document["refused_count"], document["healed"]) == (1, 2, 1)
    (user,) = report.intake.users
    lacking = replace(report.intake, users=(replace(user, found=1, found_digest="0" * 64),))
    unproven = replace(report, intake=lacking)
    assert not unproven.ok
    assert "NOT verified: 1 user differs from the source" in import_text(unproven)
    assert "ann: 3 expected, 1 found" in import_text(unproven)
