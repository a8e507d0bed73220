"""Requests of callers, checked and composed into memories that are not recorded yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..embedders import Embedder
from ..errors import InvalidMemory, InvalidUserId
from ..model.counting import Progress
from ..model.limits import (
    MAX_METADATA_KEY_BYTES,
    check_metadata,
    check_payload,
    check_scope,
    check_text,
)
from ..model.payload import with_expiry
from ..model.records import Scope, Source
from ..model.user_id import normalize_user_id
from ..settings import Settings
from ..storage.vectors import Vector
from ..storage.vectors.base import PUT_BATCH
from .reader import to_record
from .search import Searcher

if TYPE_CHECKING:
    from ..documents import Chunk, LeftOut
    from .mem0_adapter import Engine


class Composer:
    """Turns requests into vectors; writes nothing."""

    def __init__(self, settings: Settings, embedder: Embedder, searcher: Searcher) -> None:
        self._settings = settings
        self._embedder = embedder
        self._searcher = searcher

    def from_messages(
        self,
        scope: Scope,
        messages: object,
        metadata: Mapping[str, Any] | None,
        expires: date | str | None = None,
        *,
        infer: bool,
    ) -> tuple[list[Vector], tuple[str, ...]]:
        """Return one memory per message, or with `infer` those that a language model extracts.

        Also returns what was left out: system messages, tool results, images and files.

        Raises:
            InvalidMemory: a message, the metadata or the expiry cannot be stored; says which.
            SettingsError: `infer` without a language model.
        """
        attached = check_metadata(metadata)
        with_expiry({}, expires)
        sources, left_out = _to_sources(messages, attached)
        if not infer:
            return _expiring(self._engine.compose(scope, sources), expires), left_out
        # mem0 accepts no other keys in a message.
        plain = [
            {"role": source.role, "content": source.text}
            | ({"name": source.name} if source.name else {})
            for source in sources
        ]
        neighbours = partial(self._searcher.neighbours, scope.user_id)
        extracted = self._engine.extract(scope, plain, attached, neighbours)
        return _expiring(extracted, expires), left_out

    def from_document(
        self,
        scope: Scope,
        name: str,
        content: bytes,
        metadata: Mapping[str, Any] | None,
        *,
        isolate: bool,
        on_progress: Progress | None,
    ) -> tuple[int, tuple[str, ...], Iterator[tuple[Scope, list[Vector]]]]:
        """Return the number of memories in a file, what is left out, and the memories in groups.

        Those of a group are saved together.

        Raises:
            InvalidMemory: the file cannot be read, or a part of it cannot be stored; says which.
        """
        from ..documents import clean_name, read_document

        attached = check_metadata(metadata)
        document = read_document(name, content, isolate=isolate, on_progress=on_progress)
        groups = _by_scope(scope, clean_name(name), document.chunks, attached)
        composed = ((part, self._engine.compose(part, sources)) for part, sources in groups)
        return len(document.chunks), document.left_out, composed

    def revise(
        self,
        stored: Vector,
        text: str | None,
        metadata: Mapping[str, Any] | None,
        expires: date | str | None,
    ) -> Vector:
        """Return a memory with another text or expiry, and with `metadata` merged into its own.

        Raises:
            InvalidMemory: there is nothing to change, or the change cannot be stored.
        """
        if text is None and not metadata and expires is None:
            raise InvalidMemory("nothing to change; pass a text, metadata or an expiry date")
        text = stored.payload["data"] if text is None else check_text(text)
        revised = self._engine.revise(stored, text, check_metadata(metadata))
        check_metadata(to_record(revised).metadata)
        return _expiring([revised], expires)[0]

    @cached_property
    def _engine(self) -> Engine:
        # Not at the top: mem0 takes longer to load than all the rest.
        from .mem0_adapter import Engine

        return Engine(self._settings, self._embedder)


def to_scope(user_id: str, agent_id: str | None, run_id: str | None) -> Scope:
    """Return the user, agent and run of a request, in canonical form.

    Raises:
        InvalidUserId, InvalidMemory: one of the ids is not valid.
    """
    user = normalize_user_id(user_id)
    return Scope(user, check_scope(agent_id, "agent_id"), check_scope(run_id, "run_id"))


def _expiring(vectors: Sequence[Vector], expires: date | str | None) -> list[Vector]:
    return [replace(vector, payload=with_expiry(vector.payload, expires)) for vector in vectors]


def _to_sources(
    messages: object, metadata: Mapping[str, Any]
) -> tuple[list[Source], tuple[str, ...]]:
    """Check messages, `[{"role": ..., "content": ...}]`; return sources, and what is left out."""
    from ..documents import LeftOut, add_up

    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise InvalidMemory('messages are not a list; pass [{"role": "user", "content": "..."}]')
    if not messages:
        raise InvalidMemory("there are no messages; pass at least one")
    pieces = [
        piece
        for at, message in enumerate(messages, 1)
        for piece in _read_message(message, at, metadata)
    ]
    sources = [piece for piece in pieces if isinstance(piece, Source)]
    if not sources:
        raise InvalidMemory("no message has any text; pass at least one with text in its content")
    return sources, add_up(piece for piece in pieces if isinstance(piece, LeftOut))


def _by_scope(
    scope: Scope, document: str, chunks: Sequence[Chunk], metadata: Mapping[str, Any]
) -> list[tuple[Scope, list[Source]]]:
    """Check the chunks of a document and return them in groups that are saved together.

    A chunk may name an agent and a run of its own, as exported memories do.
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
            _check_owner(chunk, scope)
            attached = {**metadata, **chunk.metadata, "document": document, "place": chunk.place}
            source = Source(chunk.text, chunk.role or "user", chunk.name, check_metadata(attached))
            check_payload(_filterable(part, source))
        except (InvalidMemory, InvalidUserId) as exc:
            raise InvalidMemory(f"{document}, {chunk.place}: {exc}") from exc
        if not groups or groups[-1][0] != part or len(groups[-1][1]) == PUT_BATCH:
            groups.append((part, []))
        groups[-1][1].append(source)
    return groups


