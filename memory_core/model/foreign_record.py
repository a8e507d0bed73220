"""Memories as other systems write them, converted to the form of our exports.

Supported are mem0 (`get_all` from 0.1 to 2.2, and its platform), OpenMemory's backup
(openmemory/api/app/routers/backup.py), Letta's agent files (letta/schemas/agent_file.py, and the
former one with `core_memory`), facts, nodes and episodes of Zep, and Supermemory
(/v3/documents/list, /v4/memories/list), in snake case and camel case, as of 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ..errors import InvalidMemory
from .limits import RESERVED_KEYS, check_metadata
from .moments import read_time

TEXTS = ("memory", "text", "data", "content", "fact", "page_content", "summary")
_USERS = ("user_id", "userid", "user", "user_email")
_TAGS = ("container_tag", "space_container_tag", "container_tags")
_SPELLINGS = {
    "id": "id memory_id uuid _id",
    "agent_id": "agent_id agent",
    "run_id": "run_id session_id thread_id conversation_id",
    "created_at": "created_at created created_on date_created inserted_at timestamp date",
    "updated_at": "updated_at updated updated_on date_updated modified_at last_modified edited_at",
    "expiration_date": "expiration_date expires_at forget_after",
    "metadata": "metadata metadata_ meta attributes",
}
_LISTS = tuple(
    "memoryEntries memories messages results facts edges nodes episodes passages documents items "
    "data points static dynamic".split()
)
_HOLDERS = tuple("data result response profile payload memory value".split())
"""Fields that wrap a whole record or page, as in answers of services and in Qdrant."""
_MADE_ANEW = tuple(
    "hash vector embedding revision exact_numbers text_lemmatized raw_user_id".split()
)

_INACTIVE = frozenset(
    "deleted trashed archived paused suspended inactive disabled expired obsolete forgotten "
    "removed superseded".split()
)
_WHERE_SET = re.compile(
    "(?:is_)?(deleted|trashed|removed|forgotten|archived|paused|disabled)(?:_at|_on)?|"
    "(?:expired|invalid)_at"
)
_WHERE_NOT_SET = {"latest": "superseded", "active": "inactive", "enabled": "disabled"}
_NO = ("", "0", "false", "no", "none", "null")
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_NULLS = ("NULL", "null", "None", "\\N", "NaN", "nan")
"""How tables spell an empty cell."""

_DECODER = json.JSONDecoder(parse_constant=lambda _: None)
_MARK = re.compile(r"\S")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class NotAMemory:
    """An entry of an export that is not a memory, and what it is instead."""

    kind: str


@dataclass(frozen=True, slots=True)
class ForeignRecord:
    """A converted record: `document` is in the form of our exports, `lost` names what does not fit.

    `state` says why its system no longer uses the memory, and is empty if it does.
    """

    document: dict[str, Any]
    state: str = ""
    lost: tuple[str, ...] = ()


def records(value: Any, owner: str | None = None, depth: int = 8) -> Iterator[Any]:
    """Yield the records in a JSON value: one record, a list or page of them, or a whole backup.

    A record that names no user gets that of its container.
    """
    if isinstance(value, list) and depth:
        for item in value:
            yield from records(item, owner, depth - 1)
        return
    if not isinstance(value, dict):
        yield {"memory": value, "user_id": owner} if owner and isinstance(value, str) else value
        return
    holder = next((key for key in _HOLDERS if isinstance(value.get(key), dict)), None)
    if holder and depth and _text_key(value) is None:
        rest = {key: item for key, item in value.items() if key != holder}
        yield from records({**rest, **value[holder]}, owner, depth - 1)
        return
    own = owner_of(value)
    lists = [_rows(value, key) for key in _LISTS if isinstance(value.get(key), list)]
    if isinstance(value.get("core_memory") or value.get("blocks"), list):
        yield from _of_agents(value)
    elif lists and depth and (_text_key(value) is None or "memoryEntries" in value):
        for entries in lists:
            yield from records(_of_backup(value, entries), own or owner, depth - 1)
        yield from [NotAMemory("relation of a graph")] * len(_rows(value, "relations"))
    else:
        yield {**value, "user_id": owner} if owner and own is None else value


def json_values(text: str) -> Iterator[Any]:
    """Yield the JSON values in a text, one after the other; NaN, which some write, becomes null.

    Raises:
        ValueError, RecursionError: it is not valid JSON, or nested too deeply.
    """
    at = 0
    while mark := _MARK.search(text, at):
        value, at = _DECODER.raw_decode(text, mark.start())
        yield value


@lru_cache(maxsize=200)
def spelling(name: object) -> str:
    """Return the name of a field in snake case: `createdAt` and `Created At` are `created_at`."""
    return re.sub(r"[\s-]+", "_", _CAMEL.sub("_", str(name).strip())).lower()


def owner_of(record: Any) -> str | None:
    """Return the user that a record names, None if it names nobody."""
    plain = _plain(record)
    return _owner(plain)[1] or _name(_plain(_take(plain, "metadata")).get("user_id"))


def state_of(record: Any) -> str:
    """Return why its system no longer uses a record (`deleted`), empty if it does."""
    plain = _plain(record)
    return _take_state(plain) or _deleted_in(_take(plain, "metadata"))


def names_users(text: str) -> bool:
    """Return whether a text file holds JSON or a table whose entries name users."""
    head = text.lstrip().partition("\n")[0]
    columns = {spelling(cell.strip('" ')) for cell in re.split(r"[,;|\t]", head)}
    is_table = not (columns.isdisjoint(TEXTS) or columns.isdisjoint(_USERS))
    is_json = head.startswith(("{", "["))
    try:
        entries = (entry for value in json_values(text) for entry in records(value))
        return is_table or (is_json and any(map(owner_of, entries)))
    except (ValueError, RecursionError):
        return False


def read_record(record: Any) -> ForeignRecord:
    """Convert a record to the form of our exports; a bare text is a memory.

    Unknown fields become metadata where they fit. Null and empty values are dropped.

    Raises:
        InvalidMemory: it names two users.
    """
    if not isinstance(record, dict):
        return ForeignRecord({"memory": record})
    plain = _plain(record)
    document: dict[str, Any] = {}
    lost: list[str] = []
    state = _take_state(plain)
    attached = _take(plain, "metadata")
    state = state or _deleted_in(attached)
    text = _text_key(plain)
    if "role" in plain and "content" in plain and text in (None, "content"):
        document["content"] = plain.pop("content")
    elif text:
        document["memory"] = plain.pop(text)
    field, owner = _owner(plain)
    if owner:
        document["user_id"] = owner
    if field in _USERS:
        del plain[field]
    for name in ("id", "agent_id", "run_id"):
        if (value := _take(plain, name)) is not None:
            document[name] = _name(value) or value
    _take_times(plain, document, lost)
    for name in RESERVED_KEYS.intersection(plain):
        value = plain.pop(name)
        if name not in (*_MADE_ANEW, "user_id") and isinstance(value, (str, int, float)):
            document[name] = str(value)
    for name in _MADE_ANEW:
        plain.pop(name, None)
    if any("kind" in event for event in _rows(plain, "history", dict)):
        document["history"] = plain.pop("history")
    names = {spelling(name): str(name) for name in record}
    extra = {names[key]: value for key, value in plain.items()} | (
        {"state": state} if state else {}
    )
    document["metadata"] = _fitting(_own(attached, document, lost), extra, lost)
    return ForeignRecord(document, state, tuple(lost))


def _of_agents(agent_file: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the memory blocks of a Letta agent file, which names no user.

    Ids (`block-0`) are unique only within the file, so they are dropped.
    """
    agents = _rows(agent_file, "agents", dict) or [agent_file]
    holders = {
        _name(block_id): agent.get("name")
        for agent in reversed(agents)
        for block_id in _rows(agent, "block_ids")
    }
    for block in _rows(agent_file, "blocks", dict) or _rows(agent_file, "core_memory", dict):
        holder = holders.get(_name(block.get("id")), agents[0].get("name"))
        known = {**block, "id": None, "agent_name": holder}
        yield known if block.get("value") else NotAMemory("empty block")
    for agent in agents:
        yield from [NotAMemory("message of a conversation")] * len(_rows(agent, "messages"))


