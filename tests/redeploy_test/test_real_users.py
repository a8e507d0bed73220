"""Real users' memories are counted before and after: a loss fails the test, a deletion does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from ulid import ULID

from memory_core import MemoryService
from memory_core.model.signature import Key
from memory_core.redeploy_test import RedeployReceipt, Verdict, from_code, reports, to_code
from memory_core.redeploy_test.evidence import missing_users, real_users, take_census
from memory_core.redeploy_test.records import key_of
from memory_core.redeploy_test.report import Sample
from memory_core.render.redeploy_test import report_text
from tests.support.installation import (
    ANN,
    BOB,
    GoOn,
    Hands,
    Installation,
    MakeInstallation,
    hands,
)

Event = Callable[[MemoryService, list[str]], object]
LOSS = "1 real user had more memories before, and nobody deleted them"


def fill(installation: Installation) -> list[str]:
    """Save three memories of Ann, after one that she deleted again, and one of Bob."""
    with installation.open() as service:
        (gone,) = service.add_text_memory(ANN, "likes rye")
        service.delete_memory(ANN, gone.id)
        service.add_text_memory(BOB, "likes oak")
        return [
            service.add_text_memory(ANN, text)[0].id
            for text in ("likes tea", "likes figs", "likes oats")
        ]


def lose(service: MemoryService, ids: list[str]) -> None:
    """Let memories of Ann vanish without a trace."""
    view = service.parts.ledger.view(service.users()[0].user_id)
    assert view.user_id == ANN
    service.parts.ledger.erase(view.user_id, [e for e in view.entries if e.memory_id in ids])
    service.parts.store.delete(ids)


def lose_and_save(service: MemoryService, ids: list[str]) -> None:
    lose(service, ids[:1])
    for text in ("likes cocoa", "likes kiwis"):
        service.add_text_memory(ANN, text)


def lose_and_delete(service: MemoryService, ids: list[str]) -> None:
    lose(service, ids[:1])
    service.delete_memory(ANN, ids[1])


def lose_and_delete_a_new_one(service: MemoryService, ids: list[str]) -> None:
    lose(service, ids[:1])
    (new,) = service.add_text_memory(ANN, "likes cocoa")
    service.delete_memory(ANN, new.id)


def lose_user(service: MemoryService, ids: list[str]) -> None:
    view = service.parts.ledger.view(service.users()[0].user_id)
    service.parts.ledger.erase(view.user_id, view.entries)


def save_again(service: MemoryService, ids: list[str]) -> None:
    service.delete_memory(ANN, ids[0])
    service.add_text_memory(ANN, "likes tea")
    service.delete_memory(ANN, ids[0])


def update_and_delete(service: MemoryService, ids: list[str]) -> None:
    service.update_memory(ANN, ids[0], "likes cocoa")
    service.update_memory(ANN, ids[1], "likes kiwis")
    service.delete_memory(ANN, ids[0])


LOSSES: dict[str, Event] = {
    "some lost": lambda service, ids: lose(service, ids[:1]),
    "as many saved as lost": lose_and_save,
    "one lost, one deleted": lose_and_delete,
    "one lost, a new one deleted": lose_and_delete_a_new_one,
    "the whole user lost": lose_user,
}
DELETIONS: dict[str, Event] = {
    "nothing": lambda service, ids: None,
    "one deleted": lambda service, ids: service.delete_memory(ANN, ids[0]),
    "all deleted": lambda service, ids: service.delete_user(ANN),
    "forgotten": lambda service, ids: service.forget_user(ANN),
    "deleted, saved and deleted again": save_again,
    "updated and deleted": update_and_delete,
    "saved": lambda service, ids: service.add_text_memory(ANN, "likes cocoa"),
    "a new user": lambda service, ids: service.add_text_memory("new@example.com", "likes tea"),
}


def _begin(installation: Installation) -> tuple[list[str], RedeployReceipt]:
    return fill(installation), installation.begin(2)


def judged(go_on: GoOn, kind: str, event: Event, *, by_code: bool = False) -> tuple[Verdict, str]:
    installation, (ids, receipt) = go_on(kind, _begin)
    if by_code:
        settings = installation.settings
        receipt = from_code(to_code(receipt, settings), settings)
    with installation.open() as service:
        event(service, ids)
    installation.deploy()
    report = installation.verify(receipt)
    assert report.census_before
    assert (report.census_before.users, report.census_before.memories) == (2, 4)
    assert not report.census_before.counts, "a report says nothing of single users"
    return report.verdict, report.reason


@pytest.mark.parametrize("event", LOSSES)
def test_a_loss_of_real_memories_fails(go_on: GoOn, event: str) -> None:
    verdict, reason = judged(go_on, "s3", LOSSES[event])
    assert verdict is Verdict.FAIL
    assert LOSS in reason


@pytest.mark.parametrize("event", DELETIONS)
def test_what_users_do_is_no_loss(go_on: GoOn, event: str) -> None:
    verdict, reason = judged(go_on, "s3", DELETIONS[event])
    assert verdict is Verdict.PASS, reason


def test_a_loss_fails_by_the_short_code_too(go_on: GoOn) -> None:
    verdict, reason = judged(go_on, "s3", lose_user, by_code=True)
    assert (verdict, LOSS in reason) == (Verdict.FAIL, True)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_an_hour_off_when_it_began_makes_no_deletion_a_loss(
    install: MakeInstallation, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install("s3")
    ids = fill(installation)
    moment = datetime.now(UTC) + timedelta(hours=hours)
    with monkeypatch.context() as patch:
        patch.setattr(
            "memory_core.redeploy_test.deployment.ULID", lambda: ULID.from_datetime(moment)
        )
        patch.setattr("memory_core.redeploy_test.deployment._now", lambda: moment.isoformat())
        receipt = installation.begin(2)
    with installation.open() as service:
        service.delete_memory(ANN, ids[0])
    installation.deploy()
    assert installation.verify(receipt).verdict is Verdict.PASS


def test_of_very_many_users_a_sample_is_watched(
    install: MakeInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.redeploy_test.evidence._COUNTED_APART", 1)
    installation = install("chroma")
    fill(installation)
    receipt = installation.begin(1)
    assert receipt.census
    assert (receipt.census.users, len(receipt.census.counts)) == (2, 1)
    with hands(installation) as opened:
        for user in (ANN, BOB):
            opened.forget_record_of(user)
    installation.deploy()
    assert installation.verify(receipt).verdict is Verdict.FAIL


def test_a_receipt_does_not_tell_whom_it_counts(install: MakeInstallation) -> None:
    installation = install("chroma")
    fill(installation)
    with installation.open() as service:
        real, keyed = real_users(service.parts.ledger), Key(b"of the receipts")
        plain = take_census(real, Key())
        census = take_census(real, keyed)
        assert len(census.counts) == 2
        assert census.counts.keys().isdisjoint(plain.counts)
        # Receipts of earlier versions still count.
        assert missing_users(real, census, keyed) == missing_users(real, plain, keyed) == 0
        assert missing_users(real, census, Key(b"another")) == 2


# A sample of their memories is read from record and store.


def damage(work: Callable[[Hands, list[str]], object]) -> Event:
    """Return what is done to the memories behind the application's back."""
    return lambda service, ids: work(Hands(service), ids)


