"""Zip archives: the limits of unpacking, and chat exports in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from ..errors import InvalidMemory
from ..model.counting import counted
from ..model.foreign_record import names_users
from .chat_exports import read_export
from .chunk import LIBRARY_ERRORS, Chunk, LeftOut
from .json_files import refuse_export
from .prose import decode
from .whatsapp import is_whatsapp, read_whatsapp

MAX_UNZIPPED_BYTES = 100 * 1024 * 1024
_MAX_PARTS = 10_000
_MAX_PATH = 80
_STEP_BYTES = 64 * 1024
_TEXT_SUFFIXES = (".json", ".txt")
_SLACK_USERS = "users.json"
_AMONG = {"channels.json", "groups.json", "dms.json", "mpims.json", _SLACK_USERS}
"""Files without messages in exports of Slack."""


def read_archive(name: str, content: bytes) -> Iterator[Chunk | LeftOut]:
    """Yield the messages of the chat exports in a zip; a place begins with the file they are in.

    Raises:
        InvalidMemory: it is damaged, too large, or holds no conversation.
    """
    try:
        parts = _read_texts(name, content)
    except InvalidMemory:
        raise
    except LIBRARY_ERRORS as exc:
        raise InvalidMemory(
            f'"{name}" cannot be read as a zip archive, it may be damaged or have a password; '
            "unpack it and upload the files"
        ) from exc
    users = _slack_users(_parse(parts.get(_SLACK_USERS)))
    is_chat = False
    for filename, text in parts.items():
        messages = None
        if filename.lower().endswith(".json"):
            messages = read_export(_parse(text), users)
        elif text and is_whatsapp(text):
            messages = read_whatsapp(text)
        is_chat = is_chat or messages is not None
        if messages is None and filename not in _AMONG:
            yield LeftOut("file without a conversation")
        for piece in messages or ():
            yield (
                replace(piece, place=f"{filename[-_MAX_PATH:]}, {piece.place}")
                if isinstance(piece, Chunk)
                else piece
            )
    if not is_chat and any(names_users(text) for text in parts.values() if text):
        refuse_export(name)
    if not is_chat:
        raise InvalidMemory(
            f'"{name}" holds no conversation of ChatGPT, Claude, Telegram, WhatsApp, Slack or '
            "Google Chat; unpack it and upload the documents one by one"
        )


def check_parts(name: str, infos: list[ZipInfo]) -> None:
    """Raise `InvalidMemory` for a zip that unpacks to too much, before it is unpacked."""
    size = sum(info.file_size for info in infos)
    if size > MAX_UNZIPPED_BYTES or len(infos) > _MAX_PARTS:
        raise InvalidMemory(
            f'"{name}" unpacks to {size:,} bytes in {counted(len(infos), "part")}; the limits are '
            f"{MAX_UNZIPPED_BYTES:,} and {_MAX_PARTS:,}; split it and upload the parts"
        )
    # zipfile unpacks other methods without a bound; Word uses none of them.
    if strange := [i.filename for i in infos if i.compress_type not in (ZIP_STORED, ZIP_DEFLATED)]:
        raise InvalidMemory(
            f'"{name}" has {strange[0][-_MAX_PATH:]!r} in a compression format that is not '
            "supported; pack or save it again, and upload that"
        )


def read_part(source: ZipFile, info: ZipInfo) -> bytes:
    """Unpack a part, up to the length in the zip directory."""
    with source.open(info) as part:
        return b"".join(iter(lambda: part.read(_STEP_BYTES), b""))


def _read_texts(name: str, content: bytes) -> dict[str, str | None]:
    """Return the texts of an archive's files in order, None for files of other kinds."""
    texts: dict[str, str | None] = {}
    with ZipFile(BytesIO(content)) as source:
        infos = [info for info in source.infolist() if not info.is_dir()]
        check_parts(name, infos)
        for info in sorted(infos, key=lambda info: info.filename):
            is_text = info.filename.lower().endswith(_TEXT_SUFFIXES)
            blob = read_part(source, info) if is_text else b""
            texts[info.filename] = decode(info.filename, blob) if blob else None
    return texts


def _parse(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _slack_users(value: Any) -> dict[str, str]:
    """Map ids of Slack to names, from the users.json of an export."""
    names = {}
    for user in value if isinstance(value, list) else ():
        if isinstance(user, dict) and isinstance(user.get("profile"), dict):
            profile = user["profile"]
            name = profile.get("real_name") or profile.get("display_name") or user.get("name")
            names[str(user.get("id"))] = str(name)
    return names
