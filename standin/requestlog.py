"""The request log: what was asked of the stand-in and how it was answered."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request; status 0 means the connection was dropped."""

    service: str
    operation: str
    status: int
    at: float
    seconds: float
    bytes_in: int
    bytes_out: int
    faults: tuple[str, ...] = ()


class RequestLog:
    """An append-only list of records, in order of completion."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: list[RequestRecord] = []

    def add(self, record: RequestRecord) -> None:
        """Append one record."""
        with self._lock:
            self._records.append(record)

    def records(self) -> list[RequestRecord]:
        """Return a copy of the log."""
        with self._lock:
            return list(self._records)

    def counts(self) -> Counter[str]:
        """Count requests by `service:Operation`."""
        return Counter(f"{record.service}:{record.operation}" for record in self.records())

    def reset(self) -> None:
        """Forget all records."""
        with self._lock:
            self._records.clear()
