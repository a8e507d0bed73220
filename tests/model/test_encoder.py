"""Values as JSON has them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from memory_core.model.encoder import encode, pick
from memory_core.model.records import AuditItem, AuditReport, Kind, UserId
from memory_core.transfer.reports import Estimate, MigrationDifference

ITEM = AuditItem("m1", UserId("ann"), "not in the store")


def test_a_value_becomes_its_fields_and_a_property_can_be_picked() -> None:
    written = {
        "id": "m1", "user_id": "ann", "detail": "not in the store", "memory": None,
        "repaired": False,
    }  # fmt: skip
    report = AuditReport((ITEM,), (), (), (), 3, 2)
    assert encode(ITEM) == written
    assert pick(report, "clean", "missing") == {"clean": False, "missing": [written]}
    assert encode(Estimate(1.5, 2, ("a",)))["assumptions"] == ["a"]


def test_times_are_utc_and_what_json_has_none_of_becomes_what_it_has() -> None:
    east = timezone(timedelta(hours=2))
    assert encode(datetime(2026, 1, 2, 3, 4, tzinfo=east)) == "2026-01-02T01:04:00+00:00"
    assert encode(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00+00:00"
    assert encode(date(2026, 1, 2)) == "2026-01-02"
    assert encode({Kind.ADD: (True, 1, 0.5, None)}) == {"ADD": [True, 1, 0.5, None]}
    assert type(encode(Kind.ADD)) is str
    assert encode(Path("a") / "b") == str(Path("a") / "b")
    with pytest.raises(TypeError, match="object cannot be encoded as JSON"):
        encode([object()])


def test_half_characters_of_a_damaged_file_can_be_written() -> None:
    text = json.dumps(
        encode(MigrationDifference(None, UserId("ann"), "\ud800ä")), ensure_ascii=False
    )
    assert json.loads(text.encode())["detail"] == "\\ud800ä"
