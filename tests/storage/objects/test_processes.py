"""Objects of a folder that several processes write to, one of which may be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from memory_core.storage.objects import LocalObjects
from tests.support.paths import ROOT
from tests.support.waiting import wait_for


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a program on `LocalObjects(first argument)` in another process."""
    head = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from memory_core.errors import EntryExists\n"
        "from memory_core.storage.objects import LocalObjects\n"
        "objects = LocalObjects(Path(sys.argv[1]))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + program, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out


def test_of_two_processes_exactly_one_wins(tmp_path: Path) -> None:
    program = """
won = []
for turn in range(100):
    try:
        objects.put_if_absent(f"race/{turn:03}", sys.argv[2].encode())
        won.append(turn)
    except EntryExists:
        pass
print(*won)
"""
    processes = [start(program, tmp_path, name) for name in "ab"]
    won = [set(map(int, output(process).split())) for process in processes]
    assert won[0] | won[1] == set(range(100))
    assert not won[0] & won[1]
    for name, turns in zip("ab", won, strict=True):
        assert all(LocalObjects(tmp_path).get(f"race/{turn:03}") == name.encode() for turn in turns)


@pytest.mark.parametrize("number", [1, 8, 15])
def test_a_killed_writer_leaves_only_whole_objects(tmp_path: Path, number: int) -> None:
    program = """
data = bytes(300_000)
for number in range(10_000):
    objects.put_if_absent(f"{number:05}", data)
"""
    store = LocalObjects(tmp_path)
    with start(program, tmp_path) as writer:
        wait_for(
            f"{number} objects",
            lambda: list(store.list("")),
            until=lambda keys: len(keys) >= number,
            every_s=0,
        )
        writer.send_signal(signal.SIGKILL)
    keys = list(store.list(""))
    assert len(keys) >= number
    assert all(store.get(key) == bytes(300_000) for key in keys)
    store.put_if_absent("after", b"x")


def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A process that may write 4 KB to a file meets the end of its disk there."""
    program = """
import resource, signal
from memory_core.errors import BackendUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    objects.put_if_absent("a/b", bytes(10_000))
except BackendUnavailable as exc:
    print(exc)
print(list(objects.list("")), objects.get("a/b"))
"""
    message, state = output(start(program, tmp_path)).splitlines()
    assert str(tmp_path) in message
    assert state == "[] None"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_writing_while_another_process_empties_the_folder_loses_nothing(tmp_path: Path) -> None:
    """Deleting the last object removes the folder, between any two steps of a writer."""
    deleter = """
deleted, rounds, gone = 0, 0, ["shared/never"]
while not Path(sys.argv[1], "stop").exists():
    keys = list(objects.list("shared/"))
    objects.delete(keys or gone)
    deleted, rounds, gone = deleted + len(keys), rounds + bool(keys), keys or gone
    if rounds == 50:
        Path(sys.argv[1], "enough").touch()
print(deleted)
"""
    process = start(deleter, tmp_path)
    store = LocalObjects(tmp_path)
    numbers = count()
    try:
        wait_for(
            "50 deletions of all that was written",
            lambda: store.put_if_absent(f"shared/{next(numbers):06}", b"x"),
            until=lambda _: (tmp_path / "enough").exists(),
            every_s=0,
        )
    finally:
        store.put_if_absent("stop", b"")
        deleted = int(output(process))
    written = next(numbers)
    assert deleted + len(list(store.list("shared/"))) == written
