"""What monitors read without a session, what only a token opens, and what alerts tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard import health
from dashboard.auth.access import access
from dashboard.auth.gate import Gate
from dashboard.connection import connection
from tests.support.alert_receiver import Receiver
from tests.support.staff import SECRET, entries

TOKEN = {"Authorization": "Bearer s3cret"}


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A stranger before the gate of a dashboard with a login."""
    monkeypatch.setenv("DASHBOARD_USERS", entries())
    monkeypatch.setenv("DASHBOARD_SECRET", SECRET)
    access.cache_clear()
    gate = Gate(Starlette(routes=health.ROUTES), access())
    with TestClient(gate, base_url="http://127.0.0.1:8501", follow_redirects=False) as client:
        yield client


def test_health_has_the_state_of_the_proof_as_fields(monitor: TestClient) -> None:
    assert monitor.get("/health").json()["proof"] == "off"
    service = connection().service()
    proof = service.check_proof()
    states = monitor.get("/health").json()
    assert states.keys() == {"alive", "storage", "proof", "proven_at", "proven_since"}
    assert (states["proof"], states["proven_at"]) == ("proven", proof.passed_at)
    service.parts.store.delete([proof.receipt[0].id])
    service.check_proof()
    states = monitor.get("/health").json()
    assert (states["proof"], states["proven_at"]) == ("lost", proof.passed_at)


def test_the_badge_is_a_word_and_a_colour_and_off_by_default(
    monitor: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert monitor.get("/badge.svg").status_code == 404
    monkeypatch.setenv("DASHBOARD_BADGE", "1")
    connection().service().check_proof()
    badge = monitor.get("/badge.svg")
    assert badge.headers["content-type"] == "image/svg+xml"
    assert badge.headers["cache-control"] == "no-store"
    assert ">proven</text>" in badge.text
    assert "#15803D" in badge.text


def test_metrics_are_for_the_token_alone(
    monitor: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert monitor.get("/metrics", headers=TOKEN).status_code == 404
    monkeypatch.setenv("MEMORY_METRICS_TOKEN", "s3cret")
    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "s3cret"},
                    {"Authorization": "Bearer s3cr\u00e9t".encode("latin-1")}):  # fmt: skip
        assert monitor.get("/metrics", headers=headers).status_code == 401
    answer = monitor.get("/metrics", headers=TOKEN)
    assert answer.status_code == 200
    assert "holdfast_storage_persistent 0.0" in answer.text
    monkeypatch.setenv("MEMORY_METRICS_TOKEN", "s3crét")
    token = {"Authorization": "Bearer s3crét".encode()}
    assert monitor.get("/metrics", headers=token).status_code == 200
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    connection().close()
    answer = monitor.get("/metrics", headers=token)
    assert (answer.status_code, "MEMORY_BACKEND is 'pinecone'" in answer.text) == (503, True)
    assert monitor.get("/metrics/x").status_code == 303, "everything else is for the login"


def test_alerts_tell_what_the_storage_and_the_doctor_become(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_ALERT_URL", receiver.url)
    monkeypatch.setenv("MEMORY_BACKEND", "pinecone")
    monkeypatch.setattr(health, "_DOCTOR_S", 0.0)
    # The disk of the tests is in memory, which is an error of its own.
    monkeypatch.setattr(health, "_LOOKED_AT", ("settings",))
    lookout = health.Lookout()
    lookout.look()
    lookout.look()
    monkeypatch.setenv("MEMORY_BACKEND", "chroma")
    connection().forget_failure()
    lookout.look()
    assert lookout._alerts.wait(60)
    told = [(post["kind"], post["state"]) for post in receiver.posts]
    assert told == [("storage", "broken"), ("doctor", "problems"), ("doctor", "well")]
    assert receiver.posts[1]["evidence"] == {"findings": ["settings.E001"]}