def _of_backup(backup: Mapping[str, Any], entries: list[Any]) -> list[Any]:
    """Return the memories of an OpenMemory backup, with names in place of its internal ids."""
    account = backup.get("user")
    if not isinstance(account, dict):
        return entries
    named = [*_rows(backup, "apps", dict), *_rows(backup, "categories", dict)]
    names = {str(row.get("id")): row.get("name") for row in named}
    return [
        {
            "app": names.get(str(entry.get("app_id")), entry.get("app_id")),
            "categories": [names.get(str(key), key) for key in _rows(entry, "category_ids")],
            **{key: val for key, val in entry.items() if key not in ("app_id", "category_ids")},
            "user_id": None if (user := entry.get("user_id")) == account.get("id") else user,
        }
        if isinstance(entry, dict)
        else entry
        for entry in entries
    ]


def _rows(value: Mapping[str, Any], key: str, kind: type = object) -> list[Any]:
    rows = value.get(key)
    return [row for row in rows if isinstance(row, kind)] if isinstance(rows, list) else []


def _plain(record: Any) -> dict[str, Any]:
    """Return the fields of a record that are not empty, by spelling; none of anything else."""
    plain: dict[str, Any] = {}
    for name, value in record.items() if isinstance(record, dict) else ():
        is_null = value in _EMPTY or (value in _NULLS and spelling(name) not in TEXTS)
        if not is_null and str(name).strip():
            plain.setdefault(spelling(name), value)
    return plain


