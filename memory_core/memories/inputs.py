"""What callers hand in, checked before anything is written: scopes, messages, chunks of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InvalidMemory
from ..model.limits import (
    MAX_METADATA_KEY_BYTES,
    check_metadata,
    check_payload,
    check_scope,
    check_text,
)
from ..model.records import Scope, Source
from ..model.user_id import normalize_user_id
from ..storage.vectors.base import PUT_BATCH

if TYPE_CHECKING:
    from ..documents import Chunk


def to_scope(user_id: str, agent_id: str | None, run_id: str | None) -> Scope:
    """Return whose memories are meant, in canonical form.

    Raises:
        InvalidUserId, InvalidMemory: an id cannot be one.
    """
    user = normalize_user_id(user_id)
    return Scope(user, check_scope(agent_id, "agent_id"), check_scope(run_id, "run_id"))


def to_sources(messages: object, metadata: Mapping[str, Any]) -> list[Source]:
    """Check messages, `[{"role": ..., "content": ...}]`, and return them as sources.

    Raises:
        InvalidMemory: something else, or a message that cannot be stored; says which.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise InvalidMemory('messages are not a list; pass [{"role": "user", "content": "..."}]')
    if not messages:
        raise InvalidMemory("there are no messages; pass at least one")
    return [_to_source(one, at, metadata) for at, one in enumerate(messages, 1)]


def by_scope(
    scope: Scope, document: str, chunks: Sequence[Chunk], metadata: Mapping[str, Any]
) -> list[tuple[Scope, list[Source]]]:
    """Check the chunks of a document and return them in groups that can be saved in one go.

    A chunk may name an agent and a run of its own, as exported memories do.

    Raises:
        InvalidMemory: a chunk cannot be stored; says which.
    """
    groups: list[tuple[Scope, list[Source]]] = []
    for chunk in chunks:
        try:
            part = Scope(
                scope.user_id,
                check_scope(chunk.agent_id, "agent_id") or scope.agent_id,
                check_scope(chunk.run_id, "run_id") or scope.run_id,
            )
            check_text(chunk.text)
            attached = {**metadata, **chunk.metadata, "document": document, "place": chunk.place}
            source = Source(chunk.text, chunk.role or "user", chunk.name, check_metadata(attached))
            check_payload(_filterable(part, source))
        except InvalidMemory as exc:
            raise InvalidMemory(f"{document}, {chunk.place}: {exc}") from exc
        if not groups or groups[-1][0] != part or len(groups[-1][1]) == PUT_BATCH:
            groups.append((part, []))
        groups[-1][1].append(source)
    return groups


def to_messages(sources: Iterable[Source]) -> list[dict[str, str]]:
    """Return the sources as mem0 takes them."""
    return [
        {"role": source.role, "content": source.text}
        | ({"name": source.name} if source.name else {})
        for source in sources
    ]


def _to_source(message: object, number: int, metadata: Mapping[str, Any]) -> Source:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise InvalidMemory(
            f'message {number} has no role; pass {{"role": "user", "content": "..."}}'
        )
    check_text(message["role"], f"the role of message {number}", MAX_METADATA_KEY_BYTES)
    text = check_text(message.get("content"), f"message {number}")
    name = message.get("name")
    if name is not None:
        check_metadata({"name": name})
    return Source(text, message["role"], name, metadata)


def _filterable(scope: Scope, source: Source) -> dict[str, Any]:
    """Return what an index will filter a source's memory by."""
    own = {
        "user_id": scope.user_id,
        "agent_id": scope.agent_id,
        "run_id": scope.run_id,
        "actor_id": source.name,
        "role": source.role,
    }
    return {**source.metadata, **{key: value for key, value in own.items() if value}}
