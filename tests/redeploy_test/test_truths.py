"""What truly happened to the memories of a test, and the verdict it must give."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from memory_core import MemoryService
from memory_core.errors import InvalidReceipt
from memory_core.redeploy_test import ProbeState, RedeployReceipt, Verdict, from_file, to_file
from memory_core.redeploy_test.report import Probe
from memory_core.storage.vectors.s3 import open_s3_vectors
from memory_core.storage.vectors.s3_index import IndexName
from tests.support.installation import BOB, GoOn, Hands, Installation, MakeInstallation, hands

PROBES = 5
"""The fifth alone belongs to another user."""
Truth = Callable[[Installation, RedeployReceipt], Any]


def by_hand(work: Callable[[Hands, RedeployReceipt], Any]) -> Truth:
    """Return what does something to the storage and then deploys."""

    def happen(installation: Installation, receipt: RedeployReceipt) -> None:
        with hands(installation) as opened:
            work(opened, receipt)
        installation.deploy()

    return happen


def nothing(installation: Installation, receipt: RedeployReceipt) -> None:
    """Neither a loss nor a deployment."""


def deploy(installation: Installation, receipt: RedeployReceipt) -> None:
    installation.deploy()


def change(**environ: str) -> Truth:
    """Return a deployment with other variables."""

    def happen(installation: Installation, receipt: RedeployReceipt) -> None:
        installation.deploy()
        installation.environ |= environ

    return happen


def move(opened: Hands, receipt: RedeployReceipt) -> None:
    """Give a memory to another user, in the store and on record."""
    probe = receipt.probes[0]
    opened.save_as(probe, BOB, probe.id)
    opened.lose_records([probe])


def change_model(opened: Hands, receipt: RedeployReceipt) -> None:
    """Give every vector another meaning, as another model under the name of the index does."""
    for probe in receipt.probes:
        opened.put_values(probe, np.roll(opened.stored(probe).values, 7))  # type: ignore[arg-type]


def swap_vectors(opened: Hands, receipt: RedeployReceipt) -> None:
    """Exchange the vectors of two probes, which share most of their words."""
    first, second = receipt.probes[0], receipt.probes[2]
    values = [opened.stored(probe).values for probe in (first, second)]
    opened.put_values(first, values[1])
    opened.put_values(second, values[0])


def swap_records(opened: Hands, receipt: RedeployReceipt) -> None:
    """Put the record of the other reserved user in place of the first one's."""
    (key,) = opened.keys(receipt.probes[4])
    other = opened.objects.get(key) or b""
    opened.rewrite(receipt.probes[0], lambda _: other)


def edit(old: str, new: str) -> Callable[[bytes], bytes]:
    """Return what changes a part of a record that is there."""

    def change(record: bytes) -> bytes:
        assert old.encode() in record
        return record.replace(old.encode(), new.encode())

    return change


def call(work: Callable[[MemoryService, list[Probe]], object]) -> Truth:
    """Return what is done with the calls of the application, and then deploys."""
    return by_hand(lambda opened, receipt: work(opened.service, receipt.probes))


def end_three(service: MemoryService, probes: list[Probe]) -> None:
    first, second, third = probes[:3]
    service.delete_memory(first.user_id, first.id)
    service.update_memory(second.user_id, second.id, second.text, expires="2020-01-01")
    service.update_memory(third.user_id, third.id, "Another text.")


def delete_but_keep_the_vector(opened: Hands, receipt: RedeployReceipt) -> None:
    probe = receipt.probes[0]
    vector = opened.stored(probe)
    opened.service.delete_memory(probe.user_id, probe.id)
    opened.store.put([vector])


def forget_one_user_and_lose_the_other(opened: Hands, receipt: RedeployReceipt) -> None:
    opened.service.forget_user(receipt.probes[0].user_id)
    opened.lose(receipt.probes[4:])


def alter_vectors(opened: Hands, receipt: RedeployReceipt) -> None:
    first, second, third, fourth, fifth = receipt.probes
    opened.change(first, probe=7)
    # The long one: a single letter.
    opened.change(second, data=second.text[:-1] + "!")
    opened.change(third, user_id=BOB)
    opened.change(fourth, created_at=None)
    # What nobody is shown.
    opened.change(fifth, hash="0")


def alter_records(opened: Hands, receipt: RedeployReceipt) -> None:
    first, second, third, fourth, fifth = receipt.probes
    opened.rewrite(first, edit("waits in", "waited in"))
    opened.rewrite(second, edit('"probe": 2', '"probe": 3'))
    opened.rewrite(third, edit('"probe": 3', '"probe": 3, "expiration_date": "2020-01-01"'))
    opened.put_values(fourth, np.zeros(256, dtype=np.float32))
    opened.change(fifth, revision="0")


