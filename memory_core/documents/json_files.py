"""JSON and JSON Lines: lists of texts, exported memories, chats."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ..errors import InvalidMemory
from ..model.foreign_record import NotAMemory, owner_of, records, state_of
from ..model.limits import (
    MAX_SCOPE_BYTES,
    MAX_UPLOAD_BYTES,
    check_metadata,
    check_scope,
    check_text,
)
from .chat_exports import read_export
from .chunk import Chunk, LeftOut
from .conversation import is_message, read_message, whole_or_cut
from .prose import decode

TEXT_KEYS = ("memory", "text", "data", "content", "fact")
IMPORT_IT = "import the file with `python -m memory_core import`"
_SHAPES = (
    'a list of texts, of objects with "memory", "text", "data" or "content", '
    'or of chat messages with "role" and "content"'
)


def read_json(name: str, content: bytes) -> Iterator[Chunk | LeftOut]:
    """Yield one chunk per entry; a place is the number of the memory, or of the chat message."""
    value = _parse(name, decode(name, content), "the file")
    if not isinstance(value, (list, dict)):
        _refuse(name, "the file")
    yield from _read(name, value)


def read_jsonl(name: str, content: bytes) -> Iterator[Chunk | LeftOut]:
    """Yield one chunk per line, or several for a line with a list of messages."""
    for number, line in enumerate(decode(name, content).split("\n"), 1):
        if line.strip():
            yield from _read(name, _parse(name, line, f"line {number}"), f"line {number}")


def _read(name: str, value: Any, place: str = "") -> Iterator[Chunk | LeftOut]:
    if exported := read_export(value):
        yield from exported
        return
    entries = (entry for entry in records(value) if not isinstance(entry, NotAMemory))
    for number, entry in enumerate(entries, 1):
        kind = "message" if is_message(entry) else "memory"
        yield from _chunks(name, entry, place or f"{kind} {number}")


def refuse_export(name: str) -> NoReturn:
    """Raise `InvalidMemory`: memories of several users need another command."""
    raise InvalidMemory(
        f'"{name}" is an export of memories; {IMPORT_IT}, which keeps every memory with its '
        "user, id and times"
    )


def _parse(name: str, text: str, place: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except RecursionError as exc:
        raise InvalidMemory(f'"{name}" is nested too deeply ({place}); upload {_SHAPES}') from exc
    except ValueError as exc:
        where = f"{place}: {exc}"
        if isinstance(exc, json.JSONDecodeError):
            line = f"line {exc.lineno}" if place == "the file" else place
            where = f"{line}, column {exc.colno}: {exc.msg}"
        raise InvalidMemory(
            f'"{name}" is not valid JSON ({where}); correct it and upload it again'
        ) from exc


def _chunks(name: str, entry: Any, place: str) -> Iterator[Chunk | LeftOut]:
    message = read_message(entry) if is_message(entry) else None
    text = text_of(entry) if message is None else message.text
    if text is None:
        _refuse(name, place)
    if message and message.unsaid:
        yield from [LeftOut(message.unsaid)] if text.strip() else []
        return
    if message and message.media:
        yield LeftOut("media file", message.media)
    if not text.strip():
        return
    if state := state_of(entry):
        raise InvalidMemory(
            f'"{name}", {place} is {state} in the system that wrote it; {IMPORT_IT}, which leaves '
            "such memories out"
        )
    try:
        check_text(text, "the text", MAX_UPLOAD_BYTES)
        labels = _labels(entry) if isinstance(entry, dict) else {}
    except InvalidMemory as exc:
        way_out = f"; or {IMPORT_IT}" if owner_of(entry) else ""
        raise InvalidMemory(f'"{name}", {place}: {exc}{way_out}') from exc
    if message and message.time:
        labels["metadata"] = {"time": message.time, **labels["metadata"]}
    yield from (Chunk(part, place, **labels) for part in whole_or_cut(text))


def text_of(entry: Any) -> str | None:
    """Return the text of an entry, "" if nobody said it, None if its shape is unknown."""
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict):
        return None
    if is_message(entry):
        message = read_message(entry)
        if message is None:
            return None
        return "" if message.unsaid else message.text
    return next((entry[key] for key in TEXT_KEYS if isinstance(entry.get(key), str)), None)


def _labels(entry: Mapping[str, Any]) -> dict[str, Any]:
    labels = {key: check_scope(entry.get(key), key) for key in ("agent_id", "run_id")}
    labels["user_id"] = owner_of(entry)
    for key in ("role", "name") if is_message(entry) else ():
        value = entry.get(key)
        labels[key] = None if value in (None, "") else check_text(value, key, MAX_SCOPE_BYTES)
    metadata = entry.get("metadata")
    if isinstance(metadata, dict):
        metadata = {key: value for key, value in metadata.items() if value is not None}
    return {**labels, "metadata": check_metadata(metadata)}


def _refuse(name: str, place: str) -> NoReturn:
    raise InvalidMemory(
        f'"{name}" is valid JSON, but {place} has a shape that is not supported; use {_SHAPES}'
    )
