"""The store as a second opinion: counted as it stands, compared exactly, taken up when told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from memory_core import MemoryService
from memory_core.cli import cli
from memory_core.embedders import Embedder
from memory_core.model.census import StoreScan
from memory_core.model.user_id import PROBE_DOMAIN
from memory_core.render.audit_report import scan_document, scan_text
from memory_core.render.user_tables import user_search_document, user_search_text
from memory_core.storage.vectors import Vector
from tests.support.damage import ANN, BOB, fill, overwrite, put_stray
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore

FORM = " Ann@Example.com\u200b"


@pytest.fixture
def quick(data_dir: Path, embedder: Embedder) -> MemoryService:
    """A service whose vectors are in this process."""
    return build_service(data_dir, embedder, InMemoryStore(embedder.dimensions))


def damage(service: MemoryService) -> dict[str, str]:
    """Lose one memory, and put in what other tools write."""
    ids = fill(service)
    service.parts.store.delete([ids["tea"]])
    for one, form, text in (("s1", FORM, "rye"), ("s2", FORM, "oats"), ("s3", ANN, "barley")):
        put_stray(service, one, user_id=form, data=text)
    put_stray(service, "s4", user_id="carol@example.com", data="figs")
    put_stray(service, "n1", agent_id="chef", data="salt")
    put_stray(service, "n2", run_id="r-1", data="pepper")
    put_stray(service, "n3", data="thyme")
    put_stray(service, "o1", user_id="\u200b", data="sage")
    put_stray(service, "o2", user_id=7, data="dill")
    return ids


def numbers(scan: StoreScan) -> dict[str, tuple[int, int, int, int]]:
    return {
        one.user_id: (one.recorded, one.stored, one.missing, one.unexpected) for one in scan.users
    }


@pytest.mark.parametrize("kind", ["service", "quick"])
def test_every_vector_is_counted_under_the_id_that_it_stands_under(
    kind: str, request: pytest.FixtureRequest
) -> None:
    service: MemoryService = request.getfixturevalue(kind)
    assert service.scan_store().clean
    damage(service)
    scan = service.scan_store()
    assert numbers(scan) == {
        ANN: (2, 4, 1, 3), BOB: (2, 2, 0, 0), "carol@example.com": (0, 1, 0, 1),
    }  # fmt: skip
    forms = {one.raw: (one.vectors, one.recorded) for one in scan.user(ANN).forms}
    assert forms == {ANN: (2, 1), FORM: (2, 0)}
    assert {(one.agent_id, one.run_id): one.vectors for one in scan.unowned} == {
        ("chef", None): 1, (None, "r-1"): 1, (None, None): 1,
    }  # fmt: skip
    assert {one.raw: one.vectors for one in scan.odd} == {"\u200b": 1, "7 (not text)": 1}
    assert (scan.vectors, scan.recorded, scan.nobodys, scan.clean) == (12, 4, 5, False)
    for one in scan.users:
        assert one.recorded - one.missing == one.stored - one.unexpected
    told = scan_text(scan)
    assert "2 as <U+0020>Ann@Example.com<U+200B>" in told
    assert "1 memory without a user, under agent chef only" in told
    assert scan_document(scan)["differing"][0]["user_id"] == ANN


def test_a_memory_that_names_another_user_is_missing_here_and_unexpected_there(
    quick: MemoryService,
) -> None:
    ids = fill(quick)
    overwrite(quick, ids["tea"], user_id=BOB)
    assert numbers(quick.scan_store()) == {ANN: (2, 1, 1, 0), BOB: (2, 3, 0, 1)}


def test_probes_are_counted_apart_and_deleted_memories_that_are_there_are_unexpected(
    quick: MemoryService,
) -> None:
    ids = fill(quick)
    kept = quick.parts.store.get([ids["tea"]], with_values=True)[ids["tea"]]
    quick.delete_memory(ANN, ids["tea"])
    quick.parts.store.put([kept])
    quick.add_text_memory(f"x@{PROBE_DOMAIN}", "a probe")
    scan = quick.scan_store()
    assert numbers(scan)[ANN] == (1, 2, 0, 1)
    assert (scan.probes, len(scan.users)) == (1, 2)


class _Writing(InMemoryStore):
    """Lets somebody write after the keys were read."""

    then: Callable[[], object] | None = None

    def keys(self) -> Iterable[str]:
        found = list(super().keys())
        then, self.then = self.then, None
        if then:
            then()
        return iter(found)


def test_what_others_write_meanwhile_is_no_difference(data_dir: Path, embedder: Embedder) -> None:
    store = _Writing(embedder.dimensions)
    service = build_service(data_dir, embedder, store)
    ids = fill(service)

    def write() -> None:
        service.add_text_memory(ANN, "saved meanwhile")
        service.delete_memory(BOB, ids["elm"])

    store.then = write
    scan = service.scan_store()
    assert scan.clean, numbers(scan)
    assert numbers(scan) == {ANN: (3, 3, 0, 0), BOB: (1, 1, 0, 0)}


class _Deleting(InMemoryStore):
    """Lets somebody write while payloads are read."""

    then: Callable[[], object] | None = None

    def get(self, keys: Iterable[str], *, with_values: bool = False) -> dict[str, Vector]:
        found = super().get(keys, with_values=with_values)
        then, self.then = self.then, None
        if then:
            then()
        return found


def test_what_is_deleted_while_payloads_are_read_is_no_difference(
    data_dir: Path, embedder: Embedder
) -> None:
    store = _Deleting(embedder.dimensions)
    service = build_service(data_dir, embedder, store)
    ids = fill(service)
    store.then = lambda: service.delete_memory(BOB, ids["elm"])
    assert not any(one.missing for one in service.scan_store().users)


def test_a_scan_tells_how_far_it_is_and_is_cancelled_by_raising(quick: MemoryService) -> None:
    fill(quick)
    told: list[tuple[int, int]] = []
    quick.scan_store(lambda done, total: told.append((done, total)))
    assert told[-1] == (4, 4)

    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        quick.scan_store(stop)


def test_what_differs_in_form_alone_is_taken_up_in_one_step_and_only_for_that_user(
    service: MemoryService,
) -> None:
    damage(service)
    preview = service.take_up(" ANN@example.com", preview=True)
    assert {one.raw: one.vectors for one in preview.forms} == {FORM: 2, ANN: 1}
    assert (len(preview.items), preview.taken) == (3, 0)
    before = service.scan_store()
    assert numbers(before)[ANN] == (2, 4, 1, 3)
    taken = service.take_up(ANN)
    assert (taken.taken, taken.left) == (3, ())
    texts = {one.memory for one in service.list_memories(ANN)}
    assert texts == {"tea", "oak and ash", "rye", "oats", "barley"}
    assert {one.raw_user_id for one in service.history(ANN, "s1")} == {FORM}
    scan = service.scan_store()
    assert numbers(scan)[ANN] == (5, 4, 1, 0)
    assert all(one.canonical for one in scan.user(ANN).forms)
    assert numbers(scan)["carol@example.com"] == (0, 1, 0, 1)
    assert service.take_up(ANN).items == ()


def test_what_cannot_be_taken_up_says_why(quick: MemoryService) -> None:
    fill(quick)
    put_stray(quick, "twice", user_id=FORM, data="tea")
    put_stray(quick, "empty", user_id=FORM)
    taken = quick.take_up(ANN)
    assert {one.id for one in taken.left} == {"twice", "empty"}
    assert all(one.detail.startswith("never recorded; ") for one in taken.left)
    assert len(quick.list_memories(ANN)) == 2


def test_find_looks_through_the_store_as_well_when_it_is_given_a_scan(
    quick: MemoryService,
) -> None:
    damage(quick)
    put_stray(quick, "s5", user_id="An.n@example.com", data="close, and in the store only")
    scan = quick.scan_store()
    found = quick.find("ann@EXAMPLE.com", scan=scan)
    assert found.stored == scan.user(ANN)
    close = {one.user_id: one for one in found.close}
    assert close["an.n@example.com"].user is None
    assert close["an.n@example.com"].stored.stored == 1
    told = user_search_text(found)
    assert "the assistant looks here and nowhere else" in told
    assert "in store    4 in the store" in told
    assert "an.n@example.com  nothing, ever, 1 in the store: dots" in told
    assert "1 memory under <U+200B>, which is not a valid id" in told
    document = user_search_document(found)
    assert document["store"]["unexpected"] == 3
    assert document["scan"]["vectors"] == 13
    assert "an.n@example.com" not in user_search_text(quick.find("ann@EXAMPLE.com"))


def test_find_counts_again_and_forgets_who_is_gone(quick: MemoryService) -> None:
    fill(quick)
    assert [one.user_id for one in quick.find("anne@example.com").close] == [ANN]
    quick.parts.ledger.objects.delete(list(quick.parts.ledger.objects.list("")))
    assert quick.find("anne@example.com").close == ()
    assert replace(quick.find(ANN), asked="").user is None


def test_the_commands_show_the_difference_and_take_up(
    service: MemoryService, reopen: Callable[[], MemoryService]
) -> None:
    fill(service)
    put_stray(service, "s1", user_id=FORM, data="rye")
    service.close()
    run = CliRunner().invoke
    shown = run(cli, ["users", "--scan"])
    assert shown.exit_code == 1
    assert "5 memories in the store, 4 on record" in shown.output
    assert run(cli, ["users", "find", ANN, "--scan"]).exit_code == 0
    preview = run(cli, ["users", "adopt", ANN])
    assert "Nothing was changed; add --yes" in preview.output
    done = run(cli, ["users", "adopt", ANN, "--yes", "--json"])
    assert (done.exit_code, '"taken": 1' in done.output) == (0, True)
    assert run(cli, ["users", "--scan", "--json"]).exit_code == 0
    assert run(cli, ["users", "--scan", "find", ANN]).exit_code == 2
    assert len(reopen().list_memories(ANN)) == 3


def test_ids_alone_tell_what_is_in_both_and_what_in_one_of_them(service: MemoryService) -> None:
    texts = [{"role": "user", "content": text} for text in ("tea", "rye", "oats")]
    missing, *_ = service.add_messages("ann", texts, infer=False)
    store = service.parts.store
    (vector,) = store.get([missing.id], with_values=True).values()
    store.erase([missing.id])
    store.put([replace(vector, key=str(uuid4()))])
    placement = service.placement()
    assert (placement.both, placement.missing, placement.orphans) == (2, {"ann": 1}, 1)
    assert service.storage() == {"chroma": 2, "ledger": 1}
