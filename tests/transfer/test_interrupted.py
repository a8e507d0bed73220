"""kill -9 at every step, lost answers, and two at once: afterwards all of it is there, once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from memory_core import BackendUnavailable, MemoryService, NotIndexed
from memory_core import transfer as m
from memory_core.embedders import Embedder
from memory_core.storage.objects import LocalObjects
from memory_core.transfer.lease import Lease, read_holder
from tests.support.factories import build_service
from tests.support.in_memory_store import InMemoryStore
from tests.support.intakes import Hashes
from tests.support.migration_worlds import Old, contents, expected
from tests.support.wrappers import Trip, TrippedObjects, TrippedStore, When, fail
from tests.support.zygote import Zygote

Worlds = Callable[..., MemoryService]


def file_of(folder: Path) -> str:
    lines = [
        json.dumps({"id": f"m-{user}-{n}", "user_id": user, "memory": f"{user} {n}"})
        for user in ("Ann", "bob")
        for n in range(1)
    ]
    (folder / "all.jsonl").write_text("\n".join(lines))
    return f"jsonl:{folder / 'all.jsonl'}"


@pytest.mark.process
def test_a_migration_killed_at_every_step_is_finished_by_the_next(
    zygote: Zygote, tmp_path: Path
) -> None:
    call = ["migrate", "", file_of(tmp_path)]
    template = tmp_path / "template"
    zygote.run("work", data_dir=template, store="chroma", calls=[["save", "cleo", "rye"]])
    for at in count(0):
        moment: tuple[int, When] = (at, "after") if at else (1, "before")
        data_dir = Path(shutil.copytree(template, tmp_path / str(at)))
        where = {"data_dir": data_dir, "store": "chroma"}
        child = zygote.start("work", **where, calls=[call], at=moment[0], when=moment[1])
        if child.wait() == 0:
            break
        _, found = zygote.run("finish", **where, call=call, user="ann")
        assert found == [["m-Ann-0", "Ann 0"]], f"write {at}"
        entries = [path for path in data_dir.glob("ledger/v1/*/*") if "cleo" not in str(path)]
        assert len(entries) == 2, f"write {at}: one of Ann, one of Bob, and none twice"
    # The claim and its renewals, one entry for each user, two vectors, the end, the mark.
    assert at > 8


@pytest.mark.parametrize("lost", ["objects.put", "store.put"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_did_not_come_leads_to_no_second_memory(
    old: Old, tmp_path: Path, lost: str, when: When
) -> None:
    store, objects = InMemoryStore(8), LocalObjects(tmp_path / "data")
    service = build_service(tmp_path / "data", Hashes(), store, objects=objects)
    for at in (1, 2, 3, 5):
        trip = Trip(at, when, fail, [lost])
        tripped = TrippedObjects(objects, trip)
        failing = build_service(
            tmp_path / "data", Hashes(), TrippedStore(store, trip), objects=tripped
        )
        failing.parts = failing.parts._replace(
            backend=replace(failing.parts.backend, objects=tripped)
        )
        # The last of these may get through, since most of it is there by then.
        with suppress(BackendUnavailable, NotIndexed):
            m.apply(failing, old.chroma, lease_ttl_s=0.0)
        assert trip.calls
    report = m.apply(service, old.chroma, lease_ttl_s=0.0)
    assert report.ok
    assert contents(service) == expected(old)
    assert m.verify(service, old.chroma).verified
    assert service.audit().clean
    assert len([*(tmp_path / "data" / "ledger").rglob("*.jsonl")]) == 3, "one for each user"


def test_one_that_is_told_to_stop_goes_on_where_it_was(
    old: Old, world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.transfer.incoming_writer._WINDOW", 10)
    service = world()

    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 30:
            raise Enough

    with pytest.raises(Enough):
        m.apply(service, old.chroma, on_progress=stop)
    assert len(contents(service)) == 30
    told: list[tuple[int, int]] = []
    report = m.apply(service, old.chroma, on_progress=lambda *step: told.append(step))
    assert (report.copied, report.skipped, report.ok) == (46, 30, True)
    assert told[-1] == (152, 152)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_one_process_holds_the_lease_until_it_ends_or_expires(tmp_path: Path) -> None:
    objects, clock = LocalObjects(tmp_path), Hours()
    first = Lease(objects, "a", ttl_s=300, now=clock)
    with first:
        with pytest.raises(BackendUnavailable, match="another process is migrating"):
            Lease(objects, "b", ttl_s=300, now=clock).__enter__()
        clock.now += timedelta(seconds=200)
        first.renew(5, 10)
        clock.now += timedelta(seconds=200)
        holder = read_holder(objects)
        assert holder
        assert (holder.done, holder.total, holder.holds(clock.now)) == (5, 10, True)
        # No sign of life for longer than that: another takes it, and the first finds out.
        clock.now += timedelta(seconds=200)
        with (
            Lease(objects, "b", ttl_s=300, now=clock),
            pytest.raises(BackendUnavailable, match="another process is migrating"),
        ):
            first.renew(6, 10)
    assert not (read_holder(objects) or first).holds(clock.now)  # type: ignore[union-attr]
    with Lease(objects, "c", ttl_s=300, now=clock):
        pass
    assert len(list(objects.list("migration/v1/lease/"))) <= 2


def test_of_two_that_reach_for_the_lease_at_once_one_gets_it(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    trip = Trip(1, "before", lambda: Lease(objects, "b").__enter__(), ["objects.put"])
    with pytest.raises(BackendUnavailable, match="another process is migrating"):
        Lease(TrippedObjects(objects, trip), "a").__enter__()
    holder = read_holder(objects)
    assert holder
    assert holder.source == "b"


def test_a_second_migration_waits_for_the_first(old: Old, world: Worlds) -> None:
    service = world()
    with (
        Lease(service.parts.backend.objects, "elsewhere"),
        pytest.raises(BackendUnavailable, match="another process is migrating"),
    ):
        m.apply(service, old.chroma)
    assert contents(service) == {}


def test_a_local_record_decides_over_its_store(
    tmp_path: Path, embedder: Embedder, world: Worlds
) -> None:
    """What it says was deleted stays away, and what the store has lost comes along."""
    folder = tmp_path / "theirs"
    from memory_core.storage.vectors.chroma import open_chroma

    store = open_chroma(folder / "chroma", "mem0", 8, create=True)
    theirs = build_service(folder, Hashes(), store)
    ids = {text: theirs.add_text_memory("Ann@X.com", text)[0].id for text in ("tea", "rye", "figs")}
    theirs.update_memory("ann@x.com", ids["tea"], "green tea")
    stored = store.get([ids["rye"]], with_values=True)[ids["rye"]]
    theirs.delete_memory("ann@x.com", ids["rye"])
    store.put([stored])
    store.delete([ids["figs"]])
    store.close()
    service = world()
    report = m.apply(service, f"chroma:{folder}")
    assert (report.copied, report.intake.embedded, report.ok) == (2, 1, True)
    assert {one: row[1] for one, row in contents(service).items()} == {
        ids["tea"]: "green tea", ids["figs"]: "figs",
    }  # fmt: skip
    history = service.history("ann@x.com", ids["tea"])
    assert [one.memory for one in history] == ["tea", "green tea", "green tea"]
