"""The gate before each service: fault rules and the request log, shared by both."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Protocol

from .control import PREFIX, Control, handle_control
from .faults import FaultRule
from .httpd import Dropped, Request, Response
from .requestlog import RequestRecord

REFUSING = frozenset(
    {
        "throttle",
        "error500",
        "error503",
        "timeout408",
        "quota402",
        "deny",
        "expired",
        "wrong_region",
    }
)


class Service(Protocol):
    """What the gate stands before."""

    name: str

    def operation(self, request: Request) -> str:
        """Name the operation a request asks for."""

    def answer(self, request: Request) -> Response:
        """Perform the request."""

    def refuse(self, request: Request, action: str) -> Response:
        """Answer with the error of a refusing fault action, changing nothing."""


class Gate:
    """An application: strikes faults, asks the service, writes the log."""

    def __init__(self, service: Service, control: Control, stopping: threading.Event):
        self._service = service
        self._control = control
        self._stopping = stopping

    def __call__(self, request: Request) -> Response:
        if request.path.startswith(PREFIX):
            return handle_control(self._control, request)
        operation = self._service.operation(request)
        rules = self._control.strike(self._service.name, operation)
        started = time.monotonic()
        response: Response | None = None
        try:
            response = self._answer(request, rules)
            return replace(response, headers=(*response.headers, *self._control.headers))
        finally:
            self._write_log(request, operation, rules, response, time.monotonic() - started)

    def _answer(self, request: Request, rules: list[FaultRule]) -> Response:
        for rule in rules:
            if rule.action in ("latency", "hang"):
                self._stopping.wait(rule.seconds)
            if rule.action in ("hang", "drop_before"):
                raise Dropped
            if rule.action in REFUSING:
                return self._service.refuse(request, rule.action)
        response = self._service.answer(request)
        if any(rule.action == "drop_after" for rule in rules):
            raise Dropped
        return response

    def _write_log(
        self,
        request: Request,
        operation: str,
        rules: list[FaultRule],
        response: Response | None,
        seconds: float,
    ) -> None:
        self._control.log(
            RequestRecord(
                service=self._service.name,
                operation=operation,
                status=response.status if response else 0,
                at=time.time(),
                seconds=seconds,
                bytes_in=request.length,
                bytes_out=len(response.body) if response else 0,
                faults=tuple(rule.action for rule in rules),
            )
        )
