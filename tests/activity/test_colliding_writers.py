"""The activity log and the lease on a server whose put-if-absent several writers can win."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from memory_core.activity.chain import LOG, Chain
from memory_core.activity.chain_check import check_chain
from memory_core.errors import BackendUnavailable
from memory_core.ledger.entries import next_ulid, time_in
from memory_core.model.signature import Key
from memory_core.render.activity_log import check_text
from memory_core.storage.objects import LocalObjects, take
from memory_core.transfer.lease import Lease, read_holder

WRITERS, EACH = 4, 10


class Overwriting(LocalObjects):
    """Files that a put replaces, as a server does on which all of several puts win."""

    atomic_puts = False

    def put_if_absent(self, key: str, data: bytes) -> None:
        self._path(key).parent.mkdir(parents=True, exist_ok=True)
        self.replace(key, data)


class Overtaken(Overwriting):
    """As that; another writer's put of the same moment comes last."""

    def put_if_absent(self, key: str, data: bytes) -> None:
        super().put_if_absent(key, data)
        super().put_if_absent(key, b"another's")


def test_a_name_that_several_take_is_held_by_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.storage.objects.base._SAME_MOMENT_S", 0.0)
    assert not take(Overtaken(tmp_path), "watch/1", b"ours")
    assert take(Overwriting(tmp_path), "watch/2", b"ours")
    assert take(Overtaken(tmp_path), "log/1.ours", b"ours", own_name=True)


def test_two_that_follow_a_clock_ahead_take_two_names() -> None:
    ahead = next_ulid("", datetime.now(UTC) + timedelta(hours=1))
    first, second = (next_ulid(ahead, datetime.now(UTC)) for _ in range(2))
    assert first != second
    assert min(first, second) > ahead
    assert time_in(first) == time_in(second) == time_in(ahead)


class Colliding(Overwriting):
    """As that; every writer has chosen the first number before any of them has written it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._first_puts, self._together = iter(range(WRITERS)), Barrier(WRITERS)

    def put_if_absent(self, key: str, data: bytes) -> None:
        if next(self._first_puts, None) is not None:
            self._together.wait(60)
        super().put_if_absent(key, data)


def entry(text: str) -> dict[str, str]:
    at = datetime.now(UTC).isoformat()
    return {"at": at, "who": text, "action": "save", "outcome": "done"}


def test_no_acknowledged_entry_is_replaced_and_the_chain_is_whole(tmp_path: Path) -> None:
    objects = Colliding(tmp_path)

    def write(writer: int) -> None:
        chain = Chain(objects, Key(b"secret"))
        for number in range(EACH):
            chain.append([entry(f"{writer}-{number}")])

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(write, range(WRITERS)))
    chain = Chain(objects, Key(b"secret"))
    report = check_chain(chain, None, None)
    assert (report.entries, report.problems) == (WRITERS * EACH, ())
    assert report.shared >= WRITERS - 1
    assert "have the number of another: on this server" in check_text(report)
    segments = chain.segments(range(1, chain.last() + 1))
    said = {line["who"] for segment in segments.values() for line in segment.entries}
    assert len(said) == WRITERS * EACH
    objects.delete([next(key for key in objects.list(LOG) if key.startswith(f"{LOG}000000000003"))])
    assert check_chain(chain, None, None).problems


def test_of_two_that_take_the_lease_at_once_one_gives_way(tmp_path: Path) -> None:
    objects = Overwriting(tmp_path)
    barrier = Barrier(2)

    def take(source: str) -> bool:
        lease = Lease(objects, source)
        barrier.wait()
        try:
            lease.__enter__()
        except BackendUnavailable:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(take, "ab")) < 2


def test_who_holds_the_lease_keeps_it(tmp_path: Path) -> None:
    objects = Overwriting(tmp_path)
    with Lease(objects, "a"):
        with pytest.raises(BackendUnavailable, match="another process is migrating"):
            Lease(objects, "b").__enter__()
        holder = read_holder(objects)
        assert holder is not None
        assert holder.source == "a"
    with Lease(objects, "b"):
        assert read_holder(objects) is not None
