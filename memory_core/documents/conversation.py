"""Messages of a conversation in any format: their text, speaker and time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from ..errors import InvalidMemory
from ..model.limits import MAX_MEMORY_BYTES
from ..model.moments import from_epoch
from .chunk import Chunk, LeftOut
from .prose import cut

UNSAID_ROLES = {
    "system": "system message",
    "developer": "system message",
    "tool": "tool result",
    "function": "tool result",
}
"""Roles of messages that neither a person nor an assistant said."""

_OTHER_CONTENT = ("tool_calls", "function_call", "parts")
_TIME_KEYS = ("created_at", "createdAt", "create_time", "timestamp")
_MEDIA = re.compile(r"image|audio|video|file|document|media", re.I)
_TYPED = re.compile(r"\s*(user|assistant|system)\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
_MAX_ROLE_BYTES = 60
_MAX_SPEAKER_BYTES = 100
_MAX_TITLE_BYTES = 200


class Utterance(NamedTuple):
    """One message. `unsaid` is what it is if nobody said it; `media` counts files sent with it."""

    text: str
    speaker: str | None = None
    time: str | None = None
    role: str = "user"
    media: int = 0
    unsaid: str = ""


def is_message(entry: Any) -> bool:
    """Return whether it is a message of a chat API, with a role and content or a tool call."""
    return (
        isinstance(entry, Mapping)
        and isinstance(entry.get("role"), str)
        and ("content" in entry or any(key in entry for key in _OTHER_CONTENT))
    )


def read_message(message: Mapping[str, Any]) -> Utterance | None:
    """Read a message of a chat API, `{"role": ..., "content": ...}`.

    Content is text, null or absent (in a tool call), or a list of parts, whose texts are joined by
    line ends. None if the content has another shape.
    """
    content = message.get("content")
    content = message.get("parts") if content is None else content
    text = text_of_content(content)
    if text is None:
        return None
    role = message["role"]
    name = message.get("name")
    times = (moment(message[key]) for key in _TIME_KEYS if key in message)
    return Utterance(
        text,
        name if isinstance(name, str) and name else None,
        next((time for time in times if time), None),
        role,
        media_in(content),
        UNSAID_ROLES.get(role.lower(), ""),
    )


def text_of_content(content: object) -> str | None:
    """Return the text of a message's content, "" if it has none, None for an unknown shape.

    Parts are texts or objects with a text, as OpenAI, Anthropic, Gemini and LangChain write them;
    images, tool calls and results, and a model's reasoning have none.
    """
    if content is None or isinstance(content, str):
        return content or ""
    texts: list[str] = []
    for part in _parts(content):
        if isinstance(part, str):
            texts.append(part)
        elif not isinstance(part, Mapping):
            return None
        elif str(part.get("type", "text")).endswith("text"):
            text = part.get("text")
            text = text.get("value") if isinstance(text, Mapping) else text
            texts += [text] if isinstance(text, str) else []
    if not isinstance(content, (list, tuple, Mapping)):
        return None
    return "\n".join(text for text in texts if text.strip())


def media_in(content: object) -> int:
    """Count the images, sounds and files among the parts of a message."""
    kinds = (
        str(part.get("type") or part.get("content_type") or "")
        for part in _parts(content)
        if isinstance(part, Mapping) and not isinstance(part.get("text"), str)
    )
    return sum(_MEDIA.search(kind) is not None for kind in kinds)


def _parts(content: object) -> list[Any]:
    if isinstance(content, Mapping):
        parts = content.get("parts")
        return parts if isinstance(parts, list) else [content]
    return list(content) if isinstance(content, (list, tuple)) else []


def say(utterance: Utterance, place: str, title: object = None) -> Iterator[Chunk | LeftOut]:
    """Yield a message as chunks, one unless it is too long for a store, and what is left out.

    The metadata of a chunk has its `speaker`, its `time` and the title of its `conversation`.
    """
    text = _whole(utterance.text)
    if utterance.unsaid:
        if text.strip() or utterance.speaker:
            yield LeftOut(utterance.unsaid)
        return
    if utterance.media:
        yield LeftOut("media file", utterance.media)
    role = _short(utterance.role, _MAX_ROLE_BYTES) or "user"
    speaker = _short(utterance.speaker, _MAX_SPEAKER_BYTES)
    labels = {
        "speaker": speaker or role,
        "time": _short(utterance.time, _MAX_SPEAKER_BYTES),
        "conversation": _short(title, _MAX_TITLE_BYTES),
    }
    metadata = {key: value for key, value in labels.items() if value}
    for part in whole_or_cut(text):
        yield Chunk(part, place, role, speaker, metadata=metadata)


def whole_or_cut(text: str) -> list[str]:
    """Return a text whole, or cut as prose if it is too long for a store."""
    if len(text.encode(errors="replace")) <= MAX_MEMORY_BYTES:
        return [text] if text.strip() else []
    return [piece.text for piece in cut(text)]


def moment(value: Any) -> str | None:
    """Return a time as ISO 8601, None if it is not a time.

    Numbers, of seconds since 1970 or smaller units, become UTC. A text keeps its zone, if any.
    """
    with suppress(ValueError, TypeError, OverflowError, OSError):
        return from_epoch(float(value)).isoformat(timespec="seconds")
    with suppress(ValueError):
        return datetime.fromisoformat(str(value)).isoformat(timespec="seconds")
    return None


def parse_chat(chat: str) -> list[dict[str, Any]]:
    """Return the messages of a typed conversation, or of one pasted as JSON.

    Typed lines begin with a role; other lines continue a message.

    Raises:
        InvalidMemory: there is no message, or the first line has no role.
    """
    if chat.lstrip().startswith(("[", "{")):
        return _parse_pasted(chat)
    messages: list[tuple[str, list[str]]] = []
    for line in chat.splitlines():
        if match := _TYPED.fullmatch(line):
            messages.append((match[1].lower(), [match[2]]))
        elif messages:
            messages[-1][1].append(line)
        elif line.strip():
            raise InvalidMemory(
                "the first line of the conversation does not say who speaks; "
                "begin it with user: or assistant:"
            )
    spoken = [{"role": role, "content": "\n".join(lines).strip()} for role, lines in messages]
    spoken = [message for message in spoken if message["content"]]
    if not spoken:
        raise InvalidMemory(
            "the conversation is empty; write at least one line such as user: hello"
        )
    return spoken


def is_typed_chat(text: str) -> bool:
    """Return whether a text begins with a role, and both sides speak in it."""
    if not _TYPED.match(text.lstrip().partition("\n")[0]):
        return False
    matches = map(_TYPED.fullmatch, text.splitlines())
    return {"user", "assistant"} <= {match[1].lower() for match in matches if match}


def _parse_pasted(chat: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(chat)
    except (ValueError, RecursionError):
        value = None
    messages = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(messages, list) or not all(map(is_message, messages)):
        raise InvalidMemory(
            'the conversation is not a JSON list of messages with "role" and "content"; correct '
            "it, or begin each line with user: or assistant:"
        )
    return messages


def _whole(text: str) -> str:
    # JSON can hold lone surrogates, which no store accepts.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _short(value: object, limit: int) -> str | None:
    """Return a label as one line of at most `limit` bytes, None if there is none."""
    if not isinstance(value, str):
        return None
    # Shortened first, since every message of a conversation repeats its title.
    label = " ".join(_whole(value[: 10 * limit]).split())
    return label.encode()[:limit].decode(errors="ignore").strip() or None
