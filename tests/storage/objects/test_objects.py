"""Objects on a disk: written once, whole or not at all, whoever else is at work."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_core.errors import BackendError, BackendUnavailable, EntryExists
from memory_core.storage.objects import LocalObjects, ObjectStore
from tests.support.waiting import wait_for


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return LocalObjects(tmp_path / "objects")


@pytest.mark.parametrize("data", [b"", b"\x00\xff\n", b"x" * 1_000_000])
def test_what_was_put_is_got_unchanged(objects: ObjectStore, data: bytes) -> None:
    objects.put_if_absent("a/b", data)
    assert objects.get("a/b") == data


def test_what_was_never_put_is_none(objects: ObjectStore) -> None:
    assert objects.get("a") is None
    assert objects.get("a/b/c") is None
    assert list(objects.list("a/")) == []


def test_a_taken_name_is_refused_and_nothing_changes(objects: ObjectStore) -> None:
    objects.put_if_absent("a/b", b"first")
    with pytest.raises(EntryExists, match="a/b"):
        objects.put_if_absent("a/b", b"second")
    assert (objects.get("a/b"), list(objects.list(""))) == (b"first", ["a/b"])


def test_a_damaged_object_is_replaced_as_a_whole(objects: ObjectStore) -> None:
    objects.put_if_absent("a/b", b"")
    objects.replace("a/b", b"whole")
    assert (objects.get("a/b"), [*objects.list("")]) == (b"whole", ["a/b"])


def test_of_eight_threads_exactly_one_wins(objects: ObjectStore) -> None:
    barrier = Barrier(8)

    def put(number: int, turn: int) -> int | None:
        barrier.wait()
        try:
            objects.put_if_absent(f"turn-{turn}/x", bytes([number]))
        except EntryExists:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        for turn in range(20):
            done = list(pool.map(put, range(8), [turn] * 8))
            (winner,) = [number for number in done if number is not None]
            assert objects.get(f"turn-{turn}/x") == bytes([winner])


NAMES = st.text("ab-./!~0é\uffff😀", min_size=1, max_size=4).filter(
    lambda name: not any(part == "" or part.startswith(".") for part in name.split("/"))
)


@given(st.sets(NAMES, max_size=12), st.data())
@settings(max_examples=40, deadline=None)
def test_keys_are_listed_in_the_order_of_their_bytes(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], data: st.DataObject
) -> None:
    # A name cannot be a file and a folder.
    keys = {one for one in names if not any(other.startswith(one + "/") for other in names)}
    store = LocalObjects(tmp_path_factory.mktemp("listed"))
    for key in keys:
        store.put_if_absent(key, b"")
    prefix = data.draw(st.sampled_from(["", *(key[:2] for key in sorted(keys)), "a", "z/"]))
    after = data.draw(st.sampled_from(["", "a", "é", *sorted(keys)]))
    wanted = sorted((key for key in keys if key.startswith(prefix)), key=str.encode)
    assert list(store.list(prefix)) == wanted
    assert list(store.list(prefix, after)) == [
        key for key in wanted if key.encode() > after.encode()
    ]


def test_files_that_a_desktop_leaves_are_no_objects(tmp_path: Path) -> None:
    store = LocalObjects(tmp_path)
    store.put_if_absent("users/alice/1", b"x")
    for folder in (tmp_path, tmp_path / "users", tmp_path / "users/alice"):
        (folder / ".DS_Store").write_text("left by a desktop")
    assert list(store.list("")) == ["users/alice/1"]


def test_what_would_not_be_listed_cannot_be_put(objects: ObjectStore) -> None:
    with pytest.raises(BackendError, match="object key"):
        objects.put_if_absent("users/.hidden", b"x")


def test_deleting_twice_is_no_error_and_leaves_the_rest(objects: ObjectStore) -> None:
    for key in ("a/1", "a/2", "b/1"):
        objects.put_if_absent(key, b"x")
    objects.delete(["a/1", "a/1", "never"])
    objects.delete(["a/1"])
    assert list(objects.list("")) == ["a/2", "b/1"]
    objects.put_if_absent("a/1", b"again")
    assert objects.get("a/1") == b"again"


def test_a_deleted_folder_leaves_no_trace_of_its_name(objects: ObjectStore, tmp_path: Path) -> None:
    objects.put_if_absent("users/alice/1", b"x")
    objects.delete(["users/alice/1"])
    assert not [path for path in tmp_path.rglob("*") if "alice" in path.name]


def test_a_version_differs_after_every_change_and_is_none_while_fresh(objects: ObjectStore) -> None:
    changes: list[Callable[[], None]] = [
        lambda: None,
        lambda: objects.put_if_absent("f/1", b"x"),
        lambda: objects.put_if_absent("f/2", b"x"),
        lambda: objects.delete(["f/1"]),
        lambda: objects.put_if_absent("f/1", b"y"),
    ]
    versions: list[str | None] = []
    for change in changes:
        start = time.monotonic()
        change()
        # On a busy machine the change may count as old already.
        assert objects.version("f/") is None or not versions or time.monotonic() - start > 0.04
        versions.append(wait_for("a version", lambda: objects.version("f/")))
        assert versions[-1] == objects.version("f/")
    assert None not in versions
    assert len(set(versions)) == len(changes)


def test_a_dead_writers_file_is_swept_at_once_and_a_living_ones_never(tmp_path: Path) -> None:
    store = LocalObjects(tmp_path)
    store.sweep()
    store.put_if_absent("a", b"x")
    dead, living = (tmp_path / ".staging" / name for name in ("dead", "living"))
    dead.write_bytes(b"half")
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.utime(living, (time.time() - 7200,) * 2)
        store.sweep()
        assert (dead.exists(), living.exists()) == (False, True)
    store.sweep()
    assert not living.exists()
    assert list(store.list("")) == ["a"]


def test_a_file_is_staged_again_when_it_was_swept_before_it_was_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalObjects(tmp_path)
    flock, swept = fcntl.flock, []

    def sweep_first(file: IO[bytes], operation: int) -> None:
        if operation == fcntl.LOCK_EX and not swept:
            swept.append(True)
            store.sweep()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    store.put_if_absent("a", b"x")
    assert swept
    assert store.get("a") == b"x"
    assert list((tmp_path / ".staging").iterdir()) == []


OPERATIONS: dict[str, Callable[[ObjectStore], object]] = {
    "put": lambda objects: objects.put_if_absent("a/b", b"x"),
    "get": lambda objects: objects.get("a/b"),
    "list": lambda objects: list(objects.list("a/")),
    "version": lambda objects: objects.version("a/"),
    "delete": lambda objects: objects.delete(["a/b"]),
}


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_disk_that_fails_names_the_path(tmp_path: Path, operation: str) -> None:
    """A file where a folder should be fails like a broken disk, also for root."""
    broken = tmp_path / "disk"
    broken.write_text("not a folder")
    with pytest.raises(BackendUnavailable) as caught:
        OPERATIONS[operation](LocalObjects(broken))
    assert str(broken) in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/etc/x", "a/..", "..", "./x", "a/./x", "a//x", "."]
)
def test_a_key_with_a_dot_segment_is_refused(tmp_path: Path, key: str) -> None:
    store = LocalObjects(tmp_path / "objects")
    for call in (
        lambda: store.put_if_absent(key, b"x"),
        lambda: store.get(key),
        lambda: store.delete([key]),
        lambda: list(store.list(key + "/")),
    ):
        with pytest.raises(BackendError, match="object key"):
            call()
    assert not list(tmp_path.rglob("x"))


def test_a_disk_that_is_not_mounted_is_not_taken_for_an_existing_object(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "not-mounted" / "disk")
    with pytest.raises(BackendUnavailable, match="data"):
        LocalObjects(tmp_path / "data").put_if_absent("a/b", b"x")
