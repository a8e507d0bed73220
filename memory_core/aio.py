"""The same service for asynchronous callers: each call runs on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from threading import Lock
from typing import Any, Concatenate, ParamSpec, TypeVar

from .service import MemoryService, open_service
from .settings import Settings

# Of its own: the loop's default has six threads on two cores, and a few uploads would keep
# everybody else waiting.
_threads = ThreadPoolExecutor(32, thread_name_prefix="memory_core")

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


def _on_thread(
    method: Callable[Concatenate[MemoryService, _Params], _Result],
) -> Callable[Concatenate[AsyncMemoryService, _Params], Coroutine[Any, Any, _Result]]:
    @wraps(method)
    async def call(
        self: AsyncMemoryService, /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> _Result:
        return await _run(lambda: method(self._opened(), *args, **kwargs))

    return call


async def _run(work: Callable[[], _Result]) -> _Result:
    run_in_context = partial(copy_context().run, work)
    return await asyncio.get_running_loop().run_in_executor(_threads, run_in_context)


class AsyncMemoryService:
    """`MemoryService`, awaited. Opens on the first call or on `async with`, closes on leaving.

    A cancelled call goes on to its end on its thread: nothing is left half-written.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._service: MemoryService | None = None
        self._lock = Lock()

    def _opened(self) -> MemoryService:
        with self._lock:
            if self._service is None:
                self._service = open_service(self._settings)
            return self._service

    add_text_memory = _on_thread(MemoryService.add_text_memory)
    add_messages = _on_thread(MemoryService.add_messages)
    add_document = _on_thread(MemoryService.add_document)
    query_memories = _on_thread(MemoryService.query_memories)
    search = _on_thread(MemoryService.search)
    explain = _on_thread(MemoryService.explain)
    list_memories = _on_thread(MemoryService.list_memories)
    get_memory = _on_thread(MemoryService.get_memory)
    update_memory = _on_thread(MemoryService.update_memory)
    delete_memory = _on_thread(MemoryService.delete_memory)
    delete_user = _on_thread(MemoryService.delete_user)
    forget_user = _on_thread(MemoryService.forget_user)
    history = _on_thread(MemoryService.history)
    events_per_day = _on_thread(MemoryService.events_per_day)
    users = _on_thread(MemoryService.users)
    plan_reunion = _on_thread(MemoryService.plan_reunion)
    reunite = _on_thread(MemoryService.reunite)
    reunions = _on_thread(MemoryService.reunions)
    undo_reunion = _on_thread(MemoryService.undo_reunion)
    count_users = _on_thread(MemoryService.count_users)
    scan_store = _on_thread(MemoryService.scan_store)
    elsewhere = _on_thread(MemoryService.elsewhere)
    traces = _on_thread(MemoryService.traces)
    take_up = _on_thread(MemoryService.take_up)
    find = _on_thread(MemoryService.find)
    memories_per_day = _on_thread(MemoryService.memories_per_day)
    storage = _on_thread(MemoryService.storage)
    migrate_in_background = _on_thread(MemoryService.migrate_in_background)
    migration_status = _on_thread(MemoryService.migration_status)
    status = _on_thread(MemoryService.status)
    audit = _on_thread(MemoryService.audit)

    async def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
        service, self._service = self._service, None
        if service is not None:
            await _run(service.close)

    async def __aenter__(self) -> AsyncMemoryService:
        await _run(self._opened)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