def damage_each(opened: Hands, receipt: RedeployReceipt) -> None:
    _, second, third, fourth, fifth = receipt.probes
    move(opened, receipt)
    opened.lose_vectors([second])
    opened.lose_records([third])
    opened.save_as(fourth, fourth.user_id, "another-id")
    opened.tear(fifth)


def replace_index(installation: Installation, receipt: RedeployReceipt) -> None:
    assert installation.standin
    installation.standin.set_switches(clock_offset_s=3600.0)
    with hands(installation) as opened:
        index = IndexName(
            *(opened.service.status().location[n] for n in ("vector bucket", "index"))
        )
        client = installation.standin.client("s3vectors")
        client.delete_index(**index.address)
        open_s3_vectors(opened.store._aws, index, 256, create=True)  # type: ignore[attr-defined]
    installation.deploy()


def lose_index(installation: Installation, receipt: RedeployReceipt) -> None:
    assert installation.standin
    with installation.open() as service:
        place = service.status().location
    installation.standin.client("s3vectors").delete_index(
        vectorBucketName=place["vector bucket"], indexName=place["index"]
    )
    installation.deploy()


def go_down(installation: Installation, receipt: RedeployReceipt) -> None:
    assert installation.standin
    installation.deploy()
    installation.standin.add_fault("error503", nth="every")


def skew(seconds: float) -> Truth:
    def happen(installation: Installation, receipt: RedeployReceipt) -> None:
        assert installation.standin
        installation.standin.set_switches(clock_offset_s=seconds)
        installation.deploy()

    return happen


@dataclass(frozen=True)
class Row:
    """What happened, and what has to be said of it; probes not named in `states` are OK.

    Each state of a probe is made on both kinds of storage; what leads to it once more, on one.
    """

    truth: Truth
    verdict: Verdict
    words: str
    states: Mapping[ProbeState, int] = field(default_factory=dict)
    headline: str = ""
    kinds: tuple[str, ...] = ("s3", "chroma")
    details: tuple[str, ...] = ()
    """What is said of each probe, where that is more than the words."""


PASS, FAIL, DEGRADED, INCONCLUSIVE = Verdict
S3, CHROMA = ("s3",), ("chroma",)
ALL_LOST = {ProbeState.LOST: PROBES}

