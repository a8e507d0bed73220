"""The talk of docs/demo.md, command by command, and what `demo` refuses."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.command_line import CommandsHere
from tests.support.forked_workers import fork_workers
from tests.support.paths import ROOT
from tests.support.zygote import Zygote

TALK = re.findall(
    r"^\| \d+ \| .* \| `python -m memory_core (.*)` \|$", (ROOT / "docs/demo.md").read_text(), re.M
)
SAID = {
    "query alice": "nuts",
    "query ' ALICE": "fireworks",
    "doctor": "index.I001",
    "redeploy-test": "FAIL",
    "audit": "3 ",
    "users find": "alice@example.com",
    "demo reset": "Removed 12 invented people",
}
"""What a line of the talk must show."""


@pytest.fixture
def command_line(tmp_path: Path) -> CommandsHere:
    return CommandsHere(tmp_path)


def test_the_talk_can_be_given_as_it_stands(
    command_line: CommandsHere, zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_workers(monkeypatch, zygote, tmp_path)
    assert len(TALK) == 12
    for line in TALK:
        shown = command_line.run(*shlex.split(line))
        assert shown.code == (1 if line.startswith("redeploy-test") else 0), line
        for begin, words in SAID.items():
            if shlex.join(shlex.split(line)).startswith(begin):
                assert words in shown.out, line
    status = command_line.run("demo", "--json").document
    assert (status["people"], status["stand_in"]) == ([], None)
    assert not any(scene["under_way"] for scene in status["scenes"])
    assert command_line.run("users", "--json").document["users"] == []


def test_a_demo_says_why_it_refuses(command_line: CommandsHere) -> None:
    for arguments, environ, words in (
        (("break", "lost-vectors"), {}, "no invented people are loaded; load them first"),
        (("break", "nothing"), {}, "no scene 'nothing' here; use one of wipe, other-form"),
        (("fix", "wipe"), {}, "is not under way"),
        (("load",), {"AWS_S3_BUCKET": "mine"}, "AWS is set up here"),
    ):
        refused = command_line.run("demo", *arguments, **environ)
        assert (refused.code, refused.out) == (2, ""), arguments
        assert words in refused.err
        assert refused.err.count("\n") == 1
