"""Ended sessions, shared by the instances of the dashboard."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dashboard.auth.accounts import Accounts
from dashboard.auth.sessions import RevokedSessions, Sessions, _learn, digest, revoke
from dashboard.connection import connection
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


def test_a_sign_out_that_the_storage_did_not_take_is_saved_when_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = Sessions(Accounts(), "x" * 32, idle_s=60, lasts_s=60, shared=True)
    monkeypatch.setenv("MEMORY_REQUIRE_PERSISTENT", "1")
    revoke("the session", time.time() + 3600)
    assert _learn(known)
    assert known.wanted is False
    monkeypatch.setenv("MEMORY_REQUIRE_PERSISTENT", "0")
    connection().forget_failure()
    assert _learn(known) == ""
    objects = connection().service().parts.backend.objects
    assert RevokedSessions(objects).digests() == {digest("the session")} == known._revoked
