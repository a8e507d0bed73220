"""The memory service that the process shares, and the values that pages get from it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import streamlit as st

from memory_core import MemoryService, Settings, open_service
from memory_core.errors import MemoryCoreError
from memory_core.model.counting import counted
from memory_core.model.records import Status

T = TypeVar("T")
_logger = logging.getLogger("dashboard")

PATIENCE_S = 0.5
"""Seconds to wait for the first count before showing the figures of the previous one."""

RETRY_S = 10
"""Seconds after a failure to open the store during which it is raised again, not retried."""


@st.cache_resource(show_spinner=False)
def connection() -> Connection:
    """Return the connection, which all visitors share."""
    return Connection()


@dataclass(frozen=True)
class Trouble:
    """Error as people read it: its kind and its sentence."""

    kind: str
    sentence: str

    @classmethod
    def of(cls, error: MemoryCoreError) -> Trouble:
        """Return the shown part of an error."""
        return cls(type(error).__name__, str(error))


@dataclass(frozen=True)
class Health:
    """Status of the storage, or the reason why there is none."""

    status: Status | None
    trouble: Trouble | None
    counting: bool = False
    """True while a new count is under way; the figures are from the last one, by any process."""

    @property
    def word(self) -> str:
        """Persistent, temporary or broken."""
        if self.status is None:
            return "broken"
        return "persistent" if self.status.persistent else "temporary"


@dataclass(frozen=True)
class Timed(Generic[T]):
    """Result of a call, and how long it took."""

    result: T
    ms: int


class Connection:
    """The shared service, opened at first use; after a failure not again for `RETRY_S`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.opened: MemoryService | None = None
        """The service if it is open, for callers that must not open it."""
        self._error: MemoryCoreError | None = None
        self._failed_at = 0.0
        self.settings: Settings | None = None
        self._idle = threading.Condition()
        self._under_way = 0
        self._first_count: threading.Thread | None = None
        self._patient_until = 0.0
        self.counted = False
        self.writes = 0
        self.tests = 0

    def service(self) -> MemoryService:
        """Return the service, opening it if necessary.

        Raises:
            MemoryCoreError: the settings are wrong or the store cannot be opened.
        """
        with self._lock:
            if self.opened is None:
                self.opened = self._open()
            return self.opened

    def _open(self) -> MemoryService:
        if self._error is not None and time.monotonic() - self._failed_at < RETRY_S:
            raise self._error.with_traceback(None)
        try:
            self.settings = Settings.from_env()
            return open_service(self.settings)
        except MemoryCoreError as error:
            self._error, self._failed_at = error, time.monotonic()
            raise

    @contextmanager
    def writing(self) -> Iterator[MemoryService]:
        """Yield the service for a write, which `close` waits for."""
        service = self.service()
        with self._idle:
            self._under_way += 1
        try:
            yield service
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def close(self, wait_s: float = 0.0) -> None:
        """Close the service when its writes are done; the next caller opens it again."""
        with self._idle:
            if not self._idle.wait_for(lambda: not self._under_way, timeout=wait_s) and wait_s:
                _logger.error("stopped in the middle of %s", counted(self._under_way, "write"))
        with self._lock:
            if self.opened is not None:
                self.opened.close()
                if head := self.opened.activity.written:
                    _logger.info("the activity log ends at %d:%s", *head)
            self.opened = self._error = None

    def count_in_background(self, count: Callable[[], object]) -> bool:
        """Start the first count of this process; return whether it is still under way.

        Waits `PATIENCE_S` at most, so that of a fast count only the result is shown.
        """
        with self._lock:
            if self._first_count is None:
                self._first_count = threading.Thread(target=count, name="first count", daemon=True)
                self._first_count.start()
                self._patient_until = time.monotonic() + PATIENCE_S
        self._first_count.join(max(0.0, self._patient_until - time.monotonic()))
        return self._first_count.is_alive()

    def forget_failure(self) -> None:
        """Let the next caller try again to open the store."""
        with self._lock:
            self._error = None