def _check_owner(chunk: Chunk, scope: Scope) -> None:
    """Refuse an entry of a document that names another user as its owner."""
    from ..documents.json_files import IMPORT_IT

    if chunk.user_id and normalize_user_id(chunk.user_id) != scope.user_id:
        raise InvalidMemory(
            f"it is a memory of {chunk.user_id[:80]!r}, not of {scope.user_id!r}; {IMPORT_IT}, "
            "which keeps every memory with its user"
        )


def _read_message(
    message: object, number: int, metadata: Mapping[str, Any]
) -> Iterator[Source | LeftOut]:
    """Yield the source of a message, if it has text, and what is left out of it."""
    from ..documents import LeftOut, read_message

    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise InvalidMemory(
            f'message {number} has no role; pass {{"role": "user", "content": "..."}}'
        )
    check_text(message["role"], f"the role of message {number}", MAX_METADATA_KEY_BYTES)
    read = read_message(message)
    if read is None:
        raise InvalidMemory(
            f"the content of message {number} is neither text nor a list of parts with text; "
            'pass {"role": "user", "content": "..."}'
        )
    if read.media and not read.unsaid:
        yield LeftOut("media file", read.media)
    if not read.text.strip():
        return
    if read.unsaid:
        yield LeftOut(read.unsaid)
        return
    name = message.get("name")
    if name is not None:
        check_metadata({"name": name})
    yield Source(check_text(read.text, f"message {number}"), read.role, name, metadata)


def _filterable(scope: Scope, source: Source) -> dict[str, Any]:
    """Return the keys by which an index will filter the memory of a source."""
    own = {
        "user_id": scope.user_id,
        "agent_id": scope.agent_id,
        "run_id": scope.run_id,
        "actor_id": source.name,
        "role": source.role,
    }
    return {**source.metadata, **{key: value for key, value in own.items() if value}}
