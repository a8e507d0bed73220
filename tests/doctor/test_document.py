"""docs/doctor.md says of every finding what it is, and of nothing else."""

from __future__ import annotations

import re

import pytest

from memory_core.doctor import KINDS
from memory_core.doctor.checks.environment import FAULTS, installed
from tests.support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "doctor.md").read_text()
ROWS = [
    [cell.strip() for cell in row.strip("|").split("|")]
    for row in DOCUMENT.partition("## Failures in other projects")[2].splitlines()
    if row.startswith("| ") and not row.startswith("| reported in")
]
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def test_there_is_a_paragraph_for_every_finding_and_no_other() -> None:
    headings = dict(re.findall(r"^### `([^`]+)` (.+)$", DOCUMENT, re.M))
    assert headings == {one.id: one.title for one in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.id)
def test_the_paragraph_says_what_it_means_and_what_to_do(kind: object) -> None:
    found = next(one for one in KINDS if one is kind)
    rest = DOCUMENT.partition(f"### `{found.id}` ")[2]
    paragraph = " ".join(re.split(r"^##", rest, maxsplit=1, flags=re.M)[0].split())
    assert "**For the customer.** " in paragraph
    for fix in found.fixes:
        assert fix.text in paragraph
        assert fix.command in paragraph


def test_no_finding_is_mentioned_that_does_not_exist() -> None:
    mentioned = set(re.findall(r"`([a-z]+\.[EWI]\d{3})`", DOCUMENT))
    assert mentioned == {one.id for one in KINDS}


def test_each_failure_of_others_has_a_finding_a_test_or_a_reason() -> None:
    assert len(ROWS) == 25
    known = {one.id for one in KINDS}
    for _, _, here in ROWS:
        ids = set(re.findall(r"`([a-z]+\.[EWI]\d{3})`", here))
        tests = re.findall(r"`(test_\w+)`", here)
        assert ids <= known
        assert all(f"def {name}(" in TESTS for name in tests), here
        assert ids or tests or here.startswith(("cannot happen: ", "nothing to be diagnosed: "))


def test_what_is_installed_has_none_of_the_known_faults() -> None:
    found = installed()
    assert {library for library, _, _ in FAULTS} <= found.keys()
    required = (ROOT / "requirements.txt").read_text()
    for library in ("mem0ai", "boto3", "chromadb", "streamlit"):
        assert f"{library}=={found[library]}\n" in required
