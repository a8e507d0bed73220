"""Ended sessions, shared by the instances of the dashboard."""

from __future__ import annotations

from pathlib import Path

from dashboard.auth.sessions import RevokedSessions, digest
from memory_core.storage.objects import LocalObjects


def test_a_session_ended_on_one_instance_is_known_on_the_other_until_it_expires(
    tmp_path: Path,
) -> None:
    now = 1000.0
    one, other = (RevokedSessions(LocalObjects(tmp_path), lambda: now) for _ in range(2))
    one.add("first", 1100)
    one.add("first", 1100)
    other.add("second", 1200)
    assert one.digests() == other.digests() == {digest("first"), digest("second")}
    now = 1150.0
    assert one.digests() == {digest("second")}
    now = 1300.0
    assert other.digests() == frozenset()
    assert list(LocalObjects(tmp_path).list("signouts/")) == []


def test_the_storage_does_not_learn_the_id_of_a_session(tmp_path: Path) -> None:
    RevokedSessions(LocalObjects(tmp_path)).add("the id", 4e9)
    assert "the id" not in "".join(str(path) for path in tmp_path.rglob("*"))
