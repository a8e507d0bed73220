"""`migrate plan|apply|verify`: the keys, the exit codes and the receipt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from memory_core.cli import cli
from memory_core.settings import Settings
from memory_core.transfer import check_receipt
from tests.support.ports import held_port

KEYS = {"planned", "copied", "skipped", "failed", "verified", "per_user"}


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["migrate", *arguments])
    assert result.exit_code == code, result.output
    return result


def document(*arguments: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json", code=code).stdout)
    assert found.keys() >= KEYS
    return found


def file_of(folder: Path, name: str, **rows: str) -> str:
    lines = [{"id": one, "user_id": " Ann", "memory": text} for one, text in rows.items()]
    (folder / name).write_text("\n".join(map(json.dumps, lines)))
    return f"jsonl:{folder / name}"


def test_plan_apply_and_verify_speak_json_and_end_with_the_right_code(tmp_path: Path) -> None:
    source = file_of(tmp_path, "a.jsonl", a="tea", b="rye")
    receipt = tmp_path / "receipt.json"
    planned = document("plan", "--from", source)
    assert (planned["planned"], planned["copied"], planned["normalised"]) == (2, 0, 2)
    assert planned["per_user"]["ann"]["forms"] == {" Ann": 2}
    assert planned["estimate"].keys() == {"seconds", "requests", "assumptions"}
    assert planned["estimate"]["requests"] == 0
    assert document("verify", "--from", source, code=1)["verified"] is False
    applied = document("apply", "--from", source, "--receipt", str(receipt))
    assert (applied["copied"], applied["verified"], applied["failed"]) == (2, True, 0)
    assert (
        applied["per_user"]["ann"]["expected_digest"] == applied["per_user"]["ann"]["found_digest"]
    )
    assert check_receipt(json.loads(receipt.read_text()), Settings.from_env())
    assert document("verify", "--from", source)["verified"] is True
    assert document("apply", "--from", source)["skipped"] == 2


def test_memories_go_to_the_service_in_use_and_out_of_it_by_export(tmp_path: Path) -> None:
    source = file_of(tmp_path, "a.jsonl", a="tea", b="rye")
    in_use = document("plan", "--from", source)["target"]
    assert in_use.startswith("chroma:")
    assert document("apply", "--from", source, "--to", in_use)["copied"] == 2
    assert document("verify", "--from", source, "--to", "here")["verified"] is True
    for target in (f"jsonl:{tmp_path / 'b.jsonl'}", "chroma:elsewhere", "nonsense"):
        said = run("apply", "--from", source, "--to", target, "--json", code=2).output
        assert f"not to {target!r}; to take them elsewhere, use `export`" in said
    assert "--to" not in run("apply", "--help").output
    assert not (tmp_path / "b.jsonl").exists()


def test_a_conflict_is_shown_and_decided_on_the_command_line(tmp_path: Path) -> None:
    run("apply", "--yes", "--from", file_of(tmp_path, "a.jsonl", a="tea", b="rye"))
    other = file_of(tmp_path, "b.jsonl", a="coffee", b="wheat")
    shown = run("plan", "--from", other, code=1).output
    assert "here" in shown
    assert "coffee" in shown
    assert "--decide ID=keep" in shown
    found = document("apply", "--from", other, "--decide", "a=take", code=1)
    assert (found["copied"], found["failed"]) == (1, 1)
    assert [one["id"] for one in found["conflicting"]] == ["b"]
    assert document("apply", "--from", other, "--conflicts", "keep")["failed"] == 0
    assert "--decide 'a'" in run("plan", "--from", other, "--decide", "a", code=2).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "nonsense"], "is not the address of a source"),
        (["--from", "chroma:/no/such/folder"], "there is no folder"),
        (["--from", "history:x.db"], "name one with --user"),
        ([], "Missing option '--from'"),
    ],
)
def test_bad_input_ends_with_2_and_a_sentence(arguments: list[str], said: str) -> None:
    assert said in run("plan", *arguments, code=2).output


def test_what_does_not_answer_ends_with_3() -> None:
    with held_port() as port:
        result = run("plan", "--from", f"chroma-http://127.0.0.1:{port}", code=3)
    assert "no ChromaDB server answers" in result.output


def test_the_text_says_what_was_found_and_done(tmp_path: Path) -> None:
    source = file_of(tmp_path, "a.jsonl", a="tea", b="rye")
    told = run("plan", "--from", source).output
    assert "nothing was written" in told
    assert "2  to copy" in told
    assert "2  under another form" in told
    assert run("apply", "--from", source, code=1).output.startswith("Copy the memories of jsonl:")
    assert "2 memories copied" in run("apply", "--from", source, "--yes").output
    assert "VERIFIED: of 2 memories of 1 user" in run("verify", "--from", source).output
    empty = file_of(tmp_path, "empty.jsonl")
    (tmp_path / "empty.jsonl").write_text("{}\n")
    assert "refused" in run("plan", "--from", empty, code=1).output
