"""The thread that writes waiting entries."""

import atexit
import math
import time
from collections.abc import Callable
from threading import Condition, Thread
from typing import Final
from weakref import WeakMethod, WeakSet

_LOOK_AGAIN_S: Final = 60.0
"""The interval at which a thread without work checks that its log still exists."""

_AT_EXIT_S: Final = 5.0
_SWEEP_EVERY_S: Final = 6 * 3600.0


class EntryWriter:
    """Calls `write`, a method, on a daemon thread when it is due, and a last time on closing.

    The thread starts with the first `call_within`, and ends once the method's object is collected.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = WeakMethod(write)
        self._changed = Condition()
        self._due: float | None = None
        self._closed = False
        self._thread: Thread | None = None
        self._sweep_at = -math.inf

    def call_within(self, seconds: float) -> None:
        """Have `write` called within so many seconds; has no effect after closing."""
        at = time.monotonic() + seconds
        with self._changed:
            if self._closed or (self._due is not None and self._due <= at):
                return
            self._due = at
            self._changed.notify_all()
            if self._thread is None:
                self._thread = Thread(target=self._run, name="activity-log", daemon=True)
                self._thread.start()
                _running.add(self)

    def is_sweep_due(self) -> bool:
        """Return whether to remove old entries now: at first and every six hours, until closing."""
        at = time.monotonic()
        if self._closed or at < self._sweep_at:
            return False
        self._sweep_at = at + _SWEEP_EVERY_S
        return True

    def close(self, within_s: float = 30.0) -> bool:
        """End the thread; return whether there was one that made its last call."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is None:
            return False
        self._thread.join(max(0.0, within_s))
        _running.discard(self)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                closed = self._closed or self._wait()
                if not closed and (self._due is None or time.monotonic() < self._due):
                    if self._write() is None:
                        return
                    continue
                self._due = None
            if (write := self._write()) is None:
                return
            write()
            # Not held while the thread waits: a log without users may be collected.
            del write
            if closed:
                return

    def _wait(self) -> bool:
        """Wait until it may be time to write; return whether it is time to end."""
        timeout = _LOOK_AGAIN_S if self._due is None else self._due - time.monotonic()
        if timeout > 0:
            self._changed.wait(timeout)
        return self._closed


_running: WeakSet[EntryWriter] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Write the entries of logs that nobody closed, as in a script that just ends."""
    until = time.monotonic() + _AT_EXIT_S
    for writer in [*_running]:
        writer.close(until - time.monotonic())
