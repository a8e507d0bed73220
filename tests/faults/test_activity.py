"""The activity log with processes that die, that write at once, and on a storage that fails."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memory_core import open_service
from memory_core.activity import ActivityLog, Actor, Wanted
from memory_core.errors import BackendUnavailable
from memory_core.storage.objects import LocalObjects
from tests.support.s3_bench import Bench, open_bench
from tests.support.zygote import Zygote

ANN = Actor("ann")
TIMES = 25


def prepare(folder: Path, *names: str) -> None:
    folder.mkdir()
    for name in names:
        for number in range(TIMES):
            (folder / f"{name}.{number}").touch()


def read_all(log: ActivityLog, **wanted: str) -> list[tuple[str, str, str]]:
    entries = log.page(Wanted(**wanted), limit=10_000).entries
    return [(one.actor.name, one.outcome, one.detail) for one in reversed(entries)]


def test_processes_that_write_at_once_lose_nothing_and_the_chain_is_whole(
    zygote: Zygote, tmp_path: Path
) -> None:
    names = ("one", "two", "three")
    prepare(tmp_path / "d", *names)
    children = [
        zygote.start("act", data_dir=tmp_path / "d", name=name, times=TIMES) for name in names
    ]
    for child in children:
        child.finish()
    log = ActivityLog(LocalObjects(tmp_path / "d"))
    check = log.check()
    assert check.problems == ()
    # A look, a beginning and an end for each.
    assert check.entries == 3 * 3 * TIMES
    for name in names:
        removed = read_all(log, who=name, action="delete")
        assert removed == [(name, "done", str(number)) for number in range(TIMES)]


@pytest.mark.parametrize("seed", range(3))
def test_a_process_killed_at_any_moment_leaves_what_it_removed_on_record(
    zygote: Zygote, tmp_path: Path, seed: int
) -> None:
    folder = tmp_path / "d"
    prepare(folder, "one")
    child = zygote.start("act", data_dir=folder, name="one", times=TIMES)
    child.wait_for(random.Random(seed).randrange(1, TIMES - 2))
    child.kill()
    assert child.wait() in (0, -signal.SIGKILL)
    gone = {number for number in range(TIMES) if not (folder / f"one.{number}").exists()}
    assert gone
    log = ActivityLog(LocalObjects(folder))
    assert log.check().problems == ()
    known = [outcome for _, outcome, _ in read_all(log, action="delete")]
    # Whatever was removed was begun on record, and acknowledged means that its end is there too.
    assert len(known) >= len(gone)
    assert known.count("done") >= len(child.reported())
    assert known.count("begun") <= 1
    log.note(ANN, "save")
    assert log.check().problems == ()


@pytest.fixture
def bench() -> Iterator[Bench]:
    with open_bench() as opened:
        yield opened


OpenLog = Callable[[], ActivityLog]


@pytest.fixture
def open_log(bench: Bench, request: pytest.FixtureRequest) -> OpenLog:
    """Open a log on a prefix of its own, each as another instance."""
    prefix = f"{request.node.name}/"
    return lambda: ActivityLog(bench.objects(prefix), flush_s=60.0)


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "throttle", "error503"])
def test_a_write_that_fails_once_or_whose_answer_is_lost_is_there_once(
    bench: Bench, open_log: OpenLog, fault: str
) -> None:
    log = open_log()
    log.note(ANN, "save", user_id="bob", detail="0")
    for at in range(1, 4):
        bench.standin.add_fault(fault, service="s3", nth=at)
        with log.operation(ANN, "delete", user_id=f"user {at}"):
            pass
        bench.standin.clear_faults()
    check = open_log().check()
    assert (check.problems, check.segments, check.entries) == ((), 7, 7)
    assert len(read_all(open_log())) == 4


def test_looks_cost_no_request_until_they_are_written_together(
    bench: Bench, open_log: OpenLog
) -> None:
    log = open_log()
    log.note(ANN, "save", user_id="user 0")
    bench.standin.reset_requests()
    for _ in range(20):
        log.note(ANN, "view", user_id="user 0")
        log.note(ANN, "search", user_id="user 0")
    assert bench.asked() == 0
    log.flush()
    assert bench.asked() == 1
    log.note(ANN, "save", user_id="user 0")
    assert bench.asked() == 2


def test_a_storage_that_denies_keeps_what_is_guarded_from_being_done(
    bench: Bench, open_log: OpenLog
) -> None:
    log = open_log()
    bench.standin.add_fault("error503", service="s3", operation="PutObject", nth="every")
    with pytest.raises(BackendUnavailable), log.operation(ANN, "forget", user_id="bob"):
        pytest.fail("it was done all the same")
    bench.standin.clear_faults()
    log.note(ANN, "save")
    assert [outcome for _, outcome, _ in read_all(log)] == ["done"]


def test_two_instances_on_one_bucket_see_each_other_and_keep_one_chain(bench: Bench) -> None:
    with open_service(bench.settings) as one, open_service(bench.settings) as two:
        both = (one, two)
        one.add_text_memory("bob@x.com", "likes rye")
        one.activity.flush()
        assert [found.memory for found in two.list_memories("bob@x.com")] == ["likes rye"]

        def act(service: object, name: str) -> None:
            for number in range(8):
                service.activity.note(Actor(name), "save", user_id="bob@x.com", detail=f"{number}")  # type: ignore[attr-defined]

        threads = [
            threading.Thread(target=act, args=(service, name))
            for service, name in zip(both, ("one", "two"), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for service in both:
            check = service.activity.check()
            assert (check.problems, check.entries) == ((), 17)
            assert len(read_all(service.activity, user_id="bob@x.com")) == 17
        two.forget_user("bob@x.com")
        assert one.list_memories("bob@x.com") == []
        assert read_all(one.activity, user_id="bob@x.com") == []
