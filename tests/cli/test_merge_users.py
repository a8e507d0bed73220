"""`users merge` and `users undo`: the preview, the typed id, the undo file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command_line import CommandsHere


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> CommandsHere:
    made = CommandsHere(tmp_path_factory.mktemp("merge"))
    for user, text in (("ann@googlemail.com", "Likes tea"), ("ann@gmail.com", "Likes rye")):
        assert made.run("save", user, text).code == 0
    return made


def counts(commands: CommandsHere) -> dict[str, int]:
    found = commands.run("users", "--json").document["users"]
    return {one["user_id"]: one["memories"] for one in found}


def test_a_person_moves_memories_and_takes_it_back(commands: CommandsHere) -> None:
    ids = ("Ann@GoogleMail.com ", "ann@gmail.com")
    undo_file = commands.folder / "undo.json"
    apart = {"ann@gmail.com": 1, "ann@googlemail.com": 1}

    planned = commands.run("users", "merge", *ids, "--dry-run", "--json").document
    assert (planned["from"], planned["to"], planned["memories"], planned["to_has"]) == (
        "ann@googlemail.com", "ann@gmail.com", 1, 1,
    )  # fmt: skip
    wrong = commands.run("users", "merge", *ids, stdin="ann\n")
    assert wrong.code == 2
    assert "1 memory would move" in wrong.err
    assert "'ann' is not 'ann@gmail.com'; nothing was moved" in wrong.err
    undo_file.write_text("mine")
    taken = commands.run("users", "merge", *ids, "--yes", "--undo-file", str(undo_file))
    assert taken.code == 2
    assert "nothing was moved: name another with --undo-file" in taken.err
    assert (undo_file.read_text(), counts(commands)) == ("mine", apart)

    undo_file.unlink()
    typed = "Ann@gmail.com\n"
    done = commands.run("users", "merge", *ids, "--undo-file", str(undo_file), stdin=typed)
    assert done.code == 0
    assert "Moved 1 memory from ann@googlemail.com to ann@gmail.com, 1 read back." in done.out
    assert f"users undo {undo_file}" in done.out
    assert counts(commands) == {"ann@gmail.com": 2}
    history = commands.run("history", "ann@gmail.com").out
    assert "came from ann@googlemail.com  Likes tea" in history

    (moved,) = json.loads(undo_file.read_text())["ids"]
    undone = commands.run("users", "undo", str(undo_file), "--json").document
    assert (undone["ids"], undone["to"], undone["verified"]) == ([moved], "ann@googlemail.com", 1)
    assert counts(commands) == apart


def test_a_file_that_is_no_undo_file_is_one_sentence(
    commands: CommandsHere, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.json"
    cut.write_text('{"format": "holdfast reunion", "version": 1, "from"')
    other = tmp_path / "other.json"
    other.write_text('{"format": "holdfast reunion", "version": 2}')
    for file, why in ((cut, "not the undo file"), (other, "is of version 2")):
        result = commands.run("users", "undo", str(file))
        assert (result.code, result.out) == (2, "")
        assert why in result.err
        assert len(result.err.splitlines()) == 1


def test_the_old_names_of_commands_work_and_are_not_shown(commands: CommandsHere) -> None:
    shown = commands.run("users", "--help").out
    calls = {
        "reunite": ("merge", ["ann@googlemail.com", "ann@gmail.com", "--dry-run"]),
        "take-up": ("adopt", ["ann@gmail.com"]),
        "traces": ("erasure-proof", ["ann@gmail.com"]),
    }
    for old, (new, arguments) in calls.items():
        documents = [commands.run("users", name, *arguments, "--json") for name in (old, new)]
        was, now = ({**json.loads(result.out), "as_of": None} for result in documents)
        assert was == now
        assert f"  {new} " in shown
        assert f"  {old} " not in shown
