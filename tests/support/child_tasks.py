"""Calls for a child process that go wrong in each way, and the memory that processes take."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from memory_core.errors import InvalidMemory


def size_of(source: BinaryIO) -> int:
    return len(source.read())


def print_and_return(_source: BinaryIO, value: Any) -> Any:
    print("a library says something")
    return value


def hang(_source: BinaryIO) -> None:
    threading.Event().wait()


def compute(_source: BinaryIO) -> None:
    while True:
        pass


def fill_memory(_source: BinaryIO) -> int:
    return len([bytes(1024**2) for _ in range(2_000)])


def give_much(_source: BinaryIO) -> list[str]:
    return [str(number) for number in range(2_000_000)]


def end_by(_source: BinaryIO, name: str) -> None:
    os.kill(os.getpid(), signal.Signals[name])


def refuse(_source: BinaryIO) -> NoReturn:
    raise InvalidMemory("the file says nothing; write into it")


def fail(_source: BinaryIO) -> None:
    {}["a key"]


def give_code(_source: BinaryIO) -> Any:
    """Return what runs a command in whoever takes it for a value."""
    return _Command()


class _Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("exit 1",)


def surroundings(_source: BinaryIO) -> dict[str, Any]:
    """Return what a child can see and reach, by name."""
    return {
        "variables": sorted(set(os.environ) - {"LC_CTYPE"}),
        "service": "memory_core.service" in sys.modules,
        "ended first": Path("/proc/self/oom_score_adj").read_text().strip(),
        "network": _tried(lambda: socket.create_connection(("127.0.0.1", 9))),
        "process": _tried(lambda: os.execv(sys.executable, [sys.executable])),
        "files": _tried(lambda: [open("/dev/null") for _ in range(100)]),
        "writing": _tried(lambda: Path("/tmp", f"child-{os.getpid()}").write_text("x")),
    }


def _tried(call: Any) -> str:
    try:
        call()
    except OSError as exc:
        return type(exc).__name__ if exc.errno is None else os.strerror(exc.errno)
    return "done"


@dataclass
class Peaks:
    """The most memory seen, in bytes: of each child, and what this process grew by."""

    children: dict[int, int] = field(default_factory=dict)
    grown: int = 0


@contextmanager
def measured() -> Iterator[Peaks]:
    """Look at the memory of this process and its children until the block ends."""
    peaks, ended, before = Peaks(), threading.Event(), _memory("self", "VmRSS")

    def look() -> None:
        while not ended.wait(0.01):
            peaks.grown = max(peaks.grown, _memory("self", "VmRSS") - before)
            for child in _children():
                peaks.children[child] = max(peaks.children.get(child, 0), _memory(child, "VmHWM"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def _children() -> list[int]:
    """Return the children that run Python by now: before, they show the memory of this process."""
    tasks = Path("/proc/self/task").glob("*/children")
    ids = [int(child) for task in tasks for child in text_if_there(task).split()]
    return [
        child
        for child in ids
        if "child_process import serve" in text_if_there(Path(f"/proc/{child}/cmdline"))
    ]


def _memory(process: int | str, name: str) -> int:
    for line in text_if_there(Path(f"/proc/{process}/status")).splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def text_if_there(path: Path) -> str:
    # A process or a thread may end at any moment.
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
