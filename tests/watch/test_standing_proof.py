"""The standing proof: twelve probes that stay, are read back, and whose loss is told once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from memory_core import MemoryService, Settings, open_service
from memory_core.embedders import Embedder
from memory_core.errors import BackendUnavailable
from memory_core.model.encoder import encode
from memory_core.model.user_id import is_probe
from memory_core.redeploy_test import leftovers
from memory_core.storage.objects import ObjectStore
from memory_core.transfer import export_bytes
from memory_core.watch import Proof, Watcher, is_standing, read_proof
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore
from tests.support.s3_bench import Bench, open_bench
from tests.support.waiting import wait_for


@pytest.fixture
def store(embedder: Embedder) -> InMemoryStore:
    return InMemoryStore(embedder.dimensions)


@pytest.fixture
def watched(data_dir: Path, embedder: Embedder, store: InMemoryStore) -> MemoryService:
    return build_service(data_dir, embedder, store)


def _objects(service: MemoryService) -> ObjectStore:
    return service.parts.backend.objects


def _proven(service: MemoryService) -> Proof:
    proof = service.check_proof()
    assert proof.outcome == "proven", proof.sentence
    return proof


def test_probes_are_stored_and_proven_and_are_nobodys(watched: MemoryService) -> None:
    assert watched.proof() is None
    first, second = _proven(watched), _proven(watched)
    assert (first.checks, second.checks, second.failed) == (1, 2, 0)
    assert first.receipt == second.receipt
    assert second.proven_since == first.proven_since
    assert watched.proof() == second
    assert watched.last_proof == (second, "")

    users = {probe.user_id for probe in second.receipt}
    assert len(second.receipt) == 12
    assert len(users) == 2
    assert all(is_probe(user) and is_standing(user) for user in users)
    assert watched.users() == []
    assert watched.status().memories == 0
    assert watched.audit().checked == 0
    assert watched.memories_per_day() == {}
    assert not watched.find(second.receipt[0].id).memories
    assert leftovers(watched) == [], "no clean-up of redeploy tests removes them"
    assert not watched.activity.page().entries
    assert b'"memories": 0, "users": 0' in export_bytes(watched, None)


def _lose_vectors(service: MemoryService, proof: Proof) -> None:
    service.parts.store.delete([probe.id for probe in proof.receipt[:3]])


def _change_vector(service: MemoryService, proof: Proof) -> None:
    first = proof.receipt[0].id
    vector = service.parts.store.get([first], with_values=True)[first]
    payload = {**vector.payload, "role": "assistant"}
    service.parts.store.put([replace(vector, payload=payload)])


def _empty_records(service: MemoryService, proof: Proof) -> None:
    data_dir = service.settings.data_dir
    for entry in service.parts.ledger.view(proof.receipt[0].user_id).entries:
        (data_dir / entry.key).write_bytes(b"")


def _lose_records(service: MemoryService, proof: Proof) -> None:
    view = service.parts.ledger.view(proof.receipt[6].user_id)
    _objects(service).delete(entry.key for entry in view.entries)


def _delete_one(service: MemoryService, proof: Proof) -> None:
    service.delete_memory(proof.receipt[4].user_id, proof.receipt[4].id)


@pytest.mark.parametrize(
    ("damage", "outcome", "numbers", "detail"),
    [
        (_lose_vectors, "lost", (1, 2, 3), "its vector is gone"),
        (_change_vector, "lost", (1,), "its vector holds something else"),
        (_empty_records, "lost", (1, 2, 3, 4, 5, 6), "the record of its user is damaged"),
        (_lose_records, "lost", (7, 8, 9, 10, 11, 12), "there is no record of it"),
        (_delete_one, "removed", (5,), "it was deleted on purpose"),
    ],
)
def test_a_loss_is_told_once_replaced_and_stays_on_record(
    watched: MemoryService,
    damage: Callable[[MemoryService, Proof], None],
    outcome: str,
    numbers: tuple[int, ...],
    detail: str,
) -> None:
    before = _proven(watched)
    damage(watched, before)

    after = watched.check_proof()
    (loss,) = after.losses
    assert (after.outcome, loss.outcome, loss.probes, loss.detail) == (
        outcome, outcome, numbers, f"probe {numbers[0]}, {detail}",
    )  # fmt: skip
    assert loss.passed_at == before.passed_at
    assert not {probe.id for probe in after.receipt} & {probe.id for probe in before.receipt}

    again = _proven(watched)
    assert again.losses == after.losses
    assert (again.checks, again.failed) == (3, 1)


def test_a_model_that_changed_under_one_name_is_found_by_questions(
    watched: MemoryService, store: InMemoryStore
) -> None:
    before = _proven(watched)
    vectors = store.get([probe.id for probe in before.receipt], with_values=True)
    turned = [
        replace(vector, values=None if vector.values is None else vector.values[::-1].copy())
        for vector in vectors.values()
    ]
    store.put(turned)
    missed = watched.check_proof()
    assert missed.outcome == "missed"
    assert "question" in missed.sentence
    assert missed.receipt == before.receipt, "they are there, and become well by a rebuild"
    assert len(watched.check_proof().losses) == 1
    store.put(list(vectors.values()))
    assert len(_proven(watched).losses) == 1


def test_a_loss_behind_what_was_only_missed_is_told_and_each_kind_is_counted_apart(
    watched: MemoryService, store: InMemoryStore
) -> None:
    before = _proven(watched)
    ids = [probe.id for probe in before.receipt]
    for vector in store.get(ids, with_values=True).values():
        assert vector.values is not None
        store.put([replace(vector, values=vector.values[::-1].copy())])
    assert watched.check_proof().outcome == "missed"
    store.delete(ids[:2])
    _delete_one(watched, before)
    after = watched.check_proof()
    assert [(loss.outcome, loss.probes) for loss in after.losses[1:]] == [
        ("removed", (5,)), ("lost", (1, 2)),
    ]  # fmt: skip
    assert after.sentence.startswith("2 of 12 probes were lost")


def test_a_record_of_a_newer_release_is_read_and_one_that_is_none_passed_over(
    watched: MemoryService,
) -> None:
    before, objects = _proven(watched), _objects(watched)
    document = {**encode(before), "new": 1, "receipt": [
        {**encode(probe), "new": 1} for probe in before.receipt
    ]}  # fmt: skip
    for number, fields in ((50, {}), (51, {"outcome": "<script>"}), (52, {"receipt": []})):
        data = json.dumps({**document, **fields}).encode()
        objects.put_if_absent(f"watch/v1/proof/{number:012d}.json", data)
    objects.put_if_absent("watch/v1/proof/copy.json", b"[" * 100_000)
    number, proof = read_proof(objects)
    assert (number, proof) == (52, replace(before, number=52))


def test_a_process_that_died_before_it_replaced_a_loss_is_continued(
    watched: MemoryService, data_dir: Path, embedder: Embedder
) -> None:
    before = _proven(watched)
    _lose_vectors(watched, before)

    class Full(InMemoryStore):
        def put(self, vectors: object) -> None:
            raise BackendUnavailable("no space", backend="in_memory", operation="put")

    full = Full(embedder.dimensions)
    full._vectors = watched.parts.store._vectors  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="no space"):
        build_service(data_dir, embedder, full).check_proof()
    recorded = watched.proof()
    assert recorded is not None
    assert (recorded.outcome, recorded.receipt) == ("lost", before.receipt)
    assert watched.check_proof().losses == recorded.losses, "told once"
    assert _proven(watched).receipt != before.receipt


def test_a_damaged_record_is_passed_over(watched: MemoryService) -> None:
    _proven(watched)
    second = _proven(watched)
    (newest,) = [key for key in _objects(watched).list("watch/v1/proof/") if key.endswith("3.json")]
    (watched.settings.data_dir / newest).write_bytes(b"")
    number, proof = read_proof(_objects(watched))
    assert number == second.number
    assert proof is not None
    assert proof.checks == 1
    assert _proven(watched).number == second.number + 1


def at_once(calls: Iterable[Callable[[], Proof | None]]) -> list[Proof | None]:
    """Make the calls at the same time, and return their results in no order."""
    results: list[Proof | None] = []
    threads = [threading.Thread(target=lambda call=call: results.append(call())) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_instances_that_start_at_once_count_all_checks_and_replace_a_loss_once(
    data_dir: Path, embedder: Embedder, store: InMemoryStore
) -> None:
    services = [build_service(data_dir, embedder, store) for _ in range(4)]
    at_once(service.check_proof for service in services)
    proof = services[0].proof()
    assert proof is not None
    assert (proof.outcome, proof.checks) == ("proven", 4)
    _lose_vectors(services[0], proof)
    at_once(service.check_proof for service in services)
    proof = _proven(services[0])
    assert [loss.probes for loss in proof.losses] == [(1, 2, 3)]
    assert set(store.keys()) == {probe.id for probe in proof.receipt}, "no others are left"


def test_of_many_instances_one_checks_in_an_interval(
    data_dir: Path, embedder: Embedder, store: InMemoryStore
) -> None:
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(data_dir), "MEMORY_WATCH": "15m"})
    services = [build_service(data_dir, embedder, store) for _ in range(4)]
    for service in services:
        service.settings = settings
    first = _proven(services[0])
    moment = [900.0 * 1_000]
    watchers = [Watcher(service, now=lambda: moment[0]) for service in services]

    def take_all() -> list[Proof | None]:
        return at_once(watcher.take_slot for watcher in watchers)

    assert [proof.checks for proof in take_all() if proof] == [first.checks + 1]
    moment[0] += 899
    assert not any(take_all()), "the same interval"
    moment[0] += 1
    assert [proof.checks for proof in take_all() if proof] == [first.checks + 2]
    assert all(watcher.proof for watcher in watchers), "the others know of it"


def test_a_clock_that_is_set_back_ends_no_watch(
    data_dir: Path, embedder: Embedder, store: InMemoryStore
) -> None:
    service = build_service(data_dir, embedder, store)
    service.settings = replace(service.settings, watch_s=900)
    slots = [*range(1_000, 1_006), *range(1_000, 1_004)]
    moments = [900.0 * slot for slot in slots]
    watcher = Watcher(service, now=lambda: moments[0])
    checked = []
    while moments:
        checked.append(watcher.take_slot() is not None)
        moments.pop(0)
    assert checked == [True] * 6 + [False, False, True, False]


def test_what_the_index_missed_is_asked_for_until_it_is_found(
    watched: MemoryService, store: InMemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _proven(watched)
    query, blind = store.query, _proven(watched).receipt[4].user_id
    monkeypatch.setattr(
        store, "query", lambda user, *rest: [] if user == blind else query(user, *rest)
    )
    outcomes = [watched.check_proof().outcome for _ in range(14)]
    assert set(outcomes[outcomes.index("missed") :]) == {"missed"}
    monkeypatch.undo()
    assert len(_proven(watched).losses) == 1


def test_a_storage_that_cannot_be_read_is_no_loss_and_is_said(
    data_dir: Path, embedder: Embedder, store: InMemoryStore
) -> None:
    service = build_service(data_dir, embedder, store)
    before = _proven(service)
    service.settings = replace(service.settings, watch_s=900)
    watcher = Watcher(service)
    (data_dir / "watch").rename(data_dir / "away")
    (data_dir / "watch").write_text("in the way")
    with pytest.raises(BackendUnavailable):
        watcher.take_slot()
    with pytest.raises(BackendUnavailable):
        watcher.check()
    assert "MEMORY_DATA_DIR" in watcher.trouble
    (data_dir / "watch").unlink()
    (data_dir / "away").rename(data_dir / "watch")
    after = watcher.check()
    assert (after.checks, after.losses, watcher.trouble) == (before.checks + 1, (), "")


def test_a_service_watches_from_its_start(data_dir: Path) -> None:
    environ = {"MEMORY_DATA_DIR": str(data_dir), "MEMORY_WATCH": "1h"}
    with open_service(Settings.from_env(environ)) as service:
        wait_for("the first check", lambda: service.last_proof[0])
        assert service.last_proof[0] == service.proof()
    with open_service(Settings.from_env(environ), migrate=False) as service:
        assert service.last_proof == (None, "")
        assert _proven(service).checks == 2


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


@pytest.mark.exhaustive
def test_a_check_takes_at_most_ten_requests_on_s3(bench: Bench) -> None:
    settings = replace(bench.settings, watch_s=5)
    moment, costs = [5_000.0], []
    with (
        open_service(settings, migrate=False) as first,
        open_service(settings, migrate=False) as second,
    ):
        _proven(first)
        watchers = [Watcher(service, now=lambda: moment[0]) for service in (first, second)]
        # One instance for more than a round, then both in turn.
        for turn in range(46):
            moment[0] += 5
            bench.standin.reset_requests()
            assert watchers[turn % 2 if turn > 22 else 0].take_slot()
            costs.append(bench.asked())
            if turn > 22:
                assert not watchers[1 - turn % 2].take_slot()
        assert max(costs) <= 10, costs
        kept = [*_objects(first).list("watch/")]
    assert len(kept) < 1.5 * 46, "old ones are deleted"
    assert bench.standin.warnings() == []
