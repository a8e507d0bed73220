"""Alerts against a real server that refuses, redirects, hangs, or loses its answer."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_core import Settings
from memory_core.embedders import Embedder
from memory_core.errors import SettingsError
from memory_core.storage.objects import LocalObjects
from memory_core.watch import Alerts, failed_alerts
from tests.support.alert_receiver import Receiver
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path / "objects")


def alerts_on(objects: LocalObjects | None, url: str, timeout_s: float = 30.0) -> Alerts:
    return Alerts(url, "", objects, pauses_s=(0.0, 0.0), timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("ways", "posts", "failure"),
    [
        (["204"], 1, ""),
        (["500", "429", "200"], 3, ""),
        (["503", "503", "503"], 3, "the server refused it with 503"),
        (["404"], 1, "the server refused it with 404"),
        (["302"], 1, "a redirect, which is not followed"),
        (["307"], 1, "a redirect, which is not followed"),
        (["drop"], 1, "no answer came"),
        (["hang"], 1, "no answer came"),
    ],
)
def test_a_change_is_sent_again_only_while_it_cannot_have_arrived(
    receiver: Receiver, objects: LocalObjects, ways: Sequence[str], posts: int, failure: str
) -> None:
    receiver.ways = [*ways]
    alerts = alerts_on(objects, receiver.url, 0.2 if "hang" in ways else 30.0)
    alerts.see("proof", "lost", "3 of 12 probes were lost.", checks=4)
    assert alerts.wait(60)
    assert len(receiver.posts) == posts
    assert len({post["id"] for post in receiver.posts}) == 1, "for a receiver that knows it"
    sent = receiver.posts[0]
    assert (sent["kind"], sent["state"], sent["sentence"], sent["evidence"]) == (
        "proof", "lost", "3 of 12 probes were lost.", {"checks": 4},
    )  # fmt: skip
    failures = [reason for _, _, reason in failed_alerts(objects)]
    assert len(failures) == bool(failure)
    assert failure in "".join(failures)


def test_a_server_that_is_not_there_is_tried_again_and_told_of(objects: LocalObjects) -> None:
    alerts = alerts_on(objects, "http://127.0.0.1:9/hook")
    alerts.see("doctor", "problems", "The doctor found index.E002.")
    assert alerts.wait(60)
    ((kind, _, reason),) = failed_alerts(objects)
    assert kind == "doctor"
    assert "no connection" in reason
    assert "127.0.0.1" not in reason, "the address may hold a token"


def test_credentials_of_the_address_are_sent_and_never_shown(
    receiver: Receiver, objects: LocalObjects
) -> None:
    receiver.ways = ["401"]
    alerts = alerts_on(objects, receiver.url.replace("://", "://hook:s3cr%C3%A9t@"))
    alerts.see("proof", "lost", "sentence")
    assert alerts.wait(60)
    expected = "Basic " + b64encode("hook:s3crét".encode()).decode()
    assert [headers["Authorization"] for headers in receiver.headers] == [expected]
    ((_, _, reason),) = failed_alerts(objects)
    assert reason == "the server refused it with 401"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://x:99999/", "https://x:abc/", "https://exa mple.com/",
        "http://evil.example\\@127.0.0.1/", "http://127.0.0.1@evil.example/", "https://[::1",
    ],
)  # fmt: skip
def test_an_address_that_is_none_or_leads_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="MEMORY_ALERT_URL is not an https address") as caught:
        Settings.from_env({"MEMORY_ALERT_URL": url})
    assert url not in str(caught.value)


def test_objects_of_others_and_a_proof_that_began_anew_silence_nothing(
    receiver: Receiver, objects: LocalObjects
) -> None:
    objects.put_if_absent("watch/v1/alerts/proof/copy.json", b"{}")
    alerts = alerts_on(objects, receiver.url)
    alerts.see("proof", "lost", "sentence", number=900, begun_at="2026-01-01")
    alerts.see("proof", "proven", "sentence", number=2, begun_at="2026-05-05")
    assert alerts.wait(60)
    assert [post["state"] for post in receiver.posts] == ["lost", "proven"]


def test_only_changes_to_worse_and_to_well_are_told_and_by_one_instance(
    receiver: Receiver, objects: LocalObjects
) -> None:
    both = [alerts_on(objects, receiver.url), alerts_on(objects, receiver.url)]

    def told(kind: Any, state: str) -> list[str]:
        before = len(receiver.posts)
        for alerts in both:
            alerts.see(kind, state, "sentence")
        for alerts in both:
            assert alerts.wait(60)
        return [post["state"] for post in receiver.posts[before:]]

    assert told("proof", "proven") == [], "nothing changed"
    assert told("proof", "lost") == ["lost"]
    assert told("proof", "missed") == [], "as bad as before"
    assert told("proof", "proven") == ["proven"]
    assert told("proof", "proven") == []
    assert told("storage", "temporary") == [], "as it always was"
    assert told("storage", "broken") == ["broken"]
    assert told("storage", "temporary") == [], "not well"
    assert told("storage", "persistent") == ["persistent"]
    assert told("storage", "temporary") == ["temporary"], "worse than it was"
    assert told("proof", "lost") == ["lost"], "another change than the first"


def test_an_instance_that_is_late_tells_nothing_older(
    receiver: Receiver, objects: LocalObjects
) -> None:
    first, late = alerts_on(objects, receiver.url), alerts_on(objects, receiver.url)
    first.see("proof", "lost", "sentence", number=4)
    first.see("proof", "proven", "sentence", number=6)
    late.see("proof", "lost", "sentence", number=5)
    assert first.wait(60)
    assert late.wait(60)
    assert [post["state"] for post in receiver.posts] == ["lost", "proven"]


def test_of_instances_that_see_it_at_once_one_tells(
    receiver: Receiver, objects: LocalObjects
) -> None:
    alerts = [alerts_on(objects, receiver.url) for _ in range(6)]
    threads = [
        threading.Thread(target=each.see, args=("proof", "lost", "sentence")) for each in alerts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each.wait(60) for each in alerts)
    assert len(receiver.posts) == 1


def test_a_storage_that_cannot_be_asked_keeps_no_alert_back(
    receiver: Receiver, tmp_path: Path
) -> None:
    alerts = alerts_on(None, receiver.url)
    alerts.see("storage", "broken", "The storage cannot be opened.")
    alerts.see("storage", "broken", "The storage cannot be opened.")
    file = tmp_path / "objects"
    file.write_text("no folder")
    alerts.objects = LocalObjects(file)
    alerts.see("storage", "unread", "The storage cannot be read.")
    file.unlink()
    alerts.see("storage", "persistent", "The storage is well.")
    assert alerts.wait(60)
    assert [post["state"] for post in receiver.posts] == ["broken", "persistent"]


def test_one_whose_process_died_is_told_of_after_an_hour(objects: LocalObjects) -> None:
    for hours, number in ((2, 0), (0, 1)):
        since = datetime.now(UTC) - timedelta(hours=hours)
        claim = {"state": "lost", "since": since.isoformat()}
        objects.put_if_absent(
            f"watch/v1/alerts/proof/{number:08d}.json", json.dumps(claim).encode()
        )
        assert len([*failed_alerts(objects)]) == (hours > 0)


def test_a_loss_of_the_standing_proof_is_told_without_personal_data(
    receiver: Receiver, data_dir: Path, embedder: Embedder
) -> None:
    service = build_service(data_dir, embedder, InMemoryStore(embedder.dimensions))
    service.settings = Settings.from_env(
        {
            "MEMORY_DATA_DIR": str(data_dir), "MEMORY_ALERT_URL": receiver.url,
            "DASHBOARD_URL": "https://memory.example.com", "RENDER_GIT_COMMIT": "abcdef1234567",
        }
    )  # fmt: skip
    service.add_text_memory("ann", "likes tea")
    before = service.check_proof()
    service.parts.store.delete([probe.id for probe in before.receipt[:3]])
    service.check_proof()
    assert service._watcher is not None
    assert service._watcher.alerts.wait(60)
    service.check_proof()
    assert service._watcher.alerts.wait(60)
    lost, proven = receiver.posts
    assert (lost["state"], proven["state"]) == ("lost", "proven")
    assert lost["sentence"].startswith("3 of 12 probes were lost after ")
    assert ", on commit abcdef12, found at " in lost["sentence"]
    assert lost["evidence"]["checks"] == 2
    assert lost["link"] == "https://memory.example.com/proof"
    text = json.dumps(receiver.posts)
    assert not any(probe.text in text or probe.user_id in text for probe in before.receipt)
