"""A child process reads what strangers wrote; whatever becomes of it, this process goes on."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from memory_core.errors import InvalidMemory
from memory_core.model import child_process
from memory_core.model.child_process import ChildEnded, call_in_child
from memory_core.model.records import Scope
from tests.support import child_tasks
from tests.support.child_tasks import measured

pytestmark = pytest.mark.process

CONTENT = os.urandom(3 * 1024**2)


class Stopped(Exception):
    """What a job raises when it is cancelled."""


def call(function: Any, *arguments: Any, content: bytes = b"", **options: Any) -> Any:
    return call_in_child(function, io.BytesIO(content), *arguments, **options)


def reason(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(ChildEnded) as caught:
        call(function, *arguments, **options)
    return str(caught.value)


def test_a_child_gets_all_bytes_and_gives_the_value() -> None:
    assert call(child_tasks.size_of, content=CONTENT) == len(CONTENT)
    at = datetime(2026, 11, 27, tzinfo=UTC)
    values = {"at": [at, at.date()], "scope": Scope("ann", None, "7"), "counts": Counter("aab")}
    assert call(child_tasks.print_and_return, values) == values


def test_a_child_that_needs_no_more_bytes_is_answered() -> None:
    assert call(child_tasks.print_and_return, 42, content=CONTENT) == 42


def test_a_child_sees_no_variable_and_reaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert call(child_tasks.surroundings) == {
        "variables": [],
        "service": False,
        "ended first": "1000",
        "network": "PermissionError",
        "process": "PermissionError",
        "files": "Too many open files",
        "writing": "File too large",
    }
    given = call(child_tasks.surroundings, environ={"NAMED": "1"})
    assert given["variables"] == ["NAMED"]


def test_an_error_of_ours_is_raised_here_and_any_other_with_its_traceback() -> None:
    with pytest.raises(InvalidMemory, match="the file says nothing; write into it"):
        call(child_tasks.refuse)
    with pytest.raises(RuntimeError, match="KeyError: 'a key'"):
        call(child_tasks.fail)


@pytest.mark.parametrize(
    ("function", "arguments", "sentence"),
    [
        (child_tasks.fill_memory, (), "takes more than 200 MB of memory to read"),
        (child_tasks.give_much, (), "takes more than 200 MB of memory to read"),
        (child_tasks.end_by, ("SIGSEGV",), "the process that tried was ended by SIGSEGV"),
        (child_tasks.end_by, ("SIGKILL",), "the process that tried was ended by SIGKILL"),
        (child_tasks.end_by, ("SIGXCPU",), "takes more than 30 seconds to read"),
        (child_tasks.give_code, (), "the process that tried gave no answer"),
    ],
)
def test_the_end_of_a_child_is_a_sentence(function: Any, arguments: Any, sentence: str) -> None:
    assert sentence in reason(function, *arguments)


@pytest.mark.parametrize("function", [child_tasks.hang, child_tasks.compute])
def test_a_child_that_takes_too_long_is_ended(function: Any) -> None:
    assert reason(function, seconds=1) == "takes more than 1 second to read"


def test_a_child_ends_with_the_job_that_waits_for_it() -> None:
    seen: list[tuple[int, int]] = []

    def cancel(done: int, total: int) -> None:
        seen.append((done, total))
        raise Stopped

    with measured() as peaks, pytest.raises(Stopped):
        call(child_tasks.hang, content=CONTENT, total=len(CONTENT), on_progress=cancel)
    assert seen[0][1] == len(CONTENT)
    assert len(peaks.children) == 1
    assert not any(os.path.exists(f"/proc/{child}") for child in peaks.children)


def test_a_child_that_cannot_be_started_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert "no process can be started ([Errno 2]" in reason(child_tasks.size_of)


def test_a_source_that_breaks_is_not_taken_for_a_short_one() -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        call_in_child(child_tasks.size_of, Broken())


def test_children_of_threads_and_of_a_loop_do_not_mix() -> None:
    async def all_at_once() -> list[int]:
        loop = asyncio.get_running_loop()
        tasks = (partial(call, child_tasks.size_of, content=bytes(size)) for size in range(6))
        with ThreadPoolExecutor(6) as threads:
            return await asyncio.gather(*(loop.run_in_executor(threads, task) for task in tasks))

    assert asyncio.run(all_at_once()) == list(range(6))


def test_two_children_run_at_a_time_and_a_third_waits_until_it_is_cancelled() -> None:
    ended = threading.Event()

    def go_on(_done: int, _total: int) -> None:
        if ended.is_set():
            raise Stopped

    with ThreadPoolExecutor(2) as threads, measured() as peaks:
        running = [threads.submit(call, child_tasks.hang, on_progress=go_on) for _ in range(2)]
        while len(peaks.children) < 2:
            ended.wait(0.01)
        with pytest.raises(Stopped):
            call(child_tasks.hang, on_progress=_stop)
        ended.set()
        assert [type(task.exception()) for task in running] == [Stopped, Stopped]
    assert len(peaks.children) == 2


def _stop(_done: int, _total: int) -> None:
    raise Stopped


def test_without_limits_of_the_system_the_time_is_still_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As on Windows: the boot code sees no such module.
    monkeypatch.setattr(
        child_process, "_BOOT", "import sys\nsys.modules['resource'] = None\n" + child_process._BOOT
    )
    assert call(child_tasks.size_of, content=b"abc") == 3
    assert "takes more than 1 second" in reason(child_tasks.hang, seconds=1)
