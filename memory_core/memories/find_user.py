"""Finding a user by an id in any form, a name, a domain, a memory's id or words of a memory.

The reasons name what two ids have in common; a human decides if they are one person.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from string import digits
from threading import Lock
from urllib.parse import unquote

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from ..errors import InvalidUserId, MemoryNotFound
from ..ledger import Ledger
from ..model.census import (
    Census,
    CloseUser,
    MemoryOwner,
    Mention,
    OtherPlace,
    OtherPlaces,
    OtherPlaceUser,
    StoreScan,
    UserSearch,
)
from ..model.user_id import UserId, describe_changes, is_probe, normalize_user_id
from ..storage.vectors import VectorStore

_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_SHORT = 8
_NAME_IN_ID = "the name in the id"
_NAME_FROM = 3
_WHOLE_FROM = 4
"""Length of the part before "@" from which an address may have two typing errors."""
_PART = "a part of the name, at the same domain"
_PART_OF_MANY = 500
"""The most ids of a domain that may share a part of the name and still count as similar."""
_DOMAIN = "the domain"
_MOST_WORDS = 12
_READ_AT_ONCE = 500
_NO_ASCII_LETTER = {
    code: None for code in range(128) if not chr(code).isalnum() and chr(code) != "@"
}
_NO_DIGIT = str.maketrans("", "", digits)
_MOST_COMPARED = 2_000
_MOST_CLOSE = 5
_AROUND = "the same id, with a name, quotation marks, brackets or mailto: around it"
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Characters between and around ids that people copy from mails, tables and JSON.
_BETWEEN = re.compile(r"[\s<>()\[\]{}\"`“”„‟«»‹›＜＞,;]+")
_EDGES = "'´‘’‚‛*.:!?…"
_LABELS = re.compile(
    r"\A(?:(?:mailto|smtp|acct|e-?mail|user[_-]?(?:id|name)?|id|sub)[:=]'?)+", re.I
)
_BARE = re.compile(r"[\w+-](?:[\w.+@-]*[\w+-])?")
_BETWEEN_PARTS = re.compile("[._-]+")
_AROUND_ADDRESS = re.compile("[/?&#=:|]")
_LONGEST_QUESTION = 400
_TYPING_ERRORS = ("a typing error", "two typing errors")
_PLACEHOLDERS = frozenset(
    "admin anonymous default demo example foo guest me n/a na nil none null root system test "
    "undefined unknown user user_id userid".split()
)


class UserFinder:
    """Finds users by what a person typed; keeps the index of their ids between calls."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._index = IdIndex()
        self._lock = Lock()

    def find(
        self,
        text: str,
        census: Census,
        scan: StoreScan | None = None,
        elsewhere: OtherPlaces | None = None,
    ) -> UserSearch:
        """Return the users that an id, a name or a memory's id, as typed, may mean; reads only."""
        try:
            user_id: UserId | None = normalize_user_id(text)
            changes, problem = describe_changes(text), ""
        except InvalidUserId as exc:
            user_id, changes, problem = None, (), str(exc)
        recorded = {user.user_id: user for user in (*census.users, *census.without)}
        stored = {user.user_id: user for user in scan.users} if scan else {}
        away = _by_user(elsewhere)
        known = recorded.keys() | stored.keys() | away.keys()
        words = _words(text) if user_id else []
        looked_at = text[:_LONGEST_QUESTION]
        inside = _by_canonical(_ids_in(looked_at)).keys() - {user_id}
        with self._lock:
            self._index = index = self._index.holding(known)
            reasons = index.close_to(user_id, words, guess=user_id not in known) if user_id else {}
            for other in inside:
                guessed = index.close_to(other, [_plain(other)], guess=other not in known)
                reasons |= {**guessed, other: (_AROUND,)}
        if user_id:
            reasons.pop(user_id, None)
        close = [
            CloseUser(other, why, recorded.get(other), stored.get(other))
            for other, why in reasons.items()
            if other in known
        ]
        close.sort(key=_best_first)
        meant = ([user_id] if user_id else []) + [user.user_id for user in close]
        return UserSearch(
            asked=text,
            user_id=user_id,
            changes=changes,
            problem=problem,
            user=recorded.get(user_id) if user_id else None,
            close=tuple(close),
            placeholders=tuple(
                recorded[other] for other in sorted(index.placeholders) if other in recorded
            ),
            memories=tuple(self._holders(_UUID.findall(looked_at.lower()))),
            users=len(known),
            stored=stored.get(user_id) if user_id else None,
            scan=scan,
            elsewhere=tuple(place for other in meant for place in away.get(other, ())),
            named=tuple(
                user.user_id
                for user in (() if user_id in known else close)
                if user.user_id in inside or "@" not in text.strip("@ ")
            ),
        )

    def mentions(self, text: str, store: VectorStore) -> tuple[Mention, ...]:
        """Count, by user, the memories in which every word of the text begins a word.

        Reads the text of every memory: from the store, or if that lacks it, from the ledger.
        """
        wanted = [re.compile(rf"(?<!\w){re.escape(word)}") for word in _words(text)]
        counts: defaultdict[UserId, int] = defaultdict(int)
        ledger = self._ledger.tolerant()
        held = (
            (memory_id, view.user_id, live.latest)
            for view in (ledger.users() if wanted else ())
            if not is_probe(view.user_id)
            for memory_id, live in view.live.items()
        )
        while part := list(islice(held, _READ_AT_ONCE)):
            stored = store.get(memory_id for memory_id, _, _ in part)
            absent = [entry for memory_id, _, entry in part if memory_id not in stored]
            recorded = ledger.payloads(absent) if absent else {}
            for memory_id, user_id, entry in part:
                vector = stored.get(memory_id)
                payload = vector.payload if vector else recorded.get(entry, {})
                plain = _plain(str(payload.get("data", "")))
                counts[user_id] += all(word.search(plain) for word in wanted)
        mentions = (Mention(user_id, count) for user_id, count in counts.items() if count)
        return tuple(sorted(mentions, key=lambda mention: (-mention.memories, mention.user_id)))

    def owner(self, memory_id: str) -> UserId:
        """Return the user who has a memory, or had it last; raises MemoryNotFound."""
        for owner in sorted(self._holders([memory_id]), key=lambda owner: not owner.live):
            return owner.user_id
        raise MemoryNotFound(
            f"nobody has a memory {memory_id!r}; list a user's memories for their ids"
        )

    def _holders(self, memory_ids: Sequence[str]) -> Iterator[MemoryOwner]:
        for view in self._ledger.tolerant().users() if memory_ids else ():
            known = set() if is_probe(view.user_id) else view.all_ids
            for memory_id in dict.fromkeys(memory_ids):
                if memory_id in known:
                    yield MemoryOwner(view.user_id, memory_id, memory_id in view.live)


