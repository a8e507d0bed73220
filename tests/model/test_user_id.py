"""One person, one id: what is unified, and what never is."""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from memory_core import InvalidUserId, describe_changes, get_user_id_from_request, normalize_user_id
from memory_core.errors import MemoryCoreError

# Stated here anew, not taken from the code: what is removed wherever it stands. The ranges are
# Default_Ignorable_Code_Point of DerivedCoreProperties-15.0.0.txt, and the blank Braille pattern.
IGNORABLE = frozenset(
    chr(code)
    for first, last in (
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5),
        (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
        (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8),
        (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF), (0x2800, 0x2800),
    )
    for code in range(first, last + 1)
)  # fmt: skip
# Prepended_Concatenation_Mark of PropList-15.0.0.txt: in the category Cf, but they show.
VISIBLE_FORMAT_MARKS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
# White_Space of PropList-15.0.0.txt, and the control characters.
BLANKS = frozenset(
    chr(code)
    for first, last in (
        (0x00, 0x20), (0x7F, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
        (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
    )
    for code in range(first, last + 1)
)  # fmt: skip
REMOVED = st.sampled_from(sorted(IGNORABLE | BLANKS))
WIDE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NASTY = st.text(
    st.sampled_from("aAßſıİKÅée\u0301\u0327ΑΣσςǅﬁ़क़ก็가\u1100\u1161\u11a8\u200d\u034f\u0345ᾳ+.-@ "),
    min_size=1,
    max_size=8,
)
TEXTS = WIDE | NASTY


def seen(text: str) -> str:
    """What a reader sees of an id, small letters and capitals alike."""
    shown = "".join(one for one in unicodedata.normalize("NFD", text) if not is_removed(one))
    for _ in range(4):
        small = "".join(one.lower() for one in unicodedata.normalize("NFD", shown))
        shown = unicodedata.normalize("NFD", small).replace("ς", "σ")
    return shown


def is_removed(char: str) -> bool:
    if char in VISIBLE_FORMAT_MARKS:
        return False
    return unicodedata.category(char) == "Cf" or char in IGNORABLE or char in BLANKS


def canonical(text: str) -> str | None:
    try:
        return normalize_user_id(text)
    except InvalidUserId:
        return None


@settings(deadline=None)
@given(TEXTS)
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    once = canonical(text)
    assert once is None or normalize_user_id(once) == once


@settings(deadline=None)
@given(TEXTS, TEXTS | st.none(), st.data())
def test_ids_that_look_different_stay_different(one: str, other: str | None, data: Any) -> None:
    """`other` is unrelated, or `one` with a character replaced, added or dropped."""
    if other is None:
        at = data.draw(st.integers(0, len(one)))
        other = one[:at] + data.draw(TEXTS | st.just("")) + one[at + data.draw(st.booleans()) :]
    if seen(one) != seen(other):
        assert canonical(one) != canonical(other) or canonical(one) is None


@settings(deadline=None)
@given(TEXTS, REMOVED, st.integers(0, 12))
def test_what_cannot_be_seen_is_removed_wherever_it_stands(text: str, char: str, at: int) -> None:
    at = min(at, len(text))
    known = canonical(unicodedata.normalize("NFC", text))
    mixed = canonical(text[:at] + char + text[at:])
    assert mixed is None or not set(mixed) & (IGNORABLE | BLANKS)
    if known and known.isascii():
        assert mixed == known


@pytest.mark.parametrize("char", ["\u2065", "\ufff0", "\U000e0000", "\U000e0080", "\U000e0fff"])
def test_reserved_invisible_characters_are_removed(char: str) -> None:
    assert normalize_user_id(f"al{char}ice") == "alice"


@pytest.mark.parametrize("mark", sorted(VISIBLE_FORMAT_MARKS))
def test_visible_format_marks_stay(mark: str) -> None:
    assert normalize_user_id(f"a{mark}7") != normalize_user_id("a7")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  Alice@Example.COM \n", "alice@example.com"),
        ("al ice@exam\u200bple.com", "alice@example.com"),
        ("\ufeffalice@example.com\x00", "alice@example.com"),
        ("Ju\u0308rgen.Mu\u0308ller@example.org", "jürgen.müller@example.org"),
        ("a\u00a0b\u3000c\td", "abcd"),
        ("\u202ealice\u202c", "alice"),
        ("ALICE", "alice"),
        ("İ", "i\u0307"),
    ],
)
def test_two_forms_of_one_id_are_one(raw: str, expected: str) -> None:
    assert normalize_user_id(raw) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a+b@x.org", "ab@x.org"), ("a.b@x.org", "ab@x.org"), ("a_b@x.org", "ab@x.org"),
        ("a-b@x.org", "ab@x.org"), ("straße", "strasse"), ("résumé", "resume"), ("o", "0"),
        ("alice", "аlice"), ("ﬁ", "fi"), ("１", "1"), ("ı", "i"), ("a", "ａ"),
    ],
)  # fmt: skip
def test_what_tells_two_people_apart_stays(one: str, other: str) -> None:
    assert normalize_user_id(one) != normalize_user_id(other)


