"""The support bundle has what helps, and nothing that is anybody's own unless asked for."""

from __future__ import annotations

import hashlib
import json
import logging
import re

from memory_core.doctor import make_bundle
from memory_core.doctor.support_bundle import _Redactor
from memory_core.memories.log_lines import LOGGER, install_recent_lines
from memory_core.redeploy_test.report import Verdict
from tests.support.doctor_damages_of_data import judged
from tests.support.doctor_damages_of_memories import corrupt, lose, put_stray, saves
from tests.support.doctor_system import ANN, BOB, TEXTS, MakeSystem, System

KEY = "key-of-openai-0123456789"
PLAIN = "cy-without-an-address"


def damaged(make_system: MakeSystem) -> System:
    system = make_system("chroma")
    system.set(MEMORY_RECEIPT_KEY=KEY)
    lose(system)
    saves(PLAIN, "default")(system)
    put_stray(user_id="Bob@Example.com ", data="Owes somebody a favour")(system)
    judged(Verdict.FAIL)(system)
    return system


def test_no_secret_no_person_and_no_memory_is_in_it(make_system: MakeSystem) -> None:
    system = damaged(make_system)
    keeper = install_recent_lines()
    logger = logging.getLogger(LOGGER)
    logger.error("could not record an event for user %r; the key was %s", PLAIN, KEY)
    logger.warning("[Mem0] WARNING: nothing found for %s", ANN)
    logger.warning("AWS refused s3:PutObject on memory/ledger/v1/ann%%40example.com/1.json")
    diagnosis = system.diagnose("data", "deep", with_users=True)
    found = {one.id for one in diagnosis.findings}
    assert {"records.E001", "identity.E001", "identity.W001", "redeploy.W001"} <= found
    bundle = make_bundle(diagnosis, lines=keeper.lines()).decode()
    people = (ANN, BOB, PLAIN, "Bob@Example.com", "ann%40example.com", "@example.com")
    texts = [text for _, text in TEXTS] + ["Owes somebody a favour", "Likes plums"]
    for one in (*people, *texts, *system.ids, KEY):
        assert one.lower() not in bundle.lower(), one
    marks = set(re.findall(r"user-[0-9a-f]{10}", bundle))
    assert len(marks) >= 3
    # Nobody can find out by trying whom a mark stands for, nor compare two bundles.
    plain = {f"user-{hashlib.sha256(user.encode()).hexdigest()[:10]}" for user in (ANN, BOB, PLAIN)}
    again = set(re.findall(r"user-[0-9a-f]{10}", make_bundle(diagnosis).decode()))
    assert marks.isdisjoint(plain | again)


def test_every_spelling_of_a_user_has_one_mark() -> None:
    redact = _Redactor([]).redact
    assert redact(ANN) == redact("Ann%40Example.com") != redact(BOB)


def test_what_helps_is_in_it(make_system: MakeSystem) -> None:
    system = damaged(make_system)
    keeper = install_recent_lines()
    logging.getLogger(LOGGER).warning("the index was slow")
    logging.getLogger(LOGGER).info("nothing to see")
    # Tests before this one have written lines as well.
    lines = keeper.lines()[-2:]
    diagnosis = system.diagnose("data", silenced={"records.E001": "known"}, with_users=True)
    document = json.loads(make_bundle(diagnosis, lines=lines))
    assert document["summary"] == diagnosis.summary
    assert [one["id"] for one in document["findings"]] == [one.id for one in diagnosis.findings]
    assert {one["name"]: one["source"] for one in document["settings"]}[
        "MEMORY_DATA_DIR"
    ] == "environment"
    assert {"name": "MEMORY_RECEIPT_KEY", "value": "…6789", "source": "environment"} in document[
        "settings"
    ]
    assert document["versions"]["mem0ai"] == "2.2.1"
    assert [one["text"] for one in document["recent_errors"]] == ["the index was slow"]
    assert document["silenced"] == [{"id": "records.E001", "reason": "known"}]
    (last,) = (one for one in document["findings"] if one["id"] == "redeploy.W001")
    assert "FAIL" in last["evidence"][0]["value"]


def test_with_people_asked_for_it_names_them_and_still_no_memory(make_system: MakeSystem) -> None:
    system = damaged(make_system)
    bundle = make_bundle(system.diagnose("data", with_users=True), personal=True).decode()
    assert ANN in bundle
    assert "default" in bundle
    assert KEY not in bundle
    assert not any(text in bundle for _, text in TEXTS)


def test_a_damaged_record_names_nobody(make_system: MakeSystem) -> None:
    system = make_system("chroma")
    corrupt(system)
    diagnosis = system.diagnose("data", with_users=True)
    assert "records.E005" in {one.id for one in diagnosis.findings}
    assert (
        "ann"
        not in make_bundle(diagnosis).decode().replace("channel", "").split("ledger/v1/")[1][:9]
    )
    assert "example.com" not in make_bundle(diagnosis).decode()