class IdIndex:
    """Ids by their simplified forms, so that only few have to be compared one by one."""

    def __init__(self) -> None:
        self._known: set[UserId] = set()
        self._ids: list[UserId] = []
        self._plain: list[str] = []
        self._names: list[str] = []
        self._alike: defaultdict[str, list[int]] = defaultdict(list)
        self._domains: defaultdict[str, list[int]] = defaultdict(list)
        self.placeholders: list[UserId] = []

    def holding(self, ids: Set[UserId]) -> IdIndex:
        """Return an index of these ids, and maybe others: this one, unless most of it is gone."""
        if ids == self._known:
            return self
        new = ids - self._known
        index = self if 2 * len(ids) > len(self._known | new) or not self._known else IdIndex()
        for user_id in sorted(ids - index._known):
            index._add(user_id)
        return index

    def close_to(
        self, asked: UserId, words: Sequence[str], *, guess: bool = False
    ) -> dict[UserId, tuple[str, ...]]:
        """Return the similar ids, each with the reasons; a `guess` may differ by more."""
        plain = _plain(asked)
        name, _, domain = plain.partition("@")
        places = {at for form in _forms(asked) for at in self._alike.get(form, ())}
        for form in _part_forms(asked):
            if len(holders := self._alike.get(form, ())) <= _PART_OF_MANY:
                places.update(holders)
        if allowed := _allowed(name, domain):
            near = extract(
                plain, self._plain, scorer=OSA.distance, score_cutoff=allowed, limit=None,
                processor=None,
            )  # fmt: skip
            places.update(at for _, _, at in near)
        reasons = {
            self._ids[at]: tuple(_reasons(asked, self._ids[at], words, guess=guess))
            for at in places
        }
        if not name or not domain:
            # A closer likeness takes precedence over a common domain or name.
            named: dict[UserId, tuple[str, ...]] = {
                self._ids[at]: (_DOMAIN,) for at in self._domains.get(domain or name, ())
            }
            reasons = {**named, **self._named(words), **reasons}
        return {user_id: why for user_id, why in reasons.items() if why and user_id != asked}

    def _named(self, words: Sequence[str]) -> dict[UserId, tuple[str, ...]]:
        """Return ids whose name has all the words in it, or some of them as parts."""
        parts: Counter[int] = Counter()
        whole = set(range(len(self._names))) if words else set()
        for word in words:
            holders = [at for at, name in enumerate(self._names) if word in name]
            is_part = re.compile(rf"[^+]*?(?<![^._-]){re.escape(word)}(?![^._+-])").match
            parts.update([at for at in holders if is_part(self._names[at])])
            whole.intersection_update(holders)
        reasons = [(f"{count} of {len(words)} words",) for count in range(len(words) + 1)]
        named = {self._ids[at]: reasons[count] for at, count in parts.items()}
        return {**named, **{self._ids[at]: (_NAME_IN_ID,) for at in sorted(whole)}}

    def _add(self, user_id: UserId) -> None:
        at = len(self._ids)
        self._known.add(user_id)
        self._ids.append(user_id)
        self._plain.append(_plain(user_id))
        self._names.append(self._plain[-1].partition("@")[0])
        if domain := self._plain[-1].partition("@")[2]:
            self._domains[domain].append(at)
        for form in _forms(user_id) | _part_forms(user_id):
            self._alike[form].append(at)
        if is_placeholder(user_id):
            self.placeholders.append(user_id)


