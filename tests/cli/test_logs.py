"""`logs analyze` on the command line: text, JSON, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner, Result

from memory_core.cli import cli
from tests.support.log_texts import CHROMA, DENIED, LOST, S3, added, found


def analyze(*arguments: str, log: str = "") -> Result:
    return CliRunner().invoke(cli, ["logs", "analyze", *arguments], input=log)


def test_a_healthy_log_exits_with_0(tmp_path: Path) -> None:
    path = tmp_path / "backend.log"
    path.write_text(f"2026-11-22T10:00:00Z {S3}\n2026-11-22T10:00:01Z {added('ann@x.com')}\n")
    result = analyze(str(path))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("No problem was found in this log.\n2 lines, ")
    assert "from 2026-11-22 10:00:00 to 2026-11-22 10:00:01 UTC." in result.stdout
    assert re.search(r"\n  2026-11-22 10:00:00  persistent \(S3 Vectors\) +1\n", result.stdout)


def test_what_is_wrong_is_told_with_the_way_to_the_doctor_and_exits_with_1() -> None:
    lines = (S3, added("Ann@x.com"), added("bob@x.com"), CHROMA, LOST, found(0, "ann@x.com"),
             found(0, "bob@x.com"), DENIED)  # fmt: skip
    result = analyze("-", log="\n".join(lines))
    assert result.exit_code == 1
    told = result.stdout
    assert "The storage became temporary" in told
    assert re.search(r"\n  ann@x.com +Ann@x.com +1 +1  yes +the same id in another form", told)
    assert re.search(r"\n  bob@x.com +1  line 3 +1  line 7 +changed in between\n", told)
    assert "-> python -m memory_core doctor --only vectors.E003" in told
    assert "No line has a time with a date; the lines are taken in their order." in told
    document = json.loads(analyze("-", "--json", log="\n".join(lines)).stdout)
    assert document["clean"] is False
    assert [one["finding"] for one in document["problems"]] == [
        "disk.E001",
        "identity.W002",
        "backend.W001",
        "vectors.E003",
    ]
    assert [one["backend"] for one in document["storage"]] == ["s3_vectors", "chroma"]
    assert document["errors"][0]["first"] == {"line": 8, "at": None, "instance": ""}


def test_what_is_no_log_exits_with_1_and_what_cannot_be_read_with_2(tmp_path: Path) -> None:
    assert analyze("-", log="Dear customer,\nthank you.\n").exit_code == 1
    empty = analyze("-", log="")
    assert (empty.exit_code, empty.stdout) == (2, "")
    assert "Error: there is nothing in it" in empty.stderr
    assert analyze(str(tmp_path / "none")).exit_code == 2


def test_characters_that_steer_a_terminal_are_not_passed_on() -> None:
    result = analyze("-", log="ERROR bad \x9b31m \u202e text\n")
    assert "\x9b" not in result.stdout
    assert "\u202e" not in result.stdout