def roll(opened: Hands, ids: list[str]) -> None:
    vectors = opened.store.get(ids, with_values=True).values()
    opened.store.put([replace(vector, values=np.roll(vector.values, 7)) for vector in vectors])


def change_payload(opened: Hands, ids: list[str]) -> None:
    (vector,) = opened.store.get(ids[:1], with_values=True).values()
    opened.store.put([replace(vector, payload={**vector.payload, "topic": "tea"})])


def empty_a_batch(opened: Hands, ids: list[str]) -> None:
    said = [{"role": "user", "content": text} for text in ("likes rye", "likes kiwis")]
    opened.service.add_messages(BOB, said, infer=False)
    key = next(key for key in opened.objects.list("ledger/") if ".BATCH.2." in key)
    opened.objects.replace(key, b"")


DAMAGES: dict[str, tuple[Event, Verdict, str]] = {
    "every record emptied": (
        damage(lambda opened, ids: [opened.rewrite_all_of(user) for user in (ANN, BOB)]),
        Verdict.FAIL,
        "of the 4 memories of real users, 4 read: 4 unreadable on record",
    ),
    "a batch emptied": (damage(empty_a_batch), Verdict.FAIL, "1 unreadable on record"),
    "a payload changed": (
        damage(change_payload),
        Verdict.FAIL,
        "1 different in the vector store",
    ),
    "all vectors lost": (
        damage(lambda opened, ids: opened.store.delete(list(opened.store.keys()))),
        Verdict.DEGRADED,
        "not in the store",
    ),
    "the vectors of one user lost": (
        damage(lambda opened, ids: opened.store.delete(ids)),
        Verdict.DEGRADED,
        "3 not in the vector store as recorded",
    ),
    "vectors of another model": (
        damage(roll),
        Verdict.DEGRADED,
        "3 with a vector that does not match the text",
    ),
    "nothing": (
        DELETIONS["nothing"],
        Verdict.PASS,
        "of the 4 memories of real users, 4 read: record and vector agree",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_records_and_vectors_of_real_users_are_compared(go_on: GoOn, name: str) -> None:
    event, expected, words = DAMAGES[name]
    verdict, reason = judged(go_on, "chroma", event)
    assert (verdict, words in reason) == (expected, True), reason


def test_a_report_says_how_many_memories_were_read(
    install: MakeInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.redeploy_test.evidence._SAMPLED", 2)
    installation = install("chroma")
    fill(installation)
    receipt = installation.begin(1)
    installation.deploy()
    report = installation.verify(receipt)
    assert report.sample == Sample(read=2, memories=4)
    assert "of the 4 memories of real users, 2 read" in report_text(report)
    with installation.open() as service:
        assert [kept.sample for kept in reports(service)] == [report.sample]


def test_without_the_kept_receipt_a_code_does_not_pass(
    install: MakeInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lifecycle rule may expire it, and the code alone counts nobody."""
    installation = install("chroma")
    fill(installation)
    receipt = installation.begin(1)
    settings = installation.settings
    code = from_code(to_code(receipt, settings), settings)
    with installation.open() as service:
        service.parts.backend.objects.delete([key_of(receipt.run, "begun")])
        lose_user(service, [])
    installation.deploy()
    started = datetime.now(UTC) + timedelta(seconds=1)
    monkeypatch.setattr("memory_core.redeploy_test.evidence._process_start", lambda pid: started)
    report = installation.verify(code)
    assert report.verdict is Verdict.DEGRADED
    assert "the real users were not compared" in report.reason