def is_placeholder(user_id: str) -> bool:
    """Return whether an id is one that programs write for an unknown user."""
    return user_id.partition("@")[0] in _PLACEHOLDERS or user_id in _PLACEHOLDERS


@dataclass(frozen=True, slots=True)
class OtherForm:
    """An id that was asked for, and one that was saved; `sure` if they differ in form alone."""

    asked: str
    saved: str
    reasons: tuple[str, ...]
    sure: bool


def other_forms(
    asked: Iterable[str], saved: Iterable[str], known: Iterable[str]
) -> Iterator[OtherForm]:
    """Yield ids asked for in vain, each with a saved one that may mean the same person.

    All are as a program wrote them. A `known` id is yielded only for a saved one that is the same
    id in another form. Ids that differ in digits alone are skipped: a program numbered them.
    """
    asked_forms, saved_forms = _by_canonical(asked), _by_canonical(saved)
    for user_id in asked_forms.keys() & saved_forms.keys():
        other = saved_forms[user_id][0]
        for form in asked_forms[user_id]:
            if form not in saved_forms[user_id]:
                changes = "; ".join(describe_changes(form) or describe_changes(other))
                yield OtherForm(form, other, (f"the same id in another form: {changes}",), True)
    index = IdIndex().holding(saved_forms.keys())
    unknown = asked_forms.keys() - saved_forms.keys() - _by_canonical(known).keys()
    for user_id in sorted(unknown)[:_MOST_COMPARED]:
        for close, reasons in sorted(index.close_to(user_id, [user_id]).items())[:_MOST_CLOSE]:
            if user_id.translate(_NO_DIGIT) != close.translate(_NO_DIGIT):
                sure = not _LOOK_ALIKE.isdisjoint(reasons)
                for form in asked_forms[user_id]:
                    yield OtherForm(form, saved_forms[close][0], reasons, sure)


def _by_canonical(forms: Iterable[str]) -> dict[UserId, list[str]]:
    """Group forms by canonical id, in the order given, without those of redeploy tests."""
    ids: dict[UserId, list[str]] = defaultdict(list)
    for form in forms:
        with suppress(InvalidUserId):
            ids[normalize_user_id(form)].append(form)
    return {user_id: forms for user_id, forms in ids.items() if not is_probe(user_id)}


def look_alikes(user_ids: Iterable[str]) -> list[tuple[tuple[str, ...], str]]:
    """Return groups of canonical ids, each perhaps one person, with what their ids share.

    Typing errors do not count: among many users, some ids always differ by one letter.
    """
    groups: dict[tuple[str, ...], str] = {}
    known = sorted(set(user_ids))
    for reason, alike in _ALIKE:
        same = defaultdict(list)
        for user_id in known:
            same[alike(user_id)].append(user_id)
        for group in same.values():
            if len(group) > 1 and not any(set(group) <= set(other) for other in groups):
                groups[tuple(group)] = reason
    return list(groups.items())


def _reasons(asked: str, other: str, words: Sequence[str], *, guess: bool = False) -> Iterator[str]:
    """Yield why two canonical ids are similar, the surest reason first; nothing if they are not."""
    for reason, alike in _ALIKE:
        if alike(asked) == alike(other):
            yield reason
            return
    name, _, domain = _plain(asked).partition("@")
    its_name, _, its_domain = _plain(other).partition("@")
    if name == its_name and domain != its_domain:
        yield "the same name at another domain" if domain and its_domain else _NAME_IN_ID
        return
    allowed = _allowed(name, domain)
    distance = OSA.distance(_plain(asked), _plain(other), score_cutoff=allowed)
    if 0 < distance <= allowed and (
        guess or OSA.distance(name, its_name) <= _allowed(name) or not domain
    ):
        yield _TYPING_ERRORS[distance - 1]
    elif not domain and len(name) >= _NAME_FROM and words and all(w in its_name for w in words):
        yield _NAME_IN_ID
    elif domain and domain == its_domain and _share_a_name(_parts(name), _parts(its_name)):
        yield _PART


def _share_a_name(parts: Set[str], others: Set[str]) -> bool:
    """Return whether one name has all parts of the other, one of them significant."""
    same = parts & others
    telling = any(len(part) >= _NAME_FROM and not part.isdigit() for part in same)
    return telling and same in (parts, others)


