"""mem0's `Memory` and `AsyncMemory`, implemented with the calls of the service.

Signatures and results are those of mem0ai 2.2.1 (`mem0/memory/main.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from ..aio import AsyncMemoryService
from ..errors import InvalidMemory, MemoryNotFound
from ..memories.search import Condition
from ..model.limits import MAX_QUERY_BYTES, check_text
from ..model.payload import NEVER
from ..model.records import Event, Hit, Kind, MemoryRecord, SearchMode
from ..service import MemoryService, open_service
from .config import read_config
from .filters import (
    check_others,
    check_top_k,
    owner_without_user,
    read_filters,
    refuse,
    to_ids,
    without_identity,
)

_UNSET: Final = object()

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


class UnknownMemory(MemoryNotFound, ValueError):
    """Nobody has a memory with that id; also a ValueError, which mem0 raises."""


class Memory:
    """mem0's `Memory`, kept by a service. Safe to share between threads.

    Errors are those of `MemoryService`; an invalid argument raises a ValueError, as in mem0.

    Args:
        config: A configuration of mem0's, as `from_config` takes it; None for the environment.
        service: The service to use, which stays open on `close`; None to open one.
    """

    def __init__(self, config: object = None, *, service: MemoryService | None = None) -> None:
        self._owned = service is None
        self.config_notes: tuple[str, ...] = ()
        """A sentence for each part of the configuration: how it is used, or why not."""
        if service is None:
            settings, self.config_notes = read_config(config)
            service = open_service(settings)
        self.service = service
        """The service itself, for what mem0 has no call for."""

    @classmethod
    def from_config(cls, config_dict: Mapping[str, Any]) -> Self:
        """Open a memory by mem0's own configuration; `config_notes` says how each part is used.

        Raises:
            SettingsError: it is not a mapping, or one of its parts is not in mem0's form.
            BackendError: the store cannot be used.
        """
        return cls(config_dict)

    def add(
        self,
        messages: str | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        user_id: object = None,
        agent_id: object = None,
        run_id: object = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: object = None,
        expiration_date: date | str | None = None,
        infer: bool = True,
        memory_type: str | None = None,
        prompt: str | None = None,
    ) -> dict[str, Any]:
        """Remember a text or messages; `{"results": [{"id", "memory", "event"}]}`.

        The event of a memory that was stored before is NONE; with `infer` it is left out.
        """
        refuse("add", timestamp=timestamp, memory_type=memory_type, prompt=prompt)
        user, agent, run = to_ids(user_id, agent_id, run_id)
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        elif isinstance(messages, Mapping):
            messages = [messages]
        elif not isinstance(messages, list):
            raise InvalidMemory("messages must be a text, a message or a list of messages")
        # As in mem0, messages of the system and empty ones are left out.
        said = [
            message
            for message in messages
            if isinstance(message, Mapping)
            and message.get("content")
            and message.get("role") not in (None, "system")
        ]
        if not said:
            return {"results": []}
        saved = self.service.add_messages(
            owner_without_user(agent, run) if user is None else user,
            said,
            metadata=without_identity(metadata),
            agent_id=agent,
            run_id=run,
            expires=expiration_date,
            infer=infer,
        )
        results: list[dict[str, Any]] = []
        for record in saved:
            event = "NONE" if record.already_stored else "ADD"
            result: dict[str, Any] = {"id": record.id, "memory": record.memory, "event": event}
            if not infer:
                results.append(result | {"actor_id": record.actor_id, "role": record.role})
            elif not record.already_stored:
                results.append(result)
        return {"results": results}

    def search(
        self,
        /,
        query: str,
        *,
        top_k: int = 20,
        filters: Mapping[str, Any] | None = None,
        threshold: float | None = 0.1,
        rerank: bool = False,
        explain: bool = False,
        reference_date: object = None,
        show_expired: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the memories that answer best; `threshold` applies to mem0's score, not ours.

        All that fulfil the filters are ranked, however many. `rerank` changes nothing.
        """
        refuse("search", reference_date=reference_date)
        check_others("search", kwargs)
        least = 0.1 if threshold is None else threshold
        if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least <= 1:
            raise InvalidMemory(f"threshold is {threshold!r}; pass a number from 0 to 1")
        user, where = _read(filters, show_expired=show_expired)
        question = query.strip() if isinstance(query, str) else query
        limit = check_top_k(top_k)
        check_text(question, "question", MAX_QUERY_BYTES)
        is_plain = filters is not None and filters.keys() == {"user_id"} and not show_expired
        mode: SearchMode = "auto" if is_plain else "exact"
        agent = (filters or {}).get("agent_id")
        agent = agent if isinstance(agent, str) else None
        hits = [
            hit
            for owner in self._users(user)
            for hit in self.service.search(
                owner, question, limit=limit or 1, mode=mode, where=where, agent_id=agent
            ).hits
            if _nearness(hit) >= least
        ]
        hits.sort(key=lambda hit: -hit.score)
        return {"results": [_to_answer(hit, least, explain=explain) for hit in hits[:limit]]}

    def get(self, memory_id: str) -> dict[str, Any] | None:
        """Return a memory by its id alone, None if nobody has it."""
        try:
            owner = self.service.owner_of(str(memory_id))
            return {**_to_item(self.service.get_memory(owner, str(memory_id))), "score": None}
        except MemoryNotFound:
            return None

    def get_all(
        self,
        /,
        *,
        filters: Mapping[str, Any] | None = None,
        top_k: int | None = None,
        show_expired: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return all memories that fulfil the filters, newest first; or the newest `top_k`."""
        check_others("get_all", kwargs)
        limit = None if top_k is None else check_top_k(top_k)
        user, where = _read(filters, show_expired=show_expired)
        records = [
            record
            for owner in self._users(user)
            for record in self.service.list_memories(owner)
            if where(record)
        ]
        if user is None:
            records.sort(key=lambda record: record.created_at, reverse=True)
        return {"results": [_to_item(record) for record in records[:limit]]}

    def update(
        self,
        memory_id: str,
        text: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expiration_date: Any = _UNSET,
        data: str | None = None,
    ) -> dict[str, str]:
        """Change the text, the metadata (merged) or the expiry date (None: never) of a memory."""
        if text is None:
            text = data
        if text is None and metadata is None and expiration_date is _UNSET:
            raise InvalidMemory("nothing to change; pass text, metadata or expiration_date")
        attached = without_identity(metadata)
        expires = None if expiration_date is _UNSET else expiration_date or NEVER
        with _known():
            owner = self.service.owner_of(memory_id)
            if text is not None or attached or expires:
                self.service.update_memory(
                    owner, memory_id, text, metadata=attached, expires=expires
                )
        return {"message": "Memory updated successfully!"}

    def delete(self, memory_id: str) -> dict[str, str]:
        """Delete a memory by its id alone; its history stays."""
        with _known():
            self.service.delete_memory(self.service.owner_of(memory_id), memory_id)
        return {"message": "Memory deleted successfully!"}

    def delete_all(
        self, user_id: object = None, agent_id: object = None, run_id: object = None
    ) -> dict[str, str]:
        """Delete the memories of a user, an agent or a run; without a user, those of all users."""
        user, agent, run = to_ids(user_id, agent_id, run_id)
        if user is not None and agent is None and run is None:
            self.service.delete_user(user)
            return {"message": "Memories deleted successfully!"}
        for owner in self._users(user):
            for record in self.service.list_memories(owner):
                if agent in (None, record.agent_id) and run in (None, record.run_id):
                    self.service.delete_memory(owner, record.id)
        return {"message": "Memories deleted successfully!"}

    def history(self, memory_id: str) -> list[dict[str, Any]]:
        """Return the changes of a memory, oldest first; also of one that was deleted."""
        try:
            owner = self.service.owner_of(str(memory_id))
        except MemoryNotFound:
            return []
        return _to_rows(str(memory_id), self.service.history(owner, str(memory_id)))

    def reset(self) -> None:
        """Refuse: it would delete the memories of all users.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "reset() would delete the memories of all users, and nothing could bring them back; "
            "call delete_all(user_id=...) for one user, or `holdfast forget USER` for good"
        )

    def close(self) -> None:
        """Release files and connections, unless the service was handed in."""
        if self._owned:
            self.service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _users(self, user: str | None) -> Sequence[str]:
        return [user] if user is not None else [known.user_id for known in self.service.users()]