TABLE = {
    "nothing lost": Row(deploy, PASS, "5 probes, .* commit commit-1 runs, it was commit-0"),
    "one lost": Row(
        by_hand(lambda opened, receipt: opened.lose(receipt.probes[2:3])),
        FAIL, "1 of 5 is lost: probe 3: missing", {ProbeState.LOST: 1},
    ),
    "all lost": Row(
        by_hand(lambda opened, receipt: opened.lose(receipt.probes)),
        FAIL, "5 of 5 are lost", ALL_LOST,
        kinds=CHROMA,
    ),
    "the disk of ChromaDB gone": Row(
        change(MEMORY_DATA_DIR="gone"), FAIL,
        "5 of 5 are lost, because ChromaDB was on a disk that a deployment wipes",
        ALL_LOST, "The ChromaDB folder changed", kinds=CHROMA,
    ),
    "one text altered": Row(
        by_hand(lambda opened, receipt: opened.change(receipt.probes[1], data="Another text.")),
        FAIL, "1 of 5 was altered: probe 2: its text changed", {ProbeState.ALTERED: 1},
        kinds=CHROMA,
    ),
    "each vector altered in another way": Row(
        by_hand(alter_vectors), FAIL, "5 of 5 were altered", {ProbeState.ALTERED: 5},
        details=(
            "its metadata changed", "its text changed", "user_id not as recorded",
            "created_at not as recorded", "hash not as recorded",
        ),
    ),
    "each record altered in another way, and two vectors of no use": Row(
        by_hand(alter_records), FAIL, "3 of 5 were altered",
        {ProbeState.ALTERED: 3, ProbeState.STALE: 2}, kinds=CHROMA,
        details=(
            "data not as recorded", "probe not as recorded", "expiration_date not as recorded",
            "its vector does not have the meaning", "in the store in an older revision",
        ),
    ),
    "one moved to another user": Row(
        by_hand(move), FAIL, f"1 of 5 is lost: probe 1: its vector belongs to '{BOB}' now",
        {ProbeState.LOST: 1},
        kinds=CHROMA,
    ),
    "vectors of another model": Row(
        by_hand(change_model), DEGRADED,
        "5 are not as .* probe 1: its vector does not have the meaning", {ProbeState.STALE: 5},
        kinds=CHROMA,
    ),
    "the vectors of two probes swapped": Row(
        by_hand(swap_vectors), DEGRADED, "2 are not as", {ProbeState.STALE: 2}, kinds=CHROMA,
    ),
    "every record emptied": Row(
        by_hand(lambda opened, receipt: [
            opened.rewrite(probe, lambda record: bytes(len(record))) for probe in receipt.probes]),
        FAIL, "5 of 5 were altered: probe 1: its record is damaged, and only its vector",
        {ProbeState.ALTERED: 5},
    ),
    "a record with that of another user in its place": Row(
        by_hand(swap_records), FAIL, "probe 1: its record is damaged", {ProbeState.ALTERED: 1},
        kinds=CHROMA,
    ),
    "one deleted, one given an expiry date and one changed on purpose": Row(
        call(end_three), PASS, "found, 2 probes.*not compared: 3 probes since deleted or changed",
        {ProbeState.ENDED: 3}, kinds=CHROMA,
        details=("deleted on purpose", "changed on purpose", "changed on purpose", "", ""),
    ),
    "all of both users deleted on purpose": Row(
        call(lambda service, probes: [service.delete_user(probe.user_id) for probe in probes]),
        INCONCLUSIVE, "removed on purpose", {ProbeState.ENDED: 5}, kinds=CHROMA,
    ),
    "one user forgotten on purpose, the other lost": Row(
        by_hand(forget_one_user_and_lose_the_other), FAIL, "1 of 5 is lost: probe 5",
        {ProbeState.ENDED: 4, ProbeState.LOST: 1}, kinds=CHROMA,
    ),
    "deleted on purpose, but the vector came back": Row(
        by_hand(delete_but_keep_the_vector), DEGRADED, "probe 1: deleted on purpose, but still",
        {ProbeState.STALE: 1}, kinds=CHROMA,
    ),
    "duplicated": Row(
        by_hand(lambda opened, receipt: opened.save_as(
            receipt.probes[0], receipt.probes[0].user_id, "another-id")),
        DEGRADED, "1 is not as .* probe 1: number of copies: 2", {ProbeState.DUPLICATED: 1},
        kinds=CHROMA,
    ),
    "something nobody wrote": Row(
        by_hand(lambda opened, receipt: opened.service.add_text_memory(
            receipt.probes[0].user_id, "Nobody wrote this.")),
        FAIL, "1 memory that nobody wrote turned up", {ProbeState.UNEXPECTED: 1},
        kinds=CHROMA,
    ),
    "vector gone but ledger there": Row(
        by_hand(lambda opened, receipt: opened.lose_vectors(receipt.probes[:2])),
        DEGRADED, "2 are not as .* not in the store", {ProbeState.STALE: 2},
        kinds=CHROMA,
    ),
    "ledger gone but vector there": Row(
        by_hand(lambda opened, receipt: opened.lose_records(receipt.probes[:1])),
        FAIL, "probe 1: its vector is there, but no record of it", {ProbeState.LOST: 1},
        kinds=CHROMA,
    ),
    "something else with each probe": Row(
        by_hand(damage_each), FAIL, "3 of 5 are lost",
        {ProbeState.LOST: 3, ProbeState.STALE: 1, ProbeState.DUPLICATED: 1}, kinds=S3,
        details=(
            f"its vector belongs to '{BOB}' now", "not in the store",
            "its vector is there, but no record of it", "number of copies: 2",
            "its record is damaged, and it is not in the store",
        ),
    ),
    "a record torn that keeps its user's list from being read": Row(
        by_hand(lambda opened, receipt: opened.tear(receipt.probes[0])),
        FAIL, "1 of 5 is lost: probe 1: its record is damaged, and",
        {ProbeState.LOST: 1, ProbeState.STALE: 3}, kinds=CHROMA,
    ),
    "backend changed": Row(
        change(MEMORY_BACKEND="chroma"), INCONCLUSIVE, "in another place", ALL_LOST,
        "The backend changed: written to s3_vectors, read from chroma", S3,
    ),
    "prefix changed": Row(
        change(MEMORY_PREFIX="elsewhere"), INCONCLUSIVE, "in another place", ALL_LOST,
        "The prefix in the bucket changed: written to memory/, read from elsewhere/", S3,
    ),
    "index replaced by a new empty one": Row(
        replace_index, DEGRADED, "not in the store", {ProbeState.STALE: PROBES},
        "The index was created again", S3,
    ),
    "index lost": Row(
        lose_index, INCONCLUSIVE, "could not be read, so nothing is proven: .*rebuild", kinds=S3
    ),
    "no deployment happened": Row(
        nothing, INCONCLUSIVE, "the same deployment is still running", kinds=CHROMA
    ),
    "no deployment, and one lost": Row(
        lambda installation, receipt: _lose_now(installation, receipt),
        FAIL, "1 of 5 is lost", {ProbeState.LOST: 1},
        kinds=CHROMA,
    ),
    "no deployment, but another instance is asked": Row(
        lambda installation, receipt: installation.environ.update(
            RENDER_INSTANCE_ID="second", MEMORY_HOST="second", MEMORY_DATA_DIR="/nonexistent"),
        INCONCLUSIVE, "was running when the test began", kinds=S3,
    ),
    "another service, which has another commit": Row(
        change(RENDER_SERVICE_ID="staging"), INCONCLUSIVE, "not the service production",
        kinds=CHROMA,
    ),
    "somebody's own computer": Row(
        change(RENDER_GIT_COMMIT="", RENDER_INSTANCE_ID=""), INCONCLUSIVE,
        "a host that names its deployments",
        kinds=CHROMA,
    ),
    "a clock an hour fast": Row(skew(3600.0), PASS, "found, 5 probes", kinds=S3),
    "a clock an hour slow": Row(skew(-3600.0), PASS, "found, 5 probes", kinds=S3),
    "backend down at verify": Row(
        go_down, INCONCLUSIVE, "the storage could not be read, so nothing is proven", kinds=S3
    ),
}  # fmt: skip
HOST = {
    "MEMORY_RECEIPT_KEY": "secret",
    "RENDER_SERVICE_ID": "production",
    "RENDER_INSTANCE_ID": "first",
}
CASES = [(name, kind) for name, row in TABLE.items() for kind in row.kinds]


