"""The same service for asynchronous callers: each call runs on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from copy import copy
from functools import wraps
from threading import Lock
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from .errors import ServiceBusy
from .service import MemoryService, open_service
from .settings import Settings

THREADS: Final = 24
"""Calls that run at once, besides long ones."""

LONG_THREADS: Final = 8
"""Calls over a document, a user's whole history or all users that run at once."""

WAITING: Final = 5_000
"""Calls that may wait for a thread."""

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


def _on_thread(
    method: Callable[Concatenate[MemoryService, _Params], _Result], *, long: bool = False
) -> Callable[Concatenate[AsyncMemoryService, _Params], Coroutine[Any, Any, _Result]]:
    @wraps(method)
    async def call(
        self: AsyncMemoryService, /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> _Result:
        def work() -> _Result:
            return method(self._shared.opened(), *args, **kwargs)

        async with asyncio.timeout(self._timeout_s):
            return await self._shared.run(work, long)

    return call


class _Shared:
    """What the views of a service with different time limits share: the service and its threads."""

    def __init__(self, settings: Settings | None, waiting: int) -> None:
        self._settings, self._most = settings, waiting + THREADS + LONG_THREADS
        self._service: MemoryService | None = None
        self._pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None
        self._under_way = 0
        self._opening, self._counting = Lock(), Lock()

    def opened(self) -> MemoryService:
        with self._opening:
            if self._service is None:
                self._service = open_service(self._settings)
            return self._service

    async def run(self, work: Callable[[], _Result], long: bool) -> _Result:
        with self._counting:
            if self._under_way >= self._most:
                raise ServiceBusy(
                    f"{self._under_way:,} calls are running or waiting; try again later, or "
                    "let more of them wait (AsyncMemoryService(waiting=...))"
                )
            if self._pools is None:
                self._pools = (
                    ThreadPoolExecutor(THREADS, "memory_core"),
                    ThreadPoolExecutor(LONG_THREADS, "memory_core_long"),
                )
            future = self._pools[long].submit(copy_context().run, work)
            self._under_way += 1
        future.add_done_callback(lambda _: self._count_down())
        return await asyncio.wrap_future(future)

    def _count_down(self) -> None:
        with self._counting:
            self._under_way -= 1

    async def close(self) -> None:
        with self._counting:
            pools, self._pools = self._pools, None
        await asyncio.to_thread(self._end, pools)

    def _end(self, pools: tuple[ThreadPoolExecutor, ...] | None) -> None:
        for pool in pools or ():
            pool.shutdown()
        with self._opening:
            service, self._service = self._service, None
        if service is not None:
            service.close()


class AsyncMemoryService:
    """`MemoryService`, awaited. Opens on the first call or on `async with`, closes on leaving.

    Calls run on threads of this service, in the order in which they came; long ones (documents,
    merges, counts of all users) have threads of their own and keep nobody waiting.

    A call that is cancelled before it has a thread is not made. One that has a thread runs to its
    end there: nothing is left half-written, and repeating it stores nothing twice. The same holds
    for a call that a time limit ends.

    Args:
        settings: Read from the environment if None.
        timeout: Seconds that a call may take, including its wait for a thread; a call that takes
            longer raises TimeoutError. None for no limit.
        waiting: How many calls may wait; one more raises ServiceBusy at once.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        timeout: float | None = None,
        waiting: int = WAITING,
    ) -> None:
        self._shared = _Shared(settings, waiting)
        self._timeout_s = timeout

    def with_options(self, *, timeout: float | None) -> Self:
        """Return this service, with the same threads and connections, under another time limit.

            await service.with_options(timeout=2.0).search("ann", "Where is the key?")

        Args:
            timeout: Seconds for each call, None for no limit.
        """
        view = copy(self)
        view._timeout_s = timeout
        return view

    add_text_memory = _on_thread(MemoryService.add_text_memory)
    add_messages = _on_thread(MemoryService.add_messages)
    add_document = _on_thread(MemoryService.add_document, long=True)
    query_memories = _on_thread(MemoryService.query_memories)
    search = _on_thread(MemoryService.search)
    explain = _on_thread(MemoryService.explain)
    list_memories = _on_thread(MemoryService.list_memories)
    owner_of = _on_thread(MemoryService.owner_of)
    get_memory = _on_thread(MemoryService.get_memory)
    update_memory = _on_thread(MemoryService.update_memory)
    delete_memory = _on_thread(MemoryService.delete_memory)
    delete_user = _on_thread(MemoryService.delete_user, long=True)
    forget_user = _on_thread(MemoryService.forget_user, long=True)
    history = _on_thread(MemoryService.history)
    memories_at = _on_thread(MemoryService.memories_at, long=True)
    changes = _on_thread(MemoryService.changes, long=True)
    recalls = _on_thread(MemoryService.recalls, long=True)
    restore_memory = _on_thread(MemoryService.restore_memory)
    restore_user = _on_thread(MemoryService.restore_user, long=True)
    change_memories = _on_thread(MemoryService.change_memories, long=True)
    events_per_day = _on_thread(MemoryService.events_per_day, long=True)
    users = _on_thread(MemoryService.users, long=True)
    plan_reunion = _on_thread(MemoryService.plan_reunion, long=True)
    reunite = _on_thread(MemoryService.reunite, long=True)
    reunions = _on_thread(MemoryService.reunions)
    undo_reunion = _on_thread(MemoryService.undo_reunion, long=True)
    count_users = _on_thread(MemoryService.count_users, long=True)
    last_status = _on_thread(MemoryService.last_status)
    scan_store = _on_thread(MemoryService.scan_store, long=True)
    elsewhere = _on_thread(MemoryService.elsewhere, long=True)
    traces = _on_thread(MemoryService.traces, long=True)
    take_up = _on_thread(MemoryService.take_up, long=True)
    find = _on_thread(MemoryService.find)
    memories_per_day = _on_thread(MemoryService.memories_per_day, long=True)
    storage = _on_thread(MemoryService.storage)
    placement = _on_thread(MemoryService.placement, long=True)
    starts = _on_thread(MemoryService.starts)
    migrate_in_background = _on_thread(MemoryService.migrate_in_background, long=True)
    migration_status = _on_thread(MemoryService.migration_status)
    watch_in_background = _on_thread(MemoryService.watch_in_background, long=True)
    check_proof = _on_thread(MemoryService.check_proof, long=True)
    proof = _on_thread(MemoryService.proof)
    status = _on_thread(MemoryService.status)
    audit = _on_thread(MemoryService.audit, long=True)

    async def run(self, work: Callable[[MemoryService], _Result]) -> _Result:
        """Run `work` with the service on one thread: calls that belong together wait once."""
        async with asyncio.timeout(self._timeout_s):
            return await self._shared.run(lambda: work(self._shared.opened()), long=False)

    async def aclose(self) -> None:
        """Wait for calls that were made, then release threads, files and connections.

        A later call opens all of them again.
        """
        await self._shared.close()

    close = aclose

    async def __aenter__(self) -> Self:
        await self._shared.run(self._shared.opened, long=False)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
