"""`python -m benchmarks`: what it prints, when, and how it ends."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.parts import PARTS
from benchmarks.report import machine_facts
from benchmarks.rows import FULL, TINY, Part, Row, Size
from tests.support.paths import DOCS, ROOT

SAVE = Row("save", 3.0, "ms", "plain save", 2.0, 1.2, "two | three")
COUNT = Row("requests of a count", 7.0, "calls")


def _good(size: Size, folder: Path) -> Iterator[Row]:
    assert list(folder.iterdir()) == []
    (folder / "left-over").touch()
    yield SAVE
    yield COUNT


def _broken(size: Size, folder: Path) -> Iterator[Row]:
    yield Row("before the failure", 1.0, "s")
    raise TypeError("two arguments are missing\nsize and theme")


GOOD = Part(_good, "A part that works")
BROKEN = Part(_broken, "A part that fails halfway")


def test_a_failing_part_is_named_and_the_others_are_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([], {"broken": BROKEN, "good": GOOD}) == 1
    out, err = capsys.readouterr()
    assert "before the failure" in out
    assert "broken failed: TypeError: two arguments are missing\n" in out
    assert "save / plain save" in out
    assert out.endswith("1 of 2 parts failed: broken\n")
    assert "Traceback" in err
    assert "size and theme" in err


def test_the_exit_code_is_zero_when_no_part_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {"first": GOOD, "second": GOOD}) == 0
    out = capsys.readouterr().out
    assert re.search(r"save / plain save +3 +2  ms +1.50 +1.20  over; two \| three\n", out)
    assert re.search(r"requests of a count +7 +calls\n", out)
    assert out.endswith("4 rows of 2 parts were measured.\n")


def test_a_row_is_printed_before_the_next_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    printed: list[str] = []

    def watched(size: Size, folder: Path) -> Iterator[Row]:
        printed.append(capsys.readouterr().out)
        yield SAVE
        printed.append(capsys.readouterr().out)
        yield COUNT

    assert main([], {"watched": Part(watched, "A part that looks")}) == 0
    assert "watched: A part that looks" in printed[0]
    assert "save / plain save" in printed[1]
    assert "requests of a count" in capsys.readouterr().out


def test_parts_are_chosen_by_name_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    sizes: list[Size] = []

    def sized(size: Size, folder: Path) -> Iterator[Row]:
        sizes.append(size)
        yield COUNT

    parts = {"broken": BROKEN, "sized": Part(sized, "A part that tells its size")}
    assert main(["--tiny", "sized"], parts) == 0
    assert main(["sized"], parts) == 0
    assert sizes == [TINY, FULL]
    assert "broken" not in capsys.readouterr().out


def test_the_report_holds_every_row_the_machine_and_the_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "benchmarks.md"
    assert main(["--report", str(path)], {"good": GOOD}) == 0
    text = path.read_text("utf-8")
    assert "| save / plain save | 3 | 2 | ms | 1.50 | 1.20 | **over**; two \\| three |\n" in text
    assert "| requests of a count | 7 |  | calls |  |  |  |\n" in text
    assert "## A part that works (`good`)" in text
    assert re.search(r"^- Date: \d{4}-\d\d-\d\d$", text, re.M)
    for name, fact in machine_facts().items():
        assert f"- {name}: {fact}\n" in text
    assert "tiny" not in text
    assert main(["--tiny", "--report", str(path)], {"good": GOOD}) == 0
    assert "tiny size: its figures mean nothing" in path.read_text("utf-8")
    assert f"{path} was written." in capsys.readouterr().out


def test_no_report_is_written_when_a_part_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text("of last time")
    assert main(["--report", str(path)], {"broken": BROKEN}) == 1
    assert path.read_text() == "of last time"
    assert "was not written" in capsys.readouterr().err


def test_the_committed_report_has_every_part_at_its_full_size() -> None:
    text = (DOCS / "benchmarks.md").read_text("utf-8")
    assert re.findall(r"^## .* \(`(.+)`\)$", text, re.M) == list(PARTS)
    assert f"import of {FULL.memories:,} / mem0" in text
    assert "tiny size" not in text


@pytest.mark.process
def test_an_unknown_part_is_refused_with_the_names_of_all() -> None:
    command = [sys.executable, "-m", "benchmarks", "--tiny", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"no part is called speed; choose from {', '.join(PARTS)}" in done.stderr


def test_the_makefile_runs_all_parts_and_writes_the_report() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^bench: .*\n\t@\$\(BIN\)/python -m benchmarks$", makefile, re.M)
    assert re.search(
        r"^bench-report: .*\n\t@\$\(BIN\)/python -m benchmarks --report docs/benchmarks\.md$",
        makefile,
        re.M,
    )
