"""What stands before AWS: sees every request first, and may keep it, answer it or kill for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import Queue
from threading import Lock

from standin import StandIn
from standin.httpd import App, Dropped, Request, Response
from tests.support.s3_bench import in_front


def s3_error(status: int, code: str, *headers: tuple[str, str], said: str = "Said.") -> Response:
    body = f"<Error><Code>{code}</Code><Message>{said}</Message></Error>"
    plain = (("Content-Type", "application/xml"), ("x-amz-request-id", "FRONT"))
    return Response(status, (*plain, *headers), body.encode())


def vectors_error(status: int, code: str) -> Response:
    return Response(
        status, (("x-amzn-requestid", "FRONT"), ("x-amzn-errortype", code)), b'{"message": "Said."}'
    )


def is_for_vectors(request: Request) -> bool:
    return "/s3vectors/aws4_request" in request.headers["authorization"]


def for_s3(status: int, code: str) -> Watch:
    return lambda request, app: None if is_for_vectors(request) else s3_error(status, code)


def for_both(status: int, s3: str, vectors: str) -> Watch:
    return lambda request, app: (
        vectors_error(status, vectors) if is_for_vectors(request) else s3_error(status, s3)
    )


Watch = Callable[[Request, App], Response | None]
"""Given a request and the service behind: an answer, or None for that of the service."""

_TIMEOUT_S = 30.0


@contextmanager
def watched(standin: StandIn, watch: Watch) -> Iterator[dict[str, str]]:
    """Let all requests to a stand-in pass by `watch`; yields the variables that lead there."""
    apps: dict[str, App] = {
        "s3": standin._s3_server.app, "s3vectors": standin._vectors_server.app
    }  # fmt: skip
    with ExitStack() as stack:
        urls = {
            service: stack.enter_context(
                in_front(standin, service, lambda request, app=app: watch(request, app))  # type: ignore[misc]
            )
            for service, app in apps.items()
        }
        yield {
            "AWS_ENDPOINT_URL_S3": urls["s3"], "AWS_ENDPOINT_URL_S3VECTORS": urls["s3vectors"]
        }  # fmt: skip


def changes(request: Request) -> bool:
    """Say whether a request is one that changes what is stored."""
    operation = request.path.rpartition("/")[2]
    if operation.endswith(("Vectors", "Index", "VectorBucket")):
        return operation.startswith(("Create", "Delete", "Put"))
    return request.method not in ("GET", "HEAD")


class Executioner:
    """Kills a process at its n-th request that changes something, once it has taken effect.

    The answer is never sent.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = self._at = 0
        self._victims: Queue[int] = Queue()

    def wait_for(self, at: int) -> None:
        """Begin to count requests."""
        self._count, self._at = 0, at
        self._victims = Queue()

    def name(self, pid: int) -> None:
        """Say whom to kill; its request may be there already."""
        self._victims.put(pid)

    def watch(self, request: Request, app: App) -> Response | None:
        with self._lock:
            self._count += changes(request)
            due = changes(request) and self._count == self._at
        if not due:
            return None
        app(request)
        os.kill(self._victims.get(timeout=_TIMEOUT_S), signal.SIGKILL)
        raise Dropped


class Delay:
    """Holds a request back until it is released, long after the client has given up on it."""

    def __init__(self) -> None:
        self._part: str | None = None
        self._held: tuple[Request, App] | None = None

    @contextmanager
    def holding(self, part: str) -> Iterator[None]:
        """Hold back the first request from now on that changes something and names `part`."""
        self._part, self._held = part, None
        yield
        assert self._held is not None

    def watch(self, request: Request, app: App) -> Response | None:
        if self._part is None or self._part not in request.target or not changes(request):
            return None
        self._part, self._held = None, (request, app)
        raise Dropped

    def release(self) -> Response:
        """Let the request take effect now; return the answer that nobody waits for."""
        assert self._held is not None
        request, app = self._held
        return app(request)
