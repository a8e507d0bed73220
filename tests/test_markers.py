"""Tests carry the markers of what they need, and one that lacks `process` fails."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from standin import StandIn
from tests.support.markers import BROWSER, EXHAUSTIVE, Needs, is_exhaustive, left_out
from tests.support.paths import ROOT
from tests.support.places import Folder
from tests.support.s3_bench import open_bench
from tests.support.zygote import Zygote

HIDDEN = """
import importlib

def test_with_a_process() -> None:
    assert importlib.import_module("o" + "s").system("exit 0") == 0

def test_without() -> None:
    assert True
"""


def _starts() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def _starts_by_a_helper() -> None:
    _starts()


def _names_a_call_of_the_same_name(place: Any) -> None:
    place.run(StandIn is None)


@pytest.mark.parametrize(
    ("code", "markers"),
    [
        (_starts, {"process"}),
        (_starts_by_a_helper, {"process"}),
        (partial(_starts_by_a_helper), {"process"}),
        ({"damage": (1, _starts)}, {"process"}),
        (Zygote, {"process"}),
        (open_bench, {"s3"}),
        (_names_a_call_of_the_same_name, {"s3"}),
        (Folder, set()),
        ("s3", set()),
    ],
)
def test_code_is_followed_to_what_it_needs(code: Any, markers: set[str]) -> None:
    assert Needs().of(code) == markers


@pytest.mark.parametrize(
    ("nodeid", "parameters", "expected"),
    [
        ("tests/faults/test_kill.py::test", (), True),
        ("tests/contract/test_service.py::test", ("s3_vectors_lossy",), True),
        ("tests/contract/test_service.py::test", ("s3_vectors",), False),
        ("tests/memories/test_audit.py::test", (), False),
    ],
)
def test_the_core_contract_is_not_exhaustive_its_variants_are(
    nodeid: str, parameters: tuple[str, ...], expected: bool
) -> None:
    assert is_exhaustive(nodeid, parameters) is expected


@pytest.mark.parametrize(
    ("expression", "files"),
    [
        ("", ()),
        ("s3", ()),
        ("not browser", (BROWSER,)),
        ("not browser and not process and not exhaustive", (*EXHAUSTIVE, BROWSER)),
        ("not browser or s3", ()),
        ("not (s3 and not browser and process)", ()),
    ],
)
def test_only_files_of_which_no_test_is_wanted_are_left_out(
    expression: str, files: tuple[str, ...]
) -> None:
    assert left_out(expression) == files


def test_all_that_is_exhaustive_exists() -> None:
    assert [path for path in EXHAUSTIVE if not (ROOT / path).exists()] == []


@pytest.mark.process
def test_a_test_that_starts_a_process_without_the_marker_fails(tmp_path: Path) -> None:
    (tmp_path / "test_hidden.py").write_text(HIDDEN)
    options = ["-p", "tests.support.markers", "-p", "no:cacheprovider", "-c", "none.ini"]
    (tmp_path / "none.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_hidden.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed, 1 error" in run.stdout, run.stdout + run.stderr
    assert "test_with_a_process starts a process and is not marked `process`" in run.stdout