def _begin(installation: Installation) -> RedeployReceipt:
    installation.environ |= HOST
    return installation.begin(PROBES)


def _lose_now(installation: Installation, receipt: RedeployReceipt) -> None:
    with hands(installation) as opened:
        opened.lose(receipt.probes[:1])


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[" on ".join(case) for case in CASES])
def test_what_truly_happened_is_what_the_verdict_says(
    go_on: GoOn, name: str, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    row = TABLE[name]
    monkeypatch.chdir(tmp_path)
    installation, receipt = go_on(kind, _begin)
    assert receipt.acknowledged == tuple(range(1, PROBES + 1))
    before = dict(installation.environ)
    row.truth(installation, receipt)
    report = installation.verify(receipt)

    assert report.verdict is row.verdict, report.reason
    assert re.search(row.words, report.reason), report.reason
    found = Counter(one.state for one in report.probes if one.state is not ProbeState.OK)
    assert found == Counter(row.states)
    for result, detail in zip(report.probes, row.details, strict=bool(row.details)):
        assert detail in result.detail, result
    assert any(row.headline in one for one in report.headlines) == bool(
        row.headline or report.headlines
    )
    if installation.standin:
        installation.standin.reset()
    if report.verdict is INCONCLUSIVE:
        assert report.left_behind is None
        if row.truth is not lose_index and ProbeState.ENDED not in row.states:
            installation.environ = before
            assert installation.look(receipt) == ([], [receipt.run], [])
            installation.deploy()
            assert installation.verify(receipt).verdict is PASS
        return
    assert report.left_behind == 0
    assert installation.remains(receipt) == []
    assert installation.look(receipt) == ([row.verdict], [], [])


def tamper(content: bytes) -> bytes:
    """Claim that a probe fewer was acknowledged."""
    claimed = content.replace(b"  5\n ]", b"  4\n ]")
    assert claimed != content
    return claimed


@pytest.mark.parametrize(
    ("change_receipt", "key", "words"),
    [(tamper, "secret", "was altered"), (bytes, "another", "signed by another installation")],
    ids=["receipt tampered with", "receipt of another installation"],
)
def test_a_receipt_that_cannot_be_trusted_gives_no_verdict(
    install: MakeInstallation, change_receipt: Callable[[bytes], bytes], key: str, words: str
) -> None:
    installation = install("chroma")
    installation.environ["MEMORY_RECEIPT_KEY"] = key
    receipt = installation.begin(PROBES)
    content = change_receipt(to_file(receipt, installation.settings))
    installation.environ["MEMORY_RECEIPT_KEY"] = "secret"
    with pytest.raises(InvalidReceipt, match=words):
        from_file(content, installation.settings)