def test_the_longest_id_has_254_characters() -> None:
    assert len(normalize_user_id(" " + "x" * 254 + "\u200b" * 300)) == 254
    with pytest.raises(InvalidUserId, match=r"has 255 characters, the limit is 254"):
        normalize_user_id("x" * 255)


@pytest.mark.parametrize("raw", ["", " \t", "\u200b\u2800", "a\ud800", None, 7, b"a", ["a"], True])
def test_a_bad_id_is_shown_as_it_is(raw: Any) -> None:
    with pytest.raises(InvalidUserId) as caught:
        normalize_user_id(raw)
    assert repr(raw) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, MemoryCoreError)
    str(caught.value).encode()


def test_a_huge_bad_id_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidUserId) as caught:
        normalize_user_id("x" * 100_000)
    assert len(str(caught.value)) < 400


@settings(deadline=None)
@given(TEXTS)
def test_changes_are_described_exactly_when_there_are_any(text: str) -> None:
    if (known := canonical(text)) is not None:
        assert bool(describe_changes(text)) == (known != text)


def test_changes_are_named_and_counted() -> None:
    assert describe_changes(" Ali\u200bce ") == (
        "2 spaces removed",
        "1 × U+200B zero width space removed",
        "lower-cased",
    )
    assert "Unicode NFC" in describe_changes("u\u0308")[0]
    with pytest.raises(InvalidUserId):
        describe_changes("")


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    password: Mapped[str]


@dataclass
class Person:
    email: str | None = None
    user_id: Any = None
    sub: str | None = None
    id: Any = None
    password: str = "s3cret"


class Model(BaseModel):
    email: str | None = None
    sub: str | None = None


class Lazy:
    @property
    def email(self) -> str:
        return "Alice@Example.com "


