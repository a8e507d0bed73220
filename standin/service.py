"""The S3 Vectors service: the path of a request from bytes to bytes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from . import buckets, indexes, query, tags, vectors
from .context import Context, Params
from .control import Control
from .errors import ServiceError, denied, invalid, unknown_operation
from .httpd import Request, Response
from .permissions import check_permissions, resource_of
from .shapes import check_input, service_model
from .wire import failure, operation_of, params_of, region_of, success
from .world import World

Operation = Callable[[Context, Params], dict[str, Any]]

NEWER_OPERATIONS = frozenset(
    {"UpdateIndexMode", "PutVectorBucketDefaultIndexMode", "UpdateMetadataConfiguration"}
)
NEWER_MEMBERS = frozenset({"queryMode", "queryTexts", "returnScores", "textSearchConfigurations"})
REFUSALS = {
    "throttle": ("TooManyRequestsException", 429, "Rate exceeded"),
    "error500": ("InternalServerException", 500, "Internal server error"),
    "error503": ("ServiceUnavailableException", 503, "Currently unable to handle the request"),
    "timeout408": ("RequestTimeoutException", 408, "The request timed out"),
    "quota402": ("ServiceQuotaExceededException", 402, "Your request exceeds a service quota"),
    "expired": (
        "ExpiredTokenException",
        400,
        "The security token is expired",
    ),
    "wrong_region": (
        "AccessDeniedException",
        403,
        "Credential should be scoped to a valid region",
    ),
}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _find_operation(name: str) -> Operation:
    modules = (buckets, indexes, vectors, query, tags)
    found: Operation = next(getattr(m, _snake(name)) for m in modules if hasattr(m, _snake(name)))
    return found


OPERATIONS = {name: _find_operation(name) for name in service_model().operation_names}


class S3VectorsService:
    """Answers S3 Vectors requests, one at a time."""

    name = "s3vectors"

    def __init__(self, world: World, control: Control):
        self._world = world
        self._control = control
        self._lock = threading.Lock()

    def operation(self, request: Request) -> str:
        """Name the operation a request asks for."""
        return operation_of(request)

    def answer(self, request: Request) -> Response:
        """Perform the request, or answer with its error."""
        try:
            with self._lock:
                return success(self._perform(request))
        except ServiceError as error:
            return failure(error)

    def refuse(self, request: Request, action: str) -> Response:
        """Answer with the error of a refusing fault action, changing nothing."""
        if action != "deny":
            return failure(ServiceError(*REFUSALS[action]))
        try:
            operation, context = operation_of(request), self._context(request)
            resource = resource_of(context, operation, params_of(request))
            return failure(denied(f"s3vectors:{operation}", resource))
        except ServiceError as error:
            return failure(error)

    def _perform(self, request: Request) -> dict[str, Any]:
        params = params_of(request)
        operation = operation_of(request)
        context = self._context(request)
        if context.switches.classic_only:
            _refuse_newer(operation, params)
        check_permissions(context, operation, params)
        ignore_unknown = context.switches.unknown_members == "ignore"
        params = check_input(operation, params, ignore_unknown=ignore_unknown)
        return OPERATIONS[operation](context, params)

    def _context(self, request: Request) -> Context:
        return Context(self._world, self._control, region_of(request), self._control.switches())


def _refuse_newer(operation: str, params: Params) -> None:
    """Refuse what a service of before 2026-09-30 would not know."""
    if operation in NEWER_OPERATIONS:
        raise unknown_operation()
    configuration = params.get("metadataConfiguration")
    given = set(params) | set(configuration if isinstance(configuration, dict) else ())
    for name in sorted(given & NEWER_MEMBERS):
        raise invalid(f"Unknown member '{name}' at '/'", f"/{name}")