def _text_key(plain: Mapping[str, Any]) -> str | None:
    # A block of Letta has its text under "value".
    keys = (*TEXTS, "value") if "label" in plain else TEXTS
    return next((key for key in keys if isinstance(plain.get(key), str)), None)


def _take_state(plain: dict[str, Any]) -> str:
    """Return the state, and remove the fields that say it."""
    state = ""
    for key in ("state", "status", "event"):
        word = str(plain.get(key, "")).strip().lower().removeprefix("memorystate.")
        word = "deleted" if word == "delete" else word
        if word in (*_INACTIVE, "active"):
            del plain[key]
        state = state or (word if word in _INACTIVE else "")
    for key in list(plain):
        is_set, other = _WHERE_SET.fullmatch(key), _WHERE_NOT_SET.get(key.removeprefix("is_"))
        if not (is_set or other):
            continue
        value = plain.pop(key)
        with suppress(ValueError):
            if key.endswith(("_at", "_on")) and read_time(value) > datetime.now(UTC):
                continue
        if (str(value).strip().lower() in _NO) is not bool(is_set):
            state = state or other or (is_set and is_set[1]) or "superseded"
    return state


def _deleted_in(attached: Any) -> str:
    """Return "deleted" if the metadata says so; other states in it may be the owner's words."""
    return "deleted" if _take_state(_plain(attached)) == "deleted" else ""


def _owner(plain: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the field that names the user, and the name.

    A Supermemory tag names a user if it is the only tag and not a project.
    """
    for key in _USERS:
        value = plain.get(key)
        if isinstance(value, dict):
            value = value.get("user_id") or value.get("email") or value.get("id")
        # The speaker in a message of Slack; the account that holds a document of Supermemory.
        is_another = "ts" in plain if key == "user" else "chunk_count" in plain
        if (name := _name(value)) and not is_another:
            return key, name
    for key in _TAGS:
        tags = plain.get(key)
        tag = tags[0] if isinstance(tags, list) and len(tags) == 1 else tags
        if isinstance(tag, str) and tag.strip() and not tag.startswith("sm_project"):
            return key, tag
    return "", None


def _name(value: Any) -> str | None:
    """Return an id as text, None if it is not one; tables turn whole numbers into fractions."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def _take(plain: dict[str, Any], name: str) -> Any:
    for key in _SPELLINGS[name].split():
        # Under another key an agent may have a name for people; ids have no spaces.
        is_id = name not in ("agent_id", "run_id") or key == name or " " not in str(plain.get(key))
        if key in plain and is_id:
            return plain.pop(key)
    return None


def _take_times(plain: dict[str, Any], document: dict[str, Any], lost: list[str]) -> None:
    for name in ("created_at", "updated_at", "expiration_date"):
        if (value := _take(plain, name)) is None:
            continue
        try:
            moment = read_time(value).isoformat()
        except ValueError:
            if name == "created_at":
                # The memory is refused for it, not dated today.
                document[name] = value
            else:
                lost.append(name)
        else:
            document[name] = moment[:10] if name == "expiration_date" else moment


def _own(attached: Any, document: dict[str, Any], lost: list[str]) -> dict[str, Any]:
    """Return the metadata of a record; in tables it is JSON."""
    if isinstance(attached, str):
        with suppress(ValueError, RecursionError):
            attached = json.loads(attached)
    if not isinstance(attached, dict):
        lost += ["metadata"] if attached is not None else []
        return {}
    second = _name(_plain(attached).get("user_id"))
    first = document.setdefault("user_id", second) if second else None
    if second and first and second.strip().lower() != first.strip().lower():
        raise InvalidMemory(f"it names two users, {first!r} and {second!r}; correct it")
    return {key: value for key, value in attached.items() if spelling(key) != "user_id"}


def _fitting(own: Mapping[str, Any], extra: Mapping[str, Any], lost: list[str]) -> dict[str, Any]:
    """Return the metadata that can be stored, the record's own first; nested values as JSON."""
    kept: dict[str, Any] = {}
    pairs = [(f"metadata.{key}", key, value) for key, value in own.items()]
    for place, key, value in (*pairs, *((key, key, value) for key, value in extra.items())):
        parts = value if isinstance(value, list) else [value]
        is_nested = any(isinstance(part, (dict, list)) for part in parts)
        flat = json.dumps(value, ensure_ascii=False) if is_nested and place != key else value
        if flat in _EMPTY or kept.get(key) == flat:
            continue
        try:
            checked = check_metadata({**kept, key: flat})
            lost += [place] if key in kept else []
            kept = {**checked, **kept}
        except InvalidMemory:
            lost.append(place)
    return kept
