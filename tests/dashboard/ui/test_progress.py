"""The progress of a job in words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dashboard.services.jobs import Job
from dashboard.ui import progress


@pytest.mark.parametrize(
    ("unit", "done", "total", "shown"),
    [
        ("passage", 3, 10, "3 of 10 passages"),
        ("memory", 1, 1, "1 of 1 memory"),
        ("MB", 1_572_864, 3 * 1024**2, "1.5 of 3.0 MB"),
        ("", 2, 1204, "2 of 1,204"),
    ],
)
def test_the_amount_names_what_is_counted(unit: str, done: int, total: int, shown: str) -> None:
    assert progress._amount(Job("id", "it", "it", done=done, total=total), unit) == shown


def test_the_pace_is_known_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    started = 1_000.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: started + 10))
    job = Job("id", "it", "it", done=100, total=200, started=started)
    assert progress._pace(job) == ", 10 a second, about 10 seconds left"
    assert progress._pace(Job("id", "it", "it", done=0, total=200, started=started)) == ""
