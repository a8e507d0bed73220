"""The command `activity`: who did what, filtered and checked; what other commands note."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from memory_core import Settings, activity, open_service
from memory_core.cli import cli
from memory_core.storage.objects import LocalObjects


def run(*arguments: str, typed: str = "") -> Result:
    result = CliRunner().invoke(cli, arguments, input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def entries(*arguments: str) -> list[dict[str, str]]:
    result = run("activity", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["entries"]


def test_commands_that_change_something_are_noted_under_the_name_of_the_system(
    tmp_path: Path,
) -> None:
    assert "No activity." in run("activity").stdout
    saved = json.loads(run("save", "Bob@X.com ", "likes rye", "--json").stdout)
    run("update", "bob@x.com", saved["id"], "likes oats")
    run("query", "bob@x.com", "oats")
    run("export", "--output", str(tmp_path / "all.jsonl"))
    run("import", str(tmp_path / "all.jsonl"), "--dry-run")
    run("import", str(tmp_path / "all.jsonl"))
    run("audit")
    run("audit", "--repair")
    run("users", "adopt", "bob@x.com", "--yes")
    run("users", "merge", "bob@x.com", "carol@x.com", "--yes", "--undo-file", f"{tmp_path}/u")
    run("users", "undo", f"{tmp_path}/u")
    run("delete", "bob@x.com", saved["id"])
    found = entries()
    assert [one["action"] for one in reversed(found)] == [
        "save", "change", "export-all", "import", "repair", "take-up", "reunite", "undo", "delete",
    ]  # fmt: skip
    assert {one["outcome"] for one in found} == {"done"}
    assert {one["via"] for one in found} == {"command line"}
    assert len({(one["who"], one["address"]) for one in found}) == 1
    assert [one["sentence"].partition(" ")[2] for one in entries("--action", "reunite")] == [
        "merged bob@x.com into carol@x.com: 1 memory"
    ]
    assert entries("--action", "merge") == entries("--action", "reunite")
    assert run("forget", "bob@x.com", "--yes").exit_code == 0
    assert entries("--user", "bob@x.com") == []
    assert "forgot a forgotten user" in entries()[0]["sentence"]
    with open_service(Settings.from_env()) as service:
        assert [*service.parts.backend.objects.list("activity/v1/users/bob")] == []


def test_the_filters_and_the_check(data_dir: Path) -> None:
    log = activity.ActivityLog(LocalObjects(data_dir))
    for name in ("ann", "ben", "ann"):
        log.note(activity.Actor(name), "save", user_id=f"of-{name}")
    assert len(entries("--who", "an", "--since", "1h")) == 2
    assert entries("--until", "1h") == []
    assert len(entries("--user", " OF-ben", "--since", "2020-01-01")) == 1
    page = json.loads(run("activity", "--json", "--limit", "1").stdout)
    assert (page["complete"], len(page["entries"])) == (False, 1)
    whole = run("activity", "--check", "--json")
    head = json.loads(whole.stdout)["head"]
    assert run("activity", "--check", "--known", head).exit_code == 0
    (data_dir / "activity/v1/log/000000000002.jsonl").unlink()
    broken = run("activity", "--check")
    assert broken.exit_code == 1
    assert "The chain is not whole:\n  segment 2 is missing, between 20" in broken.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "last week"),
        ("--since", "999999w"),
        ("--check", "--known", "9"),
        ("--known", "1:" + "a" * 64),
        ("--action", "dance"),
    ],
)
def test_what_cannot_be_understood_is_refused(arguments: tuple[str, ...]) -> None:
    result = run("activity", *arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr
