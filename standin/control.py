"""The control surface: faults, switches, request log and warnings.

Every public method is also a route: `POST /_standin/<method>` with its arguments as a
JSON object, on either port. `remote.RemoteControl` calls them from another process.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from typing import Any

from .faults import FaultBook, FaultRule
from .httpd import Request, Response
from .requestlog import RequestLog, RequestRecord
from .switches import Switches

PREFIX = "/_standin/"
ROUTES = frozenset(
    {
        "add_fault",
        "clear_faults",
        "faults",
        "lose_vectors",
        "ping",
        "request_counts",
        "requests",
        "reset",
        "reset_requests",
        "reset_switches",
        "set_switches",
        "switches",
        "warnings",
    }
)


class Control:
    """Steers a stand-in and reads what it saw; safe to use from any thread."""

    def __init__(self, switches: Switches | None = None) -> None:
        self._fault_book = FaultBook()
        self._log = RequestLog()
        self._as_started = self._switches = switches or Switches()
        self.headers: tuple[tuple[str, str], ...] = ()
        """Headers of every answer: the server's own name, and that this is a stand-in."""
        self._warnings: list[str] = []
        self._lock = threading.Lock()

    def add_fault(self, action: str, **rule: Any) -> int:
        """Arm a fault rule (the fields of `FaultRule`) and return its number."""
        return self._fault_book.add(FaultRule(action, **rule))  # type: ignore[arg-type]

    def clear_faults(self, number: int | None = None) -> None:
        """Disarm one fault rule, or all."""
        self._fault_book.clear(number)

    def faults(self) -> list[dict[str, Any]]:
        """Return the armed rules with how often each was seen and fired."""
        return self._fault_book.describe()

    def switches(self) -> Switches:
        """Return the switches as they stand."""
        with self._lock:
            return self._switches

    def set_switches(self, **changes: Any) -> Switches:
        """Set some switches by name and return all."""
        with self._lock:
            self._switches = self._switches.changed(changes)
            return self._switches

    def reset_switches(self) -> Switches:
        """Put every switch back to its default."""
        with self._lock:
            self._switches = self._as_started
            return self._switches

    def lose_vectors(self, count: int) -> None:
        """Acknowledge the next `count` put vectors without keeping them."""
        self.set_switches(lose_vectors=count)

    def requests(self) -> list[RequestRecord]:
        """Return the request log, in order of completion."""
        return self._log.records()

    def request_counts(self) -> dict[str, int]:
        """Count the logged requests by `service:Operation`."""
        return dict(self._log.counts())

    def reset_requests(self) -> None:
        """Empty the request log."""
        self._log.reset()

    def warnings(self) -> list[str]:
        """Return notes on requests that rely on undocumented behaviour."""
        with self._lock:
            return list(self._warnings)

    def reset(self) -> None:
        """Clear faults, switches, request log and warnings; stored data stays."""
        self.clear_faults()
        self.reset_switches()
        self.reset_requests()
        with self._lock:
            self._warnings.clear()

    def ping(self) -> str:
        """Answer, to show that the stand-in is up."""
        return "pong"

    def now(self) -> float:
        """Return the time in seconds, as the stand-in's clock has it."""
        return time.time() + self.switches().clock_offset_s

    def warn(self, text: str) -> None:
        """Note a use of undocumented behaviour, once per text."""
        with self._lock:
            if text not in self._warnings:
                self._warnings.append(text)

    def strike(self, service: str, operation: str) -> list[FaultRule]:
        """Count a request against the armed rules and return those that fire."""
        return self._fault_book.strike(service, operation)

    def log(self, record: RequestRecord) -> None:
        """Append to the request log."""
        self._log.add(record)

    def take_losses(self, wanted: int) -> int:
        """Return how many of `wanted` vectors to forget, and count them as done."""
        with self._lock:
            losses = min(wanted, self._switches.lose_vectors)
            left = self._switches.lose_vectors - losses
            self._switches = self._switches.changed({"lose_vectors": left})
            return losses


def handle_control(control: Control, request: Request) -> Response:
    """Answer one request under `/_standin/`."""
    name = request.path.removeprefix(PREFIX)
    if name not in ROUTES:
        return _json(404, {"error": f"no control {name!r}; there are {sorted(ROUTES)}"})
    try:
        arguments = json.loads(request.body) if request.body else {}
        return _json(200, {"result": getattr(control, name)(**arguments)})
    except (TypeError, ValueError) as error:
        return _json(400, {"error": str(error)})


def _json(status: int, value: object) -> Response:
    body = json.dumps(value, default=dataclasses.asdict).encode()
    return Response(status, (("Content-Type", "application/json"),), body)