def _parts(name: str) -> Set[str]:
    """Return the parts of a name in an id, without what follows a "+"."""
    return set(_BETWEEN_PARTS.split(name.partition("+")[0])) - {""}


def _part_forms(user_id: str) -> set[str]:
    """Return the index keys of an id for its domain with each significant part of the name."""
    name, _, domain = _plain(user_id).partition("@")
    parts = (part for part in _parts(name) if len(part) >= _NAME_FROM and not part.isdigit())
    return {f"/{part}@{domain}" for part in parts} if domain else set()


def _allowed(name: str, domain: str = "") -> int:
    """Return how many typing errors two ids may be apart."""
    if domain and len(name) >= _WHOLE_FROM:
        return 2
    return 0 if len(name) < _NAME_FROM else 1 if len(name) < _SHORT else 2


def _forms(user_id: str) -> set[str]:
    """Return the index keys of an id, which similar ids share; that of the name has a "="."""
    return {alike(user_id) for _, alike in _ALIKE} | {f"={_plain(user_id).partition('@')[0]}"}


def _words(text: str) -> list[str]:
    """Return the words of a text that are long enough to be significant."""
    words = (_plain(word.strip(_EDGES)) for word in _BETWEEN.split(text[:_LONGEST_QUESTION]))
    return [word for word in dict.fromkeys(words) if len(word) >= _NAME_FROM][:_MOST_WORDS]


def _ids_in(text: str) -> list[str]:
    """Return the addresses in a text, or else its only word, without labels and punctuation."""
    text = unquote(text) if "@" not in text else text
    words = [_LABELS.sub("", word.strip(_EDGES)).strip(_EDGES) for word in _BETWEEN.split(text)]
    if addresses := [_address(word) for word in words if "@" in word.strip("@")]:
        return list(dict.fromkeys(addresses))
    others = [word.lstrip("@") for word in words if word and not _LABELS.fullmatch(f"{word}:")]
    return others if len(others) == 1 else []


def _address(word: str) -> str:
    """Return the address in a word, which may be a link or name an issuer."""
    name, _, domain = word.partition("@")
    address = f"{_AROUND_ADDRESS.split(name)[-1]}@{_AROUND_ADDRESS.split(domain)[0]}"
    return address.strip(_EDGES)


def _compatible(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in parts if not unicodedata.combining(char))


def _unwrapped(text: str) -> str:
    plain = _plain(text)
    ids = [] if _BARE.fullmatch(plain) else _ids_in(plain)
    return ids[0] if len(ids) == 1 and ids[0] else plain


def _mailbox(text: str) -> str:
    name, at, domain = _unwrapped(text).partition("@")
    name = name.partition("+")[0]
    if domain in _GMAIL:
        return f"{name.replace('.', '')}@gmail.com"
    return f"{name}{at}{domain}"


def _letters(text: str) -> str:
    plain = _plain(text)
    if plain.isascii():
        return plain.translate(_NO_ASCII_LETTER)
    return "".join(char for char in plain if char.isalnum() or char == "@")


def _best_first(close: CloseUser) -> tuple[int, int, str]:
    """Return a key that sorts the likeliest first, then those with most memories."""
    stored = close.stored.stored if close.stored else 0
    doubt = _DOUBT.get(close.reasons[0], 5 + _MOST_WORDS)
    words = close.reasons[0].partition(" of ")[0]
    doubt -= int(words) if words.isdigit() else 0
    return doubt, -(close.user.memories if close.user else stored), close.user_id


def _by_user(
    elsewhere: OtherPlaces | None,
) -> Mapping[UserId, list[tuple[OtherPlace, OtherPlaceUser]]]:
    users = defaultdict(list)
    for place in elsewhere.places if elsewhere else ():
        for user in place.users:
            if user.user_id and user.missing:
                users[user.user_id].append((place, user))
    return users


_ALIKE = (
    ("full-width or other compatible letters", _compatible),
    ("accents", _plain),
    (_AROUND, _unwrapped),
    ("the same mailbox: +tag, dots at Gmail, or googlemail for gmail", _mailbox),
    ("dots, dashes or underscores", _letters),
)
"""Kinds of likeness, the surest first: ids that a function maps to one value may be one person."""

# The other reasons may be a coincidence.
_LOOK_ALIKE = frozenset(reason for reason, _ in _ALIKE)

# The surest first. A number of words comes after all of these, the greatest first.
_DOUBT: dict[str, int] = {
    **dict.fromkeys(_LOOK_ALIKE, 0),
    _NAME_IN_ID: 0,
    "the same name at another domain": 1,
    "a typing error": 1,
    _PART: 2,
    "two typing errors": 3,
    _DOMAIN: 4,
}
