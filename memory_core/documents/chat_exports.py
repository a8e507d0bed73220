"""Conversations exported as JSON: ChatGPT, Claude, Telegram, Slack, Google Chat.

The shapes are those of the services' exports from 2019 to 2026. Two are documented:
https://slack.com/help/articles/220556107 and https://core.telegram.org/import-export.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from .chunk import Chunk, LeftOut
from .conversation import UNSAID_ROLES, Utterance, media_in, moment, say, text_of_content

_Message = Mapping[str, Any]
_SERVICE = "service message"
_REPLACED = LeftOut("message of a replaced version")

# Citation marks between private-use characters, which ChatGPT's page replaces.
_CITATION = re.compile("\ue200[^\ue200\ue201]*\ue201")
_SLACK_SAID = (None, "", "bot_message", "me_message", "thread_broadcast", "file_share")
_SLACK_MARK = re.compile(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>")


class _Chat(NamedTuple):
    """A conversation of an export, and the reader of its messages."""

    title: object
    messages: Sequence[_Message]
    read: Callable[[_Message], Utterance]
    replaced: int = 0


def read_export(
    value: object, users: Mapping[str, str] | None = None
) -> Iterator[Chunk | LeftOut] | None:
    """Return the messages of an export in their order, None if the value is no chat export.

    `users` maps ids of Slack to names. Of messages that were edited or answered again, only the
    last version is read; the others are counted.
    """
    entries = _objects(value) if isinstance(value, list) else [value]
    whole = _chats_of({"messages": value}, users or {}) if isinstance(value, list) else []
    groups = [whole] if whole else [_chats_of(entry, users or {}) for entry in entries]
    chats = [chat for group in groups for chat in group]
    return _say_all(chats, groups.count([])) if chats else None


def _say_all(chats: Sequence[_Chat], unknown: int) -> Iterator[Chunk | LeftOut]:
    yield from [LeftOut("entry of another kind")] * unknown
    for number, chat in enumerate(chats, 1):
        where = f"conversation {number}, " if len(chats) > 1 else ""
        yield from [_REPLACED] * chat.replaced
        for count, message in enumerate(chat.messages, 1):
            yield from say(chat.read(message), f"{where}message {count}", chat.title)


def _chats_of(value: object, users: Mapping[str, str]) -> list[_Chat]:
    """Recognize an export by the keys of its conversations or messages."""
    if not isinstance(value, dict):
        return []
    if isinstance(mapping := value.get("mapping"), dict):
        nodes = {key: node for key, node in mapping.items() if isinstance(node, dict)}
        return [_branch(value.get("title"), nodes, value.get("current_node"), _read_chatgpt)]
    if isinstance(value.get("chat_messages"), list):
        messages = _objects(value["chat_messages"])
        if not _have(messages[1:], "parent_message_uuid"):
            return [_Chat(value.get("name"), messages, _read_claude)]
        nodes = {
            str(message.get("uuid")): {"message": message, "parent": message["parent_message_uuid"]}
            for message in messages
            if "parent_message_uuid" in message
        }
        leaf = value.get("current_leaf_message_uuid")
        return [_branch(value.get("name"), nodes, leaf, _read_claude)]
    inner = _objects(value.get("conversations"))
    inner += [
        chat for key in ("chats", "left_chats") for chat in _objects(_get(value, key, "list"))
    ]
    if inner:
        return [chat for entry in inner for chat in _chats_of(entry, users)]
    messages = _objects(value.get("messages"))
    if _have(messages, "ts", "type"):
        return [_Chat(value.get("name"), messages, partial(_read_slack, users))]
    if _have(messages, "type", "date"):
        return [_Chat(value.get("name"), messages, _read_telegram)]
    if _have(messages, "creator", "created_date"):
        return [_Chat(None, messages, _read_google)]
    return []


def _branch(
    title: object, nodes: Mapping[Any, _Message], leaf: object, read: Callable[..., Utterance]
) -> _Chat:
    """Follow a tree of messages up from its leaf; replaced answers are other branches."""
    path: dict[object, _Message] = {}
    if not isinstance(leaf, str) or leaf not in nodes:
        leaf = next(reversed(nodes), None)
    while isinstance(leaf, str) and leaf in nodes and leaf not in path:
        path[leaf] = nodes[leaf]
        leaf = nodes[leaf].get("parent")
    replaced: list[_Message] = []
    apart: list[_Message] = []
    known: dict[object, object] = {key: key for key in path}
    for key, node in nodes.items():
        if key not in path:
            origin = _origin(key, nodes, known)
            (replaced if origin in path or origin == leaf else apart).append(node)
    others = _objects([node.get("message") for node in replaced])
    spoken = _objects([node.get("message") for node in (*apart, *reversed(path.values()))])
    return _Chat(title, spoken, read, sum(bool(read(other).text.strip()) for other in others))


def _origin(start: str, nodes: Mapping[Any, _Message], known: dict[object, object]) -> object:
    """Return the node where a branch leaves the path, or the parent that is not in the export.

    `known` maps nodes to that origin, and those of the path to themselves; it is extended.
    """
    seen: dict[object, None] = {}
    key: object = start
    while isinstance(key, str) and key in nodes and key not in known and key not in seen:
        seen[key] = None
        key = nodes[key].get("parent")
    origin = known.get(key, key) if isinstance(key, str) else None
    known.update(dict.fromkeys(seen, origin))
    return origin


def _read_chatgpt(message: _Message) -> Utterance:
    role = str(_get(message, "author", "role") or "user")
    content, recipient = message.get("content"), message.get("recipient")
    unsaid = UNSAID_ROLES.get(role, "")
    if _get(message, "metadata", "is_visually_hidden_from_conversation"):
        unsaid = unsaid or "hidden message"
    if recipient not in (None, "all"):
        unsaid = unsaid or "call of a tool"
    text = _CITATION.sub("", text_of_content(content) or "")
    return Utterance(
        text, None, moment(message.get("create_time")), role, media_in(content), unsaid
    )


def _read_claude(message: _Message) -> Utterance:
    text = text_of_content(message.get("content")) or _text(message.get("text"))
    media = sum(len(_objects(message.get(key))) for key in ("attachments", "files"))
    role = "assistant" if message.get("sender") == "assistant" else "user"
    return Utterance(text, None, moment(message.get("created_at")), role, media)


def _read_telegram(message: _Message) -> Utterance:
    text = message.get("text")
    parts = text if isinstance(text, list) else [text]
    text = "".join(_text(part.get("text") if isinstance(part, dict) else part) for part in parts)
    speaker = message.get("from") or message.get("actor") or message.get("from_id")
    return Utterance(
        text,
        _text(speaker),
        moment(message.get("date_unixtime")) or moment(message.get("date")),
        # Contacts, places and invoices have no text either.
        media=int("photo" in message or "file" in message or not text.strip()),
        unsaid="" if message.get("type") == "message" else _SERVICE,
    )


def _read_slack(users: Mapping[str, str], message: _Message) -> Utterance:
    said = message.get("subtype") in _SLACK_SAID and message.get("type") == "message"
    text = _text(message.get("text"))
    if not text.strip():
        attached = _objects(message.get("attachments"))
        texts = [_text(item.get("text") or item.get("fallback")) for item in attached]
        text = "\n".join(texts) or " ".join(_texts_in(message.get("blocks")))
    user = _text(message.get("user"))
    speaker = (
        users.get(user)
        or _get(message, "user_profile", "real_name")
        or _get(message, "user_profile", "display_name")
        or message.get("username")
        or _get(message, "bot_profile", "name")
        or user
        or "bot"
    )
    return Utterance(
        _slack_text(text, users),
        _text(speaker) or None,
        moment(message.get("ts")),
        media=len(_objects(message.get("files"))),
        unsaid="" if said else _SERVICE,
    )


def _texts_in(blocks: object) -> Iterator[str]:
    """Yield the texts in the blocks of a message of a program, which may have no other."""
    for block in _objects(blocks):
        text = block.get("text") or block.get("url")
        inner = [text, *_objects(block.get("elements")), *_objects(block.get("fields"))]
        yield from [text] if isinstance(text, str) else _texts_in(inner)


def _slack_text(text: str, users: Mapping[str, str]) -> str:
    """Undo Slack's marks: `<@U1>`, `<https://a.example|label>`, `&amp;`, `&lt;` and `&gt;`."""

    def plain(match: re.Match[str]) -> str:
        sign, target, label = match.groups()
        if sign:
            name = label or users.get(target) or target
            return f"{'#' if sign == '#' else '@'}{name.lstrip('@#')}"
        return f"{label} ({target})" if label and label not in target else label or target

    unmarked = _SLACK_MARK.sub(plain, text)
    return unmarked.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _read_google(message: _Message) -> Utterance:
    time = _text(message.get("created_date"))
    with suppress(ValueError):
        # "Tuesday, August 9, 2022 at 1:25:03 PM UTC", at times with a narrow space.
        written = " ".join(time.removesuffix("UTC").split())
        parsed = datetime.strptime(written, "%A, %B %d, %Y at %I:%M:%S %p")
        time = parsed.replace(tzinfo=UTC).isoformat()
    creator = _get(message, "creator", "name") or _get(message, "creator", "email")
    media = len(_objects(message.get("attached_files")))
    return Utterance(_text(message.get("text")), _text(creator), time or None, media=media)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _get(value: object, key: str, inner: str) -> Any:
    """Return `value[key][inner]`, None if it is missing."""
    middle = value.get(key) if isinstance(value, Mapping) else None
    return middle.get(inner) if isinstance(middle, Mapping) else None


def _have(messages: Sequence[_Message], *keys: str) -> bool:
    """Return whether there are messages, and the first ones have these keys."""
    return bool(messages) and all(key in message for message in messages[:5] for key in keys)