def accounts(email: str | None) -> tuple[Any, Any]:
    """An ORM object and a Row, both really read from a database."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Account(id=7, email=email, password="s3cret"))
        session.commit()
        row = session.execute(select(Account.id, Account.email, Account.password)).one()
        account = session.scalars(select(Account)).one()
        session.expunge_all()
    engine.dispose()
    return account, row


@pytest.mark.parametrize(
    "user",
    [
        "Alice@Example.com ",
        {"email": "Alice@Example.com", "id": 3},
        Person(email="alice@example.com", user_id="u1"),
        Model(email="ALICE@example.com"),
        Lazy(),
        *accounts("Alice@example.com"),
    ],
    ids=lambda user: type(user).__name__,
)
def test_whatever_authentication_returns_the_id_is_found(user: Any) -> None:
    assert get_user_id_from_request(user) == "alice@example.com"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (Person(email=None, user_id="U1", sub="s", id=3), "u1"),
        (Person(email=" ", sub="S", id=3), "s"),
        (Person(id=0), "0"),
        ({"email": None, "id": UUID(int=5)}, "00000000-0000-0000-0000-000000000005"),
        ({"email": True, "sub": "x"}, "x"),
        (accounts(None)[0], "7"),
        (accounts(None)[1], "7"),
    ],
)
def test_the_next_field_is_taken_when_one_is_not_set(user: Any, expected: str) -> None:
    assert get_user_id_from_request(user) == expected


VICTIM = "Victim@example.com"


class Claims(BaseModel):
    sub: str | None = None
    email: str = VICTIM
    email_verified: bool | None = None


@pytest.mark.parametrize(
    "said", [False, "false", "False ", 0, "0", 0.0, "no", "", "unverified", []]
)
def test_an_address_that_is_not_verified_is_never_the_id(said: object) -> None:
    claims = {"sub": "auth0|666", "email": VICTIM, "email_verified": said}
    assert get_user_id_from_request(claims) == "auth0|666"


@pytest.mark.parametrize(
    "claims",
    [
        {"email": VICTIM, "email_verified": False, "sub": "Auth0|666"},
        {"email": VICTIM, "emailVerified": False, "sub": "Auth0|666"},
        {"email": VICTIM, "verified_email": "false", "sub": "Auth0|666"},
        {"email": VICTIM, "xms_edov": "0", "sub": "Auth0|666"},
        {"email": VICTIM, "https://example.com/email_verified": False, "sub": "Auth0|666"},
        {"email": VICTIM, "email_verified": True, "xms_edov": False, "sub": "Auth0|666"},
        {"email": VICTIM, "email_verified": False, "user_id": VICTIM, "sub": "Auth0|666"},
        Claims(sub="Auth0|666", email_verified=False),
        SimpleNamespace(email=VICTIM, emailVerified=False, id="Auth0|666"),
    ],
    ids=str,
)
def test_no_spelling_of_the_claim_and_no_other_field_gives_the_address(claims: object) -> None:
    assert get_user_id_from_request(claims) == "auth0|666"


@pytest.mark.parametrize(
    "claims",
    [
        {"email": VICTIM, "email_verified": False},
        {"email": VICTIM, "email_verified": "false", "sub": "victim@example.com"},
        {"user_id": VICTIM, "email_verified": False},
        Claims(email_verified=False),
    ],
    ids=str,
)
def test_an_address_alone_that_is_not_verified_is_refused(claims: object) -> None:
    with pytest.raises(InvalidUserId, match="not verified") as caught:
        get_user_id_from_request(claims)
    assert "victim" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "said", [True, "true", "True", 1, "1", None, ["true"], "2026-03-01T10:00:00Z"]
)
def test_an_address_that_is_verified_or_of_which_nothing_is_said_is_the_id(said: object) -> None:
    claims = {"sub": "auth0|1", "email": VICTIM, "email_verified": said}
    assert get_user_id_from_request(claims) == "victim@example.com"


def test_a_subject_of_an_issuer_may_contain_an_address() -> None:
    claims = {"sub": "samlp|acme|victim@example.com", "email": VICTIM, "email_verified": False}
    assert get_user_id_from_request(claims) == "samlp|acme|victim@example.com"


@pytest.mark.parametrize(
    "user",
    [
        None, True, 7, object(), b"alice", {}, Person(), Model(), ["alice@example.com"],
        {"password": "s3cret", "token": "t0ken"}, {"email": ["s3cret"], "id": True},
        Person(email="\u200b"),
    ],
)  # fmt: skip
def test_there_is_no_placeholder_and_no_value_leaks(user: Any) -> None:
    with pytest.raises(InvalidUserId) as caught:
        get_user_id_from_request(user)
    assert "s3cret" not in str(caught.value)
    assert "t0ken" not in str(caught.value)


def test_the_canonical_id_is_logged_letter_for_letter(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "memory_core"):
        get_user_id_from_request({"email": "Alice+1@Example.com "})
    assert caplog.messages == ["[API] Using normalized user_id for Memory: alice+1@example.com"]
