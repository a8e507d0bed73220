"""The receipt of a migration: counts and digests of every user, chained, and signed where a key is.

Each user's link is the SHA-256 of the link before it and of what is said of the user, as JSON with
sorted keys. Whoever changes a user changes every link after it and the last, which is signed with
`MEMORY_RECEIPT_KEY`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..model.encoder import encode, pick
from ..model.signature import Key
from ..settings import Settings
from .incoming import Outcome
from .migration_report import Verification

_VERSION = 1


def make_receipt(proof: Verification, settings: Settings) -> dict[str, Any]:
    """Return the receipt of a verification, as JSON has it."""
    head = {
        "holdfast_migration_receipt": _VERSION,
        **pick(proof, "source", "target", "as_of"),
        "source_digest": proof.survey.digest,
        **pick(proof, "verified", "expected", "found", "differing", "failed"),
        "left_out": sum(user.left_out for user in proof.users),
        "duplicates": proof.intake.counts[Outcome.DUPLICATE],
    }
    return _signed(head, encode(proof.users), settings)


def check_receipt(receipt: Mapping[str, Any], settings: Settings) -> bool:
    """Say whether a receipt is as it was made, with the key that the settings have."""
    try:
        users = [{key: one[key] for key in one if key != "link"} for one in receipt["users"]]
        own = ("users", "chain", "signature", "signed")
        head = {key: value for key, value in receipt.items() if key not in own}
        signed = _key(settings).verify(str(receipt["chain"]).encode(), str(receipt["signature"]))
        return signed and _signed(head, users, settings) == dict(receipt)
    except (KeyError, TypeError, ValueError):
        return False


def _signed(
    head: Mapping[str, Any], users: list[dict[str, Any]], settings: Settings
) -> dict[str, Any]:
    link = _digest("", head)
    chained = []
    for user in users:
        link = _digest(link, user)
        chained.append({**user, "link": link})
    signature = _key(settings).sign(link.encode()).hex()
    signed = {"chain": link, "signed": bool(settings.receipt_key), "signature": signature}
    return {**head, "users": chained, **signed}


def _key(settings: Settings) -> Key:
    return Key((settings.receipt_key or "holdfast").encode())


def _digest(link: str, said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{link}{text}".encode()).hexdigest()
