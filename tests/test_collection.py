"""The same tests are collected whatever the clock, the hash seed, the locale and the folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.collected import AHEAD_VARIABLE, COLLECTED, VARIABLE
from tests.support.paths import ROOT

pytestmark = pytest.mark.process

SURROUNDINGS = [
    {"PYTHONHASHSEED": "2", "TZ": "Pacific/Pago_Pago", "LC_ALL": "C", AHEAD_VARIABLE: "100000"},
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", AHEAD_VARIABLE: "0"},
]
UMASKS = [0o077, 0o022]
CHOICES = "keyword markexpr deselect ignore ignore_glob lf".split()
"""The options by which a run has some of the tests."""
WITHIN_S = 180.0
# Without the rewriting of assertions, which takes most of the time.
OPTIONS = "--collect-only --quiet --assert=plain -p no:cacheprovider -p tests.support.collected"

Collected = dict[str, dict[str, str]]
"""The parameters of every test by its id, in the order of collection."""


def start(folder: Path, surroundings: dict[str, str], umask: int) -> subprocess.Popen[str]:
    """Collect all tests in another process, from a working folder that is not the project's."""
    for name in ("home", "temporary", "work"):
        (folder / name).mkdir()
    environ = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    environ |= surroundings
    environ |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary")}
    environ |= {VARIABLE: str(folder / "collected.json"), "PYTHONPATH": str(ROOT)}
    arguments = ["-c", ROOT / "pyproject.toml", *OPTIONS.split(), ROOT / "tests"]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder / "work",
        env=environ,
        umask=umask,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


def has_all(config: pytest.Config) -> bool:
    """Say whether this run has collected all tests."""
    by_itself = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return by_itself and not any(getattr(config.option, name, None) for name in CHOICES)


@pytest.fixture(scope="module")
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    names = ["first"] if has_all(request.config) else ["first", "second"]
    return [tmp_path_factory.mktemp(name) for name in names]


@pytest.fixture(scope="module")
def collections(request: pytest.FixtureRequest, folders: list[Path]) -> list[Collected]:
    """Return what another process collects, and this run; of some tests, what two collect."""
    with ExitStack() as stack:
        processes = []
        for arguments in zip(folders, SURROUNDINGS, UMASKS, strict=False):
            processes.append(stack.enter_context(start(*arguments)))
            stack.callback(processes[-1].kill)
        for process in processes:
            output, _ = process.communicate(timeout=WITHIN_S)
            assert process.returncode == 0, output[-4_000:]
    others = [json.loads((folder / "collected.json").read_text("utf-8")) for folder in folders]
    return others if len(others) == 2 else [*others, request.config.stash[COLLECTED]]


def test_the_same_tests_are_collected_in_any_surroundings(collections: list[Collected]) -> None:
    first, second = collections
    assert sorted(first.keys() ^ second.keys()) == [], "collected by one process alone"
    moved = [ids for ids in zip(first, second, strict=True) if ids[0] != ids[1]]
    assert moved == [], "collected in another order"
    differing = {test: (first[test], second[test]) for test in first if first[test] != second[test]}
    assert differing == {}, "given other parameters"
    assert len(first) > 1_000


def test_no_id_holds_an_address_a_path_of_this_machine_or_a_date_of_today(
    collections: list[Collected], folders: list[Path]
) -> None:
    now = datetime.now(UTC)
    days = {f"{now + timedelta(hours=hours):%Y-%m-%d}" for hours in (-14, 0, 14)}
    paths = {str(ROOT), *map(str, folders)}
    suspicious = [
        test
        for test in collections[0]
        if re.search(r"\b0x[0-9a-f]{6,}", test) or any(text in test for text in days | paths)
    ]
    assert suspicious == []
