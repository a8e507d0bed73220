"""Untrusted bytes, read in a child process with limits, so that only the child can fail.

The child imports the reader but not the package. It has no network and, unless given some, none of
this process's environment variables, which hold secrets. Linux enforces all limits; macOS does not
limit memory, and Windows limits only the time, which this process watches.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from enum import Enum
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ..errors import MemoryCoreError
from .counting import Progress, counted

MAX_SECONDS = 30
MAX_BYTES = 200 * 1024**2
MAX_OPEN_FILES = 64

_T = TypeVar("_T")

_AT_ONCE = threading.BoundedSemaphore(2)
"""Bounds the children that run at once, and with them their total memory."""

_TICK_S = 0.25
_STEP_BYTES = 64 * 1024
_OUT_OF_MEMORY = 77
_TOO_SLOW = "takes more than {} to read"
# These packages import the whole service; the child gets empty ones in their place. It collects
# garbage seldom: most of what it makes while it loads stays.
_BOOT = """import gc, sys, types
gc.set_threshold(20_000)
sys.path[:] = sys.argv[2:]
for name, folder in ("memory_core", ""), ("memory_core.doctor", "/doctor"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [sys.argv[1] + folder]
from memory_core.model.child_process import serve
serve()"""
_REFUSED = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn")
_PLAIN = {
    "collections": {"Counter", "OrderedDict", "deque"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
}
_VALUES = (Enum, MemoryCoreError, tuple)


class ChildEnded(Exception):
    """The child gave no answer; the message says why: "takes more than 30 seconds to read"."""


def call_in_child(
    function: Callable[..., _T],
    source: BinaryIO,
    *arguments: Any,
    total: int = 0,
    seconds: int | None = None,
    environ: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
) -> _T:
    """Return `function(source, *arguments)`, called in a child that reads the rest of `source`.

    Args:
        function: defined at the top of its module. What it returns consists of plain values,
            times, and dataclasses, tuples and enumerations of this package.
        total: size of the source in bytes, for the progress.
        seconds: limit of wall-clock and of processor time; `MAX_SECONDS` unless given.
        environ: variables of the child.
        on_progress: called about four times a second with bytes handed over and `total`; what it
            raises ends the child.

    Raises:
        MemoryCoreError: what the function raised.
        ChildEnded: the child reached a limit, crashed, was killed or could not be started.
    """
    seconds = seconds or MAX_SECONDS
    report = on_progress or (lambda _done, _total: None)
    call = pickle.dumps((function.__module__, function.__name__, seconds, arguments))
    while not _AT_ONCE.acquire(timeout=_TICK_S):
        report(0, total)
    try:
        with _start(environ or {}) as process:
            feeder = _Feeder(process, call, source)
            try:
                feeder.start()
                output = _wait(process, seconds, lambda: report(feeder.done, total))
            finally:
                process.kill()
                feeder.join()
    finally:
        _AT_ONCE.release()
    if feeder.failure:
        raise feeder.failure
    if process.returncode:
        raise ChildEnded(_reason(process.returncode, seconds))
    try:
        outcome, value = _Answer(BytesIO(output)).load()
    except (pickle.UnpicklingError, EOFError, TypeError) as exc:
        raise ChildEnded("cannot be read: the process that tried gave no answer") from exc
    if outcome == "returned":
        report(feeder.done, max(total, feeder.done))
        return value  # type: ignore[no-any-return]
    raise value if outcome == "raised" else RuntimeError(value)


def serve() -> None:
    """Answer the call on standard input and exit: the main function of the child."""
    answer = os.fdopen(os.dup(1), "wb")
    # What a library prints must not mix with the answer.
    os.dup2(2, 1)
    module, name, seconds, arguments = pickle.load(sys.stdin.buffer)
    _limit(seconds)
    sys.addaudithook(_refuse)
    try:
        outcome: tuple[str, object]
        try:
            function = getattr(import_module(module), name)
            outcome = "returned", function(sys.stdin.buffer, *arguments)
        except MemoryCoreError as exc:
            outcome = "raised", exc
        except Exception as exc:
            if isinstance(exc, MemoryError):
                raise
            outcome = "failed", traceback.format_exc()
        pickle.dump(outcome, answer)
        answer.flush()
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    os._exit(0)


class _Feeder(threading.Thread):
    """Writes the call and then the source to a child, as fast as the child reads."""

    def __init__(self, process: subprocess.Popen[bytes], call: bytes, source: BinaryIO) -> None:
        super().__init__(name="child-feeder", daemon=True)
        # Closed by this thread alone: `communicate` would close it at once.
        self._sink, process.stdin = process.stdin, None
        self._call, self._source = call, source
        self.done = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        assert self._sink is not None
        # The child may end before it has read all.
        with suppress(OSError), self._sink:
            self._sink.write(self._call)
            while chunk := self._read():
                self._sink.write(chunk)
                self.done += len(chunk)

    def _read(self) -> bytes:
        try:
            return self._source.read(_STEP_BYTES)
        except (OSError, ValueError) as exc:
            self.failure = exc
            return b""


class _Answer(pickle.Unpickler):
    """Unpickles values only: a hostile document may have taken over the child that wrote them."""

    def find_class(self, module: str, name: str) -> Any:
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        if module.startswith("memory_core.") and "." not in name:
            value = super().find_class(module, name)
            is_value = isinstance(value, type) and issubclass(value, _VALUES)
            if is_value or is_dataclass(value):
                return value
        raise pickle.UnpicklingError(f"{module}.{name} is not a value")


def _start(environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # Not at the top: the child has no use for it.
    from ..settings import loader_environment

    package = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-I", "-S", "-B", "-c", _BOOT, str(package)]
    try:
        return subprocess.Popen(
            [*command, *map(os.path.abspath, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**loader_environment(), **environ},
        )
    except OSError as exc:
        raise ChildEnded(f"cannot be read: no process can be started ({exc})") from exc


def _wait(process: subprocess.Popen[bytes], seconds: int, report: Callable[[], None]) -> bytes:
    """Return what the child wrote until it ended."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_TICK_S)[0]
        report()
        if time.monotonic() > deadline:
            raise ChildEnded(_TOO_SLOW.format(counted(seconds, "second")))


def _reason(code: int, seconds: int) -> str:
    """Return why a child ended, given its exit code or the negative number of its signal."""
    if code == _OUT_OF_MEMORY:
        return f"takes more than {MAX_BYTES // 1024**2} MB of memory to read"
    if code == -getattr(signal, "SIGXCPU", 0):
        return _TOO_SLOW.format(counted(seconds, "second"))
    end = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"cannot be read: the process that tried {end}"


def _limit(seconds: int) -> None:
    """Limit this process, as far as the system supports it."""
    with suppress(OSError):
        # If memory runs short, the kernel ends this process, not the one that waits for it.
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(ImportError):
        import resource

        limits = {"AS": MAX_BYTES, "CPU": seconds, "NOFILE": MAX_OPEN_FILES, "FSIZE": 0, "CORE": 0}
        for name, limit in limits.items():
            kind = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(kind)[1]
            limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            # At its hard limit of processor time a process gets SIGKILL, which names no limit.
            upper = limit + 1 if name == "CPU" and hard == resource.RLIM_INFINITY else limit
            # macOS refuses a memory limit.
            with suppress(ValueError, OSError):
                resource.setrlimit(kind, (limit, upper))


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"a reader of documents must not use {event}")
