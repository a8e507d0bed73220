"""The asynchronous service: the same names, awaited, without stopping the loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from memory_core import AsyncMemoryService, MemoryService, Settings
from memory_core.aio import LONG_THREADS, THREADS, _on_thread
from memory_core.embedders.local import LocalEmbedder
from memory_core.errors import (
    BackendError,
    InvalidMemory,
    MemoryNotFound,
    ServiceBusy,
    SettingsError,
)

NOT_AWAITED = {"backend", "last_proof", "more_to_come"}
OF_ITS_OWN = {"aclose", "run", "with_options"}


def settings_of(data_dir: Path, **environ: str) -> Settings:
    return Settings.from_env({"MEMORY_DATA_DIR": str(data_dir), **environ})


def public(kind: type) -> dict[str, Callable[..., Any]]:
    found = {name: value for one in reversed(kind.__mro__) for name, value in vars(one).items()}
    return {name: value for name, value in found.items() if not name.startswith("_")}


def test_every_call_of_the_service_is_there_with_its_signature_and_docstring() -> None:
    ours, theirs = public(AsyncMemoryService), public(MemoryService)
    assert ours.keys() - OF_ITS_OWN == theirs.keys() - NOT_AWAITED
    for name in ours.keys() - OF_ITS_OWN:
        call = ours[name]
        assert inspect.iscoroutinefunction(call), name
        assert call.__doc__, name
        parameters = inspect.signature(call).parameters
        assert parameters == inspect.signature(theirs[name]).parameters, name


def test_nothing_is_opened_before_the_first_call(data_dir: Path) -> None:
    AsyncMemoryService(settings_of(data_dir))
    assert not data_dir.exists()


def test_many_calls_at_once_lose_nothing_and_store_nothing_twice(data_dir: Path) -> None:
    texts = [f"number {number}" for number in range(12)]

    async def save_all() -> None:
        async with AsyncMemoryService(settings_of(data_dir)) as service:
            calls = [service.add_text_memory("ann", text) for text in [*texts, *texts]]
            others = [service.add_text_memory("bob", text) for text in texts]
            looks = [service.query_memories("ann", texts[3]) for _ in range(10)]
            await asyncio.gather(*calls, *looks, *others)
            listed = await service.list_memories("ann")
            assert sorted(one.memory for one in listed) == sorted(texts)
            assert all(one.indexed for one in listed)
            assert len(await service.list_memories("bob")) == len(texts)
            assert await service.storage() == {"chroma": 24, "ledger": 0}
            for text in texts:
                hits = await service.query_memories("ann", text)
                assert hits[0].memory.memory == text

    asyncio.run(save_all())


def test_the_loop_goes_on_while_a_call_runs(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = b"\n".join(b'{"memory": "number %d"}' % number for number in range(600))
    embed, begun, ticked = LocalEmbedder.embed, threading.Event(), threading.Event()

    def embed_once_the_loop_has_ticked(embedder: LocalEmbedder, texts: Any) -> Any:
        begun.set()
        assert ticked.wait(60), "the loop stood still"
        return embed(embedder, texts)

    monkeypatch.setattr(LocalEmbedder, "embed", embed_once_the_loop_has_ticked)

    async def watch() -> None:
        async with AsyncMemoryService(settings_of(data_dir)) as service:
            call = asyncio.create_task(service.add_document("ann", "a.jsonl", lines))
            while not begun.is_set() and not call.done():
                await asyncio.sleep(0.005)
            assert not call.done()
            ticked.set()
            assert len(await call) == 600

    asyncio.run(watch())


def test_a_cancelled_call_is_done_or_not_begun_and_never_half(data_dir: Path) -> None:
    async def cancel() -> None:
        async with AsyncMemoryService(settings_of(data_dir)) as service:
            await service.add_text_memory("ann", "first")
            for number in range(6):
                call = asyncio.create_task(service.add_text_memory("ann", f"number {number}"))
                await asyncio.sleep(0.004 * number)
                call.cancel()
                with suppress(asyncio.CancelledError):
                    await call
        # Leaving the block must not pull the store away from a call that still runs.
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(cancel())

    async def look() -> None:
        async with AsyncMemoryService(settings_of(data_dir)) as service:
            listed = await service.list_memories("ann")
            assert "first" in [one.memory for one in listed]
            assert all(one.indexed for one in listed)
            assert await service.storage() == {"chroma": len(listed), "ledger": 0}

    asyncio.run(look())


def test_it_opens_again_after_closing_and_in_another_loop(data_dir: Path) -> None:
    service = AsyncMemoryService(settings_of(data_dir))

    async def save(text: str) -> int:
        await service.add_text_memory("ann", text)
        await service.close()
        found = len(await service.list_memories("ann"))
        await service.close()
        await service.close()
        return found

    assert asyncio.run(save("one")) == 1
    assert asyncio.run(save("two")) == 2


def test_errors_are_the_same(data_dir: Path, tmp_path: Path) -> None:
    async def fail() -> None:
        async with AsyncMemoryService(settings_of(data_dir)) as service:
            with pytest.raises(InvalidMemory):
                await service.add_text_memory("ann", " ")
            with pytest.raises(MemoryNotFound):
                await service.get_memory("ann", "none")
            with pytest.raises(SettingsError, match="MEMORY_LLM"):
                await service.add_messages("ann", [{"role": "user", "content": "hello"}])
        (tmp_path / "file").write_text("")
        broken = AsyncMemoryService(settings_of(tmp_path / "file"))
        for _ in range(2):
            with pytest.raises(BackendError):
                await broken.list_memories("ann")
        await broken.close()

    asyncio.run(fail())


def test_what_is_saved_awaited_is_read_by_the_plain_service(
    data_dir: Path, reopen: Callable[[], MemoryService]
) -> None:
    async def save() -> None:
        async with AsyncMemoryService(settings_of(data_dir)) as service:
            await service.add_document("ann", "a.txt", b"The key is under the mat.")

    asyncio.run(save())
    (one,) = reopen().list_memories("ann")
    assert one.memory == "The key is under the mat."


class Waiting(AsyncMemoryService):
    """Has calls that last until they are told to end: one as of an upload, one as of a search."""

    hold_long = _on_thread(lambda service, end: end.wait(60), long=True)
    hold = _on_thread(lambda service, end: end.wait(60))


def test_many_slow_calls_keep_nobody_waiting(data_dir: Path) -> None:
    async def look_meanwhile() -> None:
        end = threading.Event()
        async with Waiting(settings_of(data_dir)) as service:
            held = [asyncio.create_task(service.hold_long(end)) for _ in range(4 * LONG_THREADS)]
            try:
                assert await service.with_options(timeout=30).list_memories("ann") == []
            finally:
                end.set()
                await asyncio.gather(*held)

    asyncio.run(look_meanwhile())


def test_a_thousand_calls_at_once_are_all_answered(data_dir: Path) -> None:
    async def ask() -> None:
        async with AsyncMemoryService(settings_of(data_dir)) as service:
            await service.add_text_memory("user 0", "The key is under the mat.")
            users = [f"user {number % 10}" for number in range(1_000)]
            answers = await asyncio.gather(*(service.list_memories(user) for user in users))
            assert [len(memories) for memories in answers] == [1, *[0] * 9] * 100

    asyncio.run(ask())


def test_a_time_limit_ends_a_call_and_one_that_has_no_thread_yet_is_not_made(
    data_dir: Path,
) -> None:
    async def save_behind_slow_calls() -> None:
        end = threading.Event()
        async with Waiting(settings_of(data_dir), timeout=0.01) as service:
            unlimited = service.with_options(timeout=None)
            held = [asyncio.create_task(unlimited.hold(end)) for _ in range(THREADS)]
            await asyncio.sleep(0)
            with pytest.raises(TimeoutError):
                await service.add_text_memory("ann", "This is never saved.")
            end.set()
            await asyncio.gather(*held)
            await unlimited.add_text_memory("ann", "This is.")
            assert [m.memory for m in await unlimited.list_memories("ann")] == ["This is."]

    asyncio.run(save_behind_slow_calls())


def test_a_call_beyond_those_that_may_wait_is_refused_at_once(data_dir: Path) -> None:
    async def flood() -> None:
        end = threading.Event()
        most = THREADS + LONG_THREADS + 3
        async with Waiting(settings_of(data_dir), waiting=3) as service:
            held = [asyncio.create_task(service.hold(end)) for _ in range(most)]
            await asyncio.sleep(0)
            with pytest.raises(ServiceBusy, match=f"{most} calls are running or waiting"):
                await service.list_memories("ann")
            end.set()
            await asyncio.gather(*held)
            assert await service.list_memories("ann") == []

    asyncio.run(flood())
