"""One canonical user id for saving and for retrieving.

Memories were lost because one person's id was written in several forms. `normalize_user_id` maps
them to one form, and never merges two people: it changes only case, whitespace and invisible
characters, and keeps everything that distinguishes two mailboxes (`+ . _ -`).
"""

import dataclasses
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any, NewType
from uuid import UUID

from ..errors import InvalidUserId
from .counting import counted

UserId = NewType("UserId", str)
"""A user id in canonical form."""

MAX_USER_ID_LENGTH = 254
"""Characters; the longest address that SMTP can carry (RFC 5321, section 4.5.3.1.3)."""

MAX_RAW_LENGTH = 1024
"""Characters of an id as given, checked before anything else: the time to compose grows with the
square of the marks on one letter. An id of 254 letters fits, of up to four code points each."""

LOG_CANONICAL_ID = "[API] Using normalized user_id for Memory: %s"

_ID_FIELDS = ("email", "user_id", "sub", "id")

# Claims by which issuers say whether the address is verified: OpenID Connect Core 1.0, section 5.1;
# Google's first version of it; Microsoft Entra's; and each in the spelling of JavaScript.
_VERIFIED_CLAIMS = """
    email_verified emailVerified verified_email verifiedEmail is_email_verified isEmailVerified
    email_confirmed emailConfirmed xms_edov
""".split()
# Some issuers write them as text, or as the time of the verification.
_YES = re.compile(r"1|t|true|y|yes|on|verified|\d{4}-\d\d-\d\d.*", re.IGNORECASE | re.DOTALL)
# A subject such as "samlp|acme|ann@example.com" names its issuer, and is not an address.
_OF_SUBJECTS = frozenset("|:/")
_logger = logging.getLogger("memory_core")


def _characters(*ranges: tuple[int, int]) -> frozenset[str]:
    return frozenset(chr(code) for first, last in ranges for code in range(first, last + 1))


# Default_Ignorable_Code_Point of Unicode 15 outside the categories Cc and Cf, and the blank Braille
# pattern: characters of a string that do not show.
_INVISIBLE_OTHERS = _characters(
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065),
    (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8),
    (0xE0000, 0xE0FFF),
)  # fmt: skip

# Category Cf, yet visible: the prepended marks of Arabic, Syriac and Kaithi, and the signs
# that join hieroglyphs.
_VISIBLE_FORMATS = _characters(
    (0x0600, 0x0605), (0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2),
    (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1345F),
)  # fmt: skip


PROBE_DOMAIN = "redeploy.holdfast.invalid"
"""The domain of the users of redeploy tests, which nobody can own (RFC 2606)."""


def is_probe(user_id: str) -> bool:
    """Return whether a canonical id belongs to a redeploy test."""
    return user_id.endswith("@" + PROBE_DOMAIN)


def normalize_user_id(raw: str) -> UserId:
    """Return the canonical form of a user id; pure and idempotent.

    Composes it (Unicode NFC), removes all whitespace, control and invisible characters, and
    lower-cases the rest.

    Raises:
        InvalidUserId: not a string, without a visible character, longer than 254 characters (1,024
            with those removed), or not valid Unicode text.
    """
    if not isinstance(raw, str):
        kind = type(raw).__name__
        raise InvalidUserId(
            f"user id {_show(raw)} is {'an' if kind[0] in 'aeiou' else 'a'} {kind}, not text; "
            "pass the e-mail address or id as a string"
        )
    _check_length(raw, raw, MAX_RAW_LENGTH)
    if not raw.isascii() and any(0xD800 <= ord(char) <= 0xDFFF for char in raw):
        raise InvalidUserId(
            f"user id {_show(raw)} is not valid Unicode text; check how it was decoded"
        )
    canonical = raw
    # Lower-casing can make a sequence that NFC composes, and composing one that lowers again.
    while (step := _normalize_once(canonical)) != canonical:
        canonical = step
    if not canonical:
        raise InvalidUserId(
            f"user id {_show(raw)} has no visible character; pass the user's e-mail address or id"
        )
    _check_length(raw, canonical, MAX_USER_ID_LENGTH)
    return UserId(canonical)


