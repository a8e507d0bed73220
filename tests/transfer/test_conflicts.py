"""Two texts under one id: refused, shown beside each other, decided by a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memory_core import MemoryService, MigrationConflict, VerificationFailed
from memory_core import transfer as m
from memory_core.transfer.reports import Outcome, Verdicts
from tests.support.intakes import texts

Worlds = Callable[..., MemoryService]


def file_of(folder: Path, **rows: str) -> str:
    path = folder / f"{len(list(folder.glob('*.jsonl')))}.jsonl"
    lines = [{"id": one, "user_id": "Ann", "memory": text} for one, text in rows.items()]
    path.write_text("\n".join(map(json.dumps, lines)))
    return f"jsonl:{path}"


@pytest.fixture
def here(world: Worlds, tmp_path: Path) -> MemoryService:
    service = world()
    m.apply(service, file_of(tmp_path, a="tea", b="rye", c="oats"))
    return service


def test_a_conflict_is_shown_with_both_texts_and_nothing_is_changed(
    here: MemoryService, tmp_path: Path
) -> None:
    source = file_of(tmp_path, a="coffee", b="rye", d="figs")
    for told in (m.plan(here, source), m.apply(here, source)):
        assert [(one.id, one.user_id, one.here, one.theirs) for one in told.conflicts] == [
            ("a", "ann", "tea", "coffee")
        ]
        assert told.failed == 1
    assert texts(here, "ann") == {"a": "tea", "b": "rye", "c": "oats", "d": "figs"}
    with pytest.raises(MigrationConflict, match="1 memory of") as conflict:
        m.apply(here, source).check()
    assert isinstance(conflict.value.report, m.reports.MigrationReport)
    with pytest.raises(VerificationFailed) as failed:
        m.verify(here, source).check()
    assert isinstance(failed.value.report, m.reports.Verification)


@pytest.mark.parametrize(
    ("verdicts", "kept", "copied"),
    [
        (Verdicts(others="keep"), ["oats", "rye", "tea"], 0),
        (Verdicts(others="take"), ["coffee", "oats", "wheat"], 2),
        (Verdicts(others="both"), ["coffee", "oats", "rye", "tea", "wheat"], 2),
        (Verdicts({"a": "take"}, "keep"), ["coffee", "oats", "rye"], 1),
        (Verdicts({"a": "both"}), ["coffee", "oats", "rye", "tea"], 1),
    ],
)
def test_a_person_decides_for_one_or_for_all(
    here: MemoryService, tmp_path: Path, verdicts: Verdicts, kept: list[str], copied: int
) -> None:
    source = file_of(tmp_path, a="coffee", b="wheat", c="oats")
    report = m.apply(here, source, verdicts=verdicts)
    assert sorted(texts(here, "ann").values()) == kept
    assert report.copied == copied
    undecided = verdicts.others is None
    assert report.ok is not undecided
    # Again, nothing is copied twice, and what was decided holds.
    assert m.apply(here, source, verdicts=verdicts).copied == 0
    assert sorted(texts(here, "ann").values()) == kept
    assert m.verify(here, source, verdicts=verdicts).verified is not undecided


def test_what_was_changed_or_deleted_here_since_is_no_conflict_and_does_not_come_back(
    here: MemoryService, tmp_path: Path
) -> None:
    source = f"jsonl:{tmp_path / '0.jsonl'}"
    here.update_memory("ann", "a", "green tea")
    here.delete_memory("ann", "b")
    report = m.apply(here, source, verdicts=Verdicts(others="both"))
    assert texts(here, "ann") == {"a": "green tea", "c": "oats"} | _copies(here)
    here_since = m.apply(here, source)
    assert here_since.failed == 0
    assert here_since.intake.counts[Outcome.DELETED] == 1
    assert m.verify(here, source).verified
    here.forget_user("ann")
    for verdicts in (None, Verdicts(others="take"), Verdicts(others="both")):
        assert m.apply(here, source, verdicts=verdicts).copied == 0
    assert texts(here, "ann") == {}
    assert report.ok


def _copies(service: MemoryService) -> dict[str, Any]:
    return {one: text for one, text in texts(service, "ann").items() if len(one) > 1}


def test_the_id_of_another_user_is_left_to_them(here: MemoryService, tmp_path: Path) -> None:
    path = tmp_path / "bob.jsonl"
    path.write_text(json.dumps({"id": "a", "user_id": "bob", "memory": "cocoa"}))
    for copied in (1, 0):
        report = m.apply(here, f"jsonl:{path}")
        assert (report.copied, report.ok) == (copied, True)
    assert texts(here, "ann")["a"] == "tea"
    assert list(texts(here, "bob").values()) == ["cocoa"]
    assert m.verify(here, f"jsonl:{path}").verified
