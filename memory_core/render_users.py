"""Users and what was found of one, as JSON and as text for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from .records import Found, UserSummary
from .render import counted, one_line, utc


def users_document(users: Iterable[UserSummary], as_of: datetime) -> dict[str, Any]:
    return {
        "complete": True,
        "as_of": as_of,
        "users": [_summary(one) for one in users],
    }


def users_text(users: Sequence[UserSummary], as_of: datetime) -> str:
    lines = [f"{one.memories:>8,}  {utc(one.last_write)}  {one_line(one.user_id)}" for one in users]
    total = sum(one.memories for one in users)
    sums = f"{counted(total, 'memory')} of {counted(len(users), 'user')}"
    return "\n".join([*lines, f"{sums}, complete, as of {utc(as_of)}"])


def found_document(found: Found) -> dict[str, Any]:
    return {
        "asked": found.asked,
        "user_id": found.user_id,
        "changes": list(found.changes),
        "problem": found.problem,
        "user": _summary(found.user) if found.user else None,
        "close": [{**_summary(one.user), "reasons": list(one.reasons)} for one in found.close],
        "placeholders": [_summary(one) for one in found.placeholders],
        "memories": [
            {"user_id": one.user_id, "id": one.id, "live": one.live} for one in found.memories
        ],
        "users": found.users,
        "complete": True,
    }


def found_text(found: Found) -> str:
    lines = [f"asked for   {visible(found.asked)}"]
    if found.user_id is None:
        lines.append(f"no id       {one_line(found.problem)}")
    else:
        lines.append(f"looked for  {visible(found.user_id)}")
        lines += [f"            {change}" for change in found.changes]
        lines.append(f"stored      {_count(found.user)}")
    for one in found.memories:
        state = "is one of" if one.live else "was deleted by"
        lines.append(f"memory      {one.id} {state} {visible(one.user_id)}")
    if found.close:
        lines += ["", "close to it:"]
        lines += [
            f"  {visible(one.user.user_id)}  {_count(one.user)}: {', '.join(one.reasons)}"
            for one in found.close
        ]
    if found.placeholders:
        lines += ["", "under an id that names nobody:"]
        lines += [f"  {visible(one.user_id)}  {_count(one)}" for one in found.placeholders]
    return "\n".join([*lines, "", f"looked through {counted(found.users, 'user')}, complete"])


def _summary(user: UserSummary) -> dict[str, Any]:
    return {
        "user_id": user.user_id,
        "memories": user.memories,
        "first_write": user.first_write,
        "last_write": user.last_write,
    }


def _count(user: UserSummary | None) -> str:
    if user is None:
        return "nothing, ever"
    return f"{counted(user.memories, 'memory')}, last write {utc(user.last_write)}"


def visible(text: str) -> str:
    """Show what cannot be seen, and what looks like ASCII and is not, by its code point."""
    return "".join(
        char
        if char.isascii() and char.isprintable()
        else f"<U+{ord(char):04X}>"
        if unicodedata.category(char)[0] in "CZ"
        else f"{char}<U+{ord(char):04X}>"
        for char in text[:300]
    )