def describe_changes(raw: str) -> tuple[str, ...]:
    """Describe the changes of `normalize_user_id` to `raw`; empty when there are none.

    Raises:
        InvalidUserId: as `normalize_user_id`.
    """
    canonical = normalize_user_id(raw)
    if canonical == raw:
        return ()
    composed = unicodedata.normalize("NFC", raw)
    changes = [
        f"{_count(char, count)} removed"
        for char, count in sorted(Counter(filter(_is_invisible, composed)).items())
    ]
    visible = "".join(char for char in composed if not _is_invisible(char))
    if visible.lower() != visible:
        changes.append("lower-cased")
    if composed != raw or not changes:
        changes.append("accented letters composed (Unicode NFC)")
    return tuple(changes)


def get_user_id_from_request(current_user: Any) -> UserId:
    """Return the canonical id of what an authentication dependency returned.

    Takes a string, a mapping, or an object (pydantic model, dataclass, SQLAlchemy row) and looks
    for `email`, then `user_id`, `sub`, `id`. It never falls back to a shared placeholder. If
    `email_verified`, or an equivalent claim, is present and not true, addresses are ignored:
    anybody can sign up with somebody else's.

    Raises:
        InvalidUserId: nobody is signed in, none of the fields is set, its value is not an id, or
            there is only an address that is not verified.
    """
    user_id = normalize_user_id(_raw_id(current_user))
    _logger.info(LOG_CANONICAL_ID, user_id)
    return user_id


def _raw_id(user: Any) -> str:
    if isinstance(user, str):
        return user
    if user is None:
        raise InvalidUserId("user None has no id; nobody is signed in, so require authentication")
    unverified = _is_unverified(user)
    for name in _ID_FIELDS:
        value = user.get(name) if isinstance(user, Mapping) else getattr(user, name, None)
        if isinstance(value, (int, UUID)) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value.strip():
            continue
        is_address = name == "email" or ("@" in value and _OF_SUBJECTS.isdisjoint(value))
        if not (unverified and is_address):
            return value
    if unverified:
        raise InvalidUserId(
            f"user {_describe_fields(user)} has an e-mail address that is not verified, and no "
            "other id; let the user confirm the address, or return the issuer's id as sub"
        )
    raise InvalidUserId(
        f"user {_describe_fields(user)} has none of {', '.join(_ID_FIELDS)}; "
        "return one of them from the authentication dependency"
    )


def _is_unverified(user: object) -> bool:
    """Return whether a claim says that the address is not verified; None says nothing."""
    if isinstance(user, Mapping):
        known = {_plain_claim(name) for name in _VERIFIED_CLAIMS}
        said = [value for name, value in user.items() if _plain_claim(name) in known]
    else:
        said = [getattr(user, name, None) for name in _VERIFIED_CLAIMS]
    return not all(_says_yes(value) for value in said if value is not None)


def _plain_claim(name: object) -> str:
    """Return the name of a claim without its namespace: `https://example.com/Email-Verified`."""
    return re.sub(r"[_-]", "", re.split("[/:]", str(name))[-1]).lower()


def _says_yes(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_says_yes, value))
    return bool(_YES.fullmatch(value.strip()) if isinstance(value, str) else value)


def _check_length(raw: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidUserId(
            f"user id {_show(raw)} has {len(text):,} characters, the limit is "
            f"{MAX_USER_ID_LENGTH}; pass a shorter id"
        )


def _normalize_once(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text.replace(" ", "").lower()
    composed = unicodedata.normalize("NFC", text)
    visible = "".join(char for char in composed if not _is_invisible(char))
    return unicodedata.normalize("NFC", visible.lower())


def _is_invisible(char: str) -> bool:
    category = unicodedata.category(char)
    return (
        char.isspace()
        or category in {"Cc", "Zs", "Zl", "Zp"}
        or (category == "Cf" and char not in _VISIBLE_FORMATS)
        or char in _INVISIBLE_OTHERS
    )


def _count(char: str, number: int) -> str:
    if char == " ":
        return counted(number, "space")
    return f"{number} × U+{ord(char):04X} {unicodedata.name(char, 'control character').lower()}"


def _show(raw: object) -> str:
    shown = repr(raw if not isinstance(raw, str) else raw[:100] + raw[100:][-20:])
    return shown if len(shown) <= 120 else f"{shown[:80]}…{shown[-20:]}"


def _describe_fields(user: object) -> str:
    """Name the type and fields, never the values, which may be secrets."""
    if isinstance(user, Mapping):
        fields = ", ".join(sorted(map(str, user))) or "no keys"
    elif dataclasses.is_dataclass(user):
        fields = ", ".join(field.name for field in dataclasses.fields(user))
    else:
        fields = ", ".join(sorted(vars(user))) if hasattr(user, "__dict__") else "no fields"
    return f"of type {type(user).__name__} with {fields}"