def _awaited(
    method: Callable[Concatenate[Memory, _Params], _Result],
) -> Callable[Concatenate[AsyncMemory, _Params], Coroutine[Any, Any, _Result]]:
    @wraps(method)
    async def call(self: AsyncMemory, /, *args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        return await self.service.run(lambda open: method(Memory(service=open), *args, **kwargs))

    return call


class AsyncMemory:
    """mem0's `AsyncMemory`: the calls of `Memory`, awaited, on the threads of the service.

    Args:
        config: As in `Memory`.
        service: The service to use, which stays open on `close`; None for one of its own.
    """

    def __init__(self, config: object = None, *, service: AsyncMemoryService | None = None) -> None:
        self._owned = service is None
        self.config_notes: tuple[str, ...] = ()
        if service is None:
            settings, self.config_notes = read_config(config)
            service = AsyncMemoryService(settings)
        self.service = service

    @classmethod
    def from_config(cls, config_dict: Mapping[str, Any]) -> Self:
        """As `Memory.from_config`; the store is opened by the first call."""
        return cls(config_dict)

    add = _awaited(Memory.add)
    search = _awaited(Memory.search)
    get = _awaited(Memory.get)
    get_all = _awaited(Memory.get_all)
    update = _awaited(Memory.update)
    delete = _awaited(Memory.delete)
    delete_all = _awaited(Memory.delete_all)
    history = _awaited(Memory.history)
    reset = _awaited(Memory.reset)

    async def close(self) -> None:
        """Wait for the calls that were made, and release what they used."""
        if self._owned:
            await self.service.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


@contextmanager
def _known() -> Iterator[None]:
    """Turn the error for an unknown id into mem0's."""
    try:
        yield
    except MemoryNotFound as exc:
        raise UnknownMemory(str(exc)) from exc


def _read(filters: Mapping[str, Any] | None, *, show_expired: bool) -> tuple[str | None, Condition]:
    user, fulfils = read_filters(filters, _to_fields)
    return user, lambda record: (show_expired or not record.expired) and fulfils(record)


def _to_item(record: MemoryRecord) -> dict[str, Any]:
    """Return a memory in mem0's form, with those optional keys that it has."""
    scope = record.agent_id, record.run_id
    alone = record.user_id.startswith(("agent:", "run:")) and record.user_id == owner_without_user(
        *scope
    )
    optional = {
        "user_id": None if alone else record.user_id,
        "agent_id": record.agent_id,
        "run_id": record.run_id,
        "actor_id": record.actor_id,
        "role": record.role,
        "attributed_to": record.attributed_to,
        "expiration_date": record.expires.isoformat() if record.expires else None,
    }
    return {
        "id": record.id,
        "memory": record.memory,
        "hash": hashlib.md5(record.memory.encode(), usedforsecurity=False).hexdigest(),
        "metadata": dict(record.metadata) or None,
        "created_at": record.created_at.isoformat(),
        "updated_at": record.updated_at.isoformat(),
        **{key: value for key, value in optional.items() if value is not None},
    }


def _to_fields(record: MemoryRecord) -> dict[str, Any]:
    """Return what filters can ask for: the metadata, and what mem0 keeps beside it."""
    item = _to_item(record)
    return {**record.metadata, **item, "data": item.pop("memory")}


def _to_answer(hit: Hit, threshold: float, *, explain: bool) -> dict[str, Any]:
    answer = {**_to_item(hit.memory), "score": hit.score}
    if explain:
        answer["score_details"] = {
            "semantic_score": _nearness(hit),
            "bm25_score": hit.bm25,
            "entity_boost": 0.0,
            "raw_score": hit.score,
            "max_possible_score": 1.0,
            "final_score": hit.score,
            "threshold": threshold,
        }
    return answer


def _nearness(hit: Hit) -> float:
    """Return what mem0 calls the score on ChromaDB: 1 / (1 + squared distance) of unit vectors."""
    return 1 / (3 - 2 * hit.cosine)


def _to_rows(memory_id: str, events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the rows of mem0's history, without events while the memory did not exist."""
    rows: list[dict[str, Any]] = []
    text: str | None = None
    for event in events:
        before, text = text, None if event.kind in (Kind.DELETE, Kind.FORGET) else event.memory
        if before is None and text is None:
            continue
        at = event.at.isoformat()
        rows.append(
            {
                "id": f"{memory_id}-{len(rows)}",
                "memory_id": memory_id,
                "old_memory": before,
                "new_memory": text,
                "event": "ADD" if before is None else "DELETE" if text is None else "UPDATE",
                "created_at": rows[0]["created_at"] if rows else at,
                "updated_at": at,
                "is_deleted": text is None,
                "actor_id": None,
                "role": None,
            }
        )
    return rows
