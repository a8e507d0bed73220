"""The command line in a real terminal's world: other encodings, pipes, signals, hostile text."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from tests.support.command_line import TIMEOUT_S, CommandLine, CommandsHere, Result
from tests.support.zygote import Zygote

pytestmark = pytest.mark.process

BATCH, MEMORIES = 25, 30
"""What is uploaded in two batches."""
SCRIPTS = "Zoë trinkt Tee ☕ שלום 緑茶 👩‍👩‍👧 İstanbul"
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b31m\x08\x08\x7f\rover\u202edesrever\u2066x"
    "\x00end\x85next"
)


@pytest.fixture
def commands(zygote: Zygote, tmp_path: Path) -> CommandLine:
    return CommandLine(zygote, tmp_path)


def steering(text: str) -> set[str]:
    """Return the characters that could move the cursor, set colours or turn the text around."""
    return {char for char in text if unicodedata.category(char) in {"Cc", "Cf"}} - {"\n", "\t"}


C_WITHOUT_UTF_8 = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
LATIN_1 = {"PYTHONIOENCODING": "latin-1"}


def test_any_script_survives_a_terminal_that_cannot_show_it(commands: CommandLine) -> None:
    (commands.folder / "in.jsonl").write_text(json.dumps({"memory": SCRIPTS}))
    here = CommandsHere(commands.folder)
    assert here.run("upload", "ann", str(commands.folder / "in.jsonl")).code == 0
    before = {*commands.folder.iterdir()}
    # What a process that is started anew says is one document, and it writes nowhere else.
    found = commands.run_fresh("query", "ann", "Tee", "--json", **C_WITHOUT_UTF_8).document
    assert found["hits"][0]["memory"] == SCRIPTS
    assert {*commands.folder.iterdir()} == before
    told = commands.run("list", "ann", **LATIN_1)
    assert (told.code, told.err) == (0, "")
    assert "trinkt Tee" in told.out


def test_hostile_text_cannot_steer_the_terminal(tmp_path: Path) -> None:
    commands = CommandsHere(tmp_path)
    (commands.folder / "in.jsonl").write_text(
        json.dumps({"memory": HOSTILE, "metadata": {"k\x1b[1m": HOSTILE}}) + '\n{"memory": "b"}'
    )
    user = "ann\x1b[31m\u202e"
    uploaded = commands.run("upload", user, str(commands.folder / "in.jsonl"))
    assert uploaded.code == 0
    listed = commands.run("list", user, "--json")
    (one,) = (memory for memory in listed.document["memories"] if memory["memory"] == HOSTILE)
    looks = [
        uploaded,
        listed,
        commands.run("list", user),
        commands.run("get", user, one["id"]),
        commands.run("get", user, one["id"], "--json"),
        commands.run("query", user, HOSTILE.replace("\x00", "")),
        commands.run("query", user, "owned", "--json"),
        commands.run("history", user),
        commands.run("users"),
        commands.run("users", "--json"),
        commands.run("-v", "delete", user, HOSTILE.replace("\x00", "")),
        commands.run("save", user, "x", "--agent", HOSTILE.replace("\x00", "")),
        commands.run("save", user, "x", "--meta", "\x1b[1m"),
        commands.run("normalize", HOSTILE.replace("\x00", "")),
        commands.run("upload", user, str(commands.folder / "\x1b[31m.txt")),
    ]
    for result in looks:
        assert steering(result.out + result.err) == set(), result


@pytest.fixture(scope="module")
def with_long_list(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Commands on an installation whose list is longer than any pipe holds."""
    commands = CommandLine(zygote, tmp_path_factory.mktemp("long"))
    lines = "\n".join(json.dumps({"memory": f"number {n} " + "x" * 4_000}) for n in range(60))
    (commands.folder / "in.jsonl").write_text(lines)
    here = CommandsHere(commands.folder)
    assert here.run("upload", "ann", str(commands.folder / "in.jsonl")).code == 0
    return commands


def test_a_reader_that_leaves_early_causes_no_traceback(with_long_list: CommandLine) -> None:
    # What Python itself says as it ends is part of it.
    with with_long_list.start_fresh("list", "ann") as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        assert listing.stdout.readline()
        listing.stdout.close()
        assert listing.stderr.read() == b""
        listing.wait(TIMEOUT_S)


def test_a_reader_of_json_that_leaves_early_causes_no_traceback(
    with_long_list: CommandLine,
) -> None:
    with with_long_list.start("list", "ann", "--json") as listing:
        assert listing.out.read(1) == "{"
        listing.out.close()
        _, err = listing.end()
    assert err == ""


def upload(commands: CommandLine, interrupt_at: int) -> tuple[Result, int]:
    """Upload two batches, with a Ctrl-C at the file of that number; return how many there were."""
    lines = "\n".join(json.dumps({"memory": f"number {n}"}) for n in range(MEMORIES))
    (commands.folder / "in.jsonl").write_text(lines)
    file = str(commands.folder / "in.jsonl")
    return commands.run_interrupted(interrupt_at, "upload", "ann", file, batch=BATCH)


@pytest.fixture(scope="module")
def files_of_an_upload(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many files an upload opens that nobody interrupts."""
    result, files = upload(CommandLine(zygote, tmp_path_factory.mktemp("upload")), 0)
    assert result.out.startswith("Stored"), result
    return files


@pytest.mark.parametrize("moment", ["first", "middle", "last"])
def test_ctrl_c_causes_no_traceback_and_loses_nothing(
    commands: CommandLine, files_of_an_upload: int, moment: str
) -> None:
    at = {"first": 1, "middle": files_of_an_upload // 2, "last": files_of_an_upload}[moment]
    result, files = upload(commands, at)
    assert files >= at
    assert "Traceback" not in result.err
    assert result.code != 0 or "Stored" in result.out
    here = CommandsHere(commands.folder)
    again = here.run("upload", "ann", str(commands.folder / "in.jsonl"), "--json").document
    assert len(again["memories"]) == MEMORIES
    assert here.run("status", "--json").document["memories"] == MEMORIES


def test_interrupting_the_question_forgets_nothing(commands: CommandLine) -> None:
    here = CommandsHere(commands.folder)
    assert here.run("save", "ann", "likes tea").code == 0
    result, _ = commands.run_interrupted("builtins.input", "forget", "ann", stdin="y\n")
    assert (result.code, result.out, result.err) == (1, "", "Aborted!\n")
    assert len(here.run("list", "ann", "--json").document["memories"]) == 1
