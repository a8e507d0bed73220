"""The command: what it prints, what it writes, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from memory_core.cli import cli
from tests.support.doctor_system import ANN, MakeSystem


@pytest.fixture
def doctor(make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command on a healthy system on ChromaDB, with more variables."""
    system = make_system("chroma")

    def run(*arguments: str, **environ: str) -> Result:
        for name, value in {**system.environ, **environ}.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(cli, ["doctor", *arguments])

    return run


def test_a_healthy_system_exits_with_0_and_one_json_document(doctor: Any) -> None:
    result = doctor("--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["summary"].keys() == {"ok", "info", "warning", "error"}
    assert document["summary"]["ok"] == sum(one["state"] == "ok" for one in document["checks"])
    for one in document["findings"]:
        assert {"id", "level", "title", "detail", "hint", "evidence"} <= one.keys()
    assert all(one["ms"] is not None for one in document["checks"] if one["state"] == "ok")
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--fail-level", "warning"), 1),
        (("--fail-level", "warning", "--silence", "environment.W001=clocks are set later"), 0),
        (("--fail-level", "info", "--only", "versions"), 0),
        (("--only", "nix"), 2),
        (("--tag", "everything"), 2),
        (("--silence", "environment.W001"), 2),
        (("--silence", "nix.E001=so"), 2),
        (("--personal",), 2),
    ],
)
def test_the_exit_code_follows_the_level(doctor: Any, arguments: Any, code: int) -> None:
    result = doctor(*arguments, TZ="Mars/Olympus")
    assert result.exit_code == code, result.output
    if code == 2:
        assert result.stdout == ""
        assert "Error: " in result.stderr


def test_an_error_exits_with_1_and_says_what_to_do(doctor: Any) -> None:
    result = doctor(MEMORY_BACKEND="s4")
    assert result.exit_code == 1
    assert result.stdout.startswith("1 problem: A variable has a value that is not allowed.")
    for part in ("!!  settings.E001", "MEMORY_BACKEND is 's4'", "customer notices: ", "   -> Set"):
        assert part in result.stdout
    assert "skipped until settings.values passes." in result.stdout
    assert doctor("--fail-level", "never", MEMORY_BACKEND="s4").exit_code == 0


def test_silenced_findings_are_counted_with_their_reasons(doctor: Any) -> None:
    result = doctor("--silence", "environment.W001=clocks are set later", TZ="Mars/Olympus")
    assert "1 finding silenced:\n  environment.W001: clocks are set later" in result.stdout


def test_the_bundle_is_one_file(doctor: Any, tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    assert doctor("--tag", "data", "--bundle", str(file)).exit_code == 0
    assert json.loads(file.read_bytes())["tags"] == ["data"]
    assert ANN not in file.read_text()
    refused = doctor("--bundle", str(tmp_path / "none" / "bundle.json"))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "cannot be written" in refused.stderr
