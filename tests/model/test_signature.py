"""What earlier releases signed is still told from what somebody changed."""

from __future__ import annotations

import pytest

from memory_core.activity.chain import Segment, decode
from memory_core.model.signature import Key
from memory_core.redeploy_test.receipt import from_code
from memory_core.settings import Settings
from memory_core.transfer import check_receipt

RFC_4231 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
CODE = "AGJUAA-AAAAAA-AAAAAA-AAAAAA-AABGCY-TDMRSW-MZ3IUE-UHD"
LINK = "5810d085131b18370002ca04679185ad3660d1e2adeb0eb57f89fdf29026943a"
SEGMENT = b"""\
{"v": 1, "number": 1, "previous": "", "writer": "w", "at": "2026-01-02T03:04:05.000+00:00", \
"entries": 1, "key": "NAME"}
{"at": "2026-01-02T03:04:05+00:00", "who": "ann", "action": "save", "outcome": "done"}
{"seal": "SEAL"}
"""


def settings(secret: str) -> Settings:
    return Settings.from_env({"MEMORY_RECEIPT_KEY": secret})


def segment(name: bytes, seal: bytes, key: Key) -> Segment:
    return decode(SEGMENT.replace(b"NAME", name).replace(b"SEAL", seal), key)


def test_a_signature_is_hmac_sha256_and_without_a_secret_a_digest() -> None:
    key = Key(b"Jefe")
    assert key.sign(b"what do ya want for nothing?").hex() == RFC_4231
    assert key.verify(b"what do ya want for nothing?", RFC_4231)
    for wrong in ("", RFC_4231[:-1], RFC_4231.upper(), "ä", "\ud800"):
        assert not key.verify(b"what do ya want for nothing?", wrong)
    assert Key().sign(b"").hex().startswith("e3b0c442")
    assert (len(key.fingerprint(b"name", 12)), Key().fingerprint(b"name", 12)) == (12, "")


@pytest.mark.parametrize(("secret", "end"), [("secret", "7QA-LBYWD7-A"), ("", "7VF-2XC7PJ-Q")])
def test_codes_of_redeploy_tests_are_read(secret: str, end: str) -> None:
    assert from_code(CODE + end, settings(secret)).run == "01JD0000000000000000000000"


@pytest.mark.parametrize(
    ("secret", "signature"),
    [
        ("secret", "dc7f64da3a546cf8b8eb73ad37e5e271afb8a6d66806f55337725934ae0275ac"),
        ("", "cb9efb7bc1a70257bbec2e28a31f14630d39607728ac5b4b1df5d83883b193f1"),
    ],
)
def test_receipts_of_migrations_are_checked(secret: str, signature: str) -> None:
    receipt = {
        "source": "a",
        "users": [{"user_id": "ann", "link": LINK}],
        "chain": LINK,
        "signed": bool(secret),
        "signature": signature,
    }
    assert check_receipt(receipt, settings(secret))
    assert not check_receipt(receipt, settings("another"))
    assert not check_receipt({**receipt, "source": "b"}, settings(secret))
    assert not check_receipt({**receipt, "signature": "ä"}, settings(secret))
    assert not check_receipt({**receipt, "chain": "\ud800"}, settings(secret))


def test_seals_of_the_activity_log_are_checked() -> None:
    name = b"2689d64fd720"
    sealed = b"df177e6d6105fc5f7841c28a8fc983529ed7e56d2a64463e1f3c28ec80a3f32b"
    plain = b"752f613c83ca83a5f103a42669bbbde7bbef5bdc991fb98cde8ebea86cf2124d"
    assert segment(name, sealed, Key(b"secret")).seal_fits is True
    assert segment(name, sealed[::-1], Key(b"secret")).seal_fits is False
    assert segment(name, sealed, Key(b"another")).seal_fits is None
    assert segment(b"", plain, Key(b"secret")).seal_fits is True
    assert segment(b"", sealed, Key()).seal_fits is False
