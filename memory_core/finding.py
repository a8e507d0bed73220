"""Whose memories are meant: an id in any form, a name or a memory's id, and who is close to it.

Whether two ids are one person is for a human to decide; here it is said how they differ.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from rapidfuzz.distance import OSA

from .errors import InvalidUserId
from .identity import UserId, describe_changes, is_probe, normalize_user_id
from .ledger import Ledger, UserView
from .records import CloseUser, Found, FoundMemory, UserSummary

_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_SHORT = 8
_NAME_FROM = 3
_PLACEHOLDERS = frozenset(
    "admin anonymous default demo example foo guest me n/a na nil none null root system test "
    "undefined unknown user user_id userid".split()
)


def find(ledger: Ledger, text: str) -> Found:
    """Return what is known of an id, a name or a memory's id, as typed; reads only."""
    try:
        user_id: UserId | None = normalize_user_id(text)
        changes, problem = describe_changes(text), ""
    except InvalidUserId as exc:
        user_id, changes, problem = None, (), str(exc)
    wanted = text.strip()
    words = [_plain(word) for word in text.split()]
    views = [view for view in ledger.users() if not is_probe(view.user_id)]
    close = sorted(
        (
            CloseUser(_summary(view), reasons)
            for view in views
            if user_id and view.user_id != user_id
            if (reasons := tuple(_reasons(user_id, view.user_id, words)))
        ),
        key=lambda one: (-one.user.memories, one.user.user_id),
    )
    return Found(
        asked=text,
        user_id=user_id,
        changes=changes,
        problem=problem,
        user=next((_summary(view) for view in views if view.user_id == user_id), None),
        close=tuple(close),
        placeholders=tuple(_summary(view) for view in views if is_placeholder(view.user_id)),
        memories=tuple(_holders(views, wanted)) if _is_memory_id(wanted) else (),
        users=len(views),
    )


def is_placeholder(user_id: str) -> bool:
    """Say whether an id is what programs write when they know nobody."""
    return user_id.partition("@")[0] in _PLACEHOLDERS or user_id in _PLACEHOLDERS


def look_alikes(user_ids: Iterable[str]) -> list[tuple[tuple[str, ...], str]]:
    """Return groups of canonical ids that may be one person each, and in what they agree.

    Typing errors are left out: among many users somebody is always one letter from another.
    """
    groups: dict[tuple[str, ...], str] = {}
    known = sorted(set(user_ids))
    for reason, alike in _ALIKE:
        found: dict[str, list[str]] = {}
        for user_id in known:
            found.setdefault(alike(user_id), []).append(user_id)
        for group in found.values():
            if len(group) > 1 and not any(set(group) <= set(other) for other in groups):
                groups[tuple(group)] = reason
    return list(groups.items())


def _reasons(asked: str, other: str, words: Sequence[str]) -> Iterator[str]:
    """Yield in what two canonical ids agree, the surest first; nothing where they are far apart."""
    for reason, alike in _ALIKE:
        if alike(asked) == alike(other):
            yield reason
            return
    name, _, domain = _plain(asked).partition("@")
    its_name, _, its_domain = _plain(other).partition("@")
    if name == its_name and domain != its_domain:
        yield "the same name at another domain" if domain and its_domain else "the name in the id"
        return
    allowed = 0 if len(name) < _NAME_FROM else 1 if len(name) < _SHORT else 2
    distance = OSA.distance(_plain(asked), _plain(other), score_cutoff=allowed)
    if distance and distance <= allowed:
        yield "a typing error" if distance == 1 else "two typing errors"
    elif not domain and len(name) >= _NAME_FROM and all(word in its_name for word in words):
        yield "the name in the id"


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _plain(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in parts if not unicodedata.combining(char))


def _mailbox(text: str) -> str:
    name, at, domain = _plain(text).partition("@")
    name = name.partition("+")[0]
    if domain in _GMAIL:
        return f"{name.replace('.', '')}@gmail.com"
    return f"{name}{at}{domain}"


def _letters(text: str) -> str:
    return "".join(char for char in _plain(text) if char.isalnum() or char == "@")


def _summary(view: UserView) -> UserSummary:
    entries = view.entries
    return UserSummary(view.user_id, len(view.live), entries[0].at, entries[-1].at)


def _is_memory_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _holders(views: Iterable[UserView], memory_id: str) -> Iterator[FoundMemory]:
    wanted = memory_id.lower()
    for view in views:
        if wanted in view.all_ids:
            yield FoundMemory(view.user_id, wanted, wanted in view.live)


_ALIKE = (
    ("full-width or other compatible letters", _compatible),
    ("accents", _plain),
    ("the same mailbox: +tag, dots at Gmail, or googlemail for gmail", _mailbox),
    ("dots, dashes or underscores", _letters),
)
"""Ways in which two ids agree, the surest first: ids that a function makes equal may be one."""
