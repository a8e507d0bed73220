"""Page tokens: opaque, bound to the request they continue, and perishable."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from .errors import invalid_page_token

_KEY = b"holdfast stand-in"


def issue(binding: object, cursor: Any, now: float) -> str:
    """Return a token that stands for `cursor` of the request described by `binding`."""
    payload = json.dumps([_digest(binding), cursor, now]).encode()
    return base64.urlsafe_b64encode(_seal(payload) + payload).decode()


def redeem(token: str, binding: object, now: float, lifetime_s: float | None = None) -> Any:
    """Return the cursor of a token, or raise "Invalid page token"."""
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_page_token() from error
    seal, payload = raw[:16], raw[16:]
    if seal != _seal(payload):
        raise invalid_page_token()
    digest, cursor, issued_at = json.loads(payload)
    expired = lifetime_s is not None and now - issued_at > lifetime_s
    if digest != _digest(binding) or expired:
        raise invalid_page_token()
    return cursor


def _seal(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, key=_KEY, digest_size=16).digest()


def _digest(binding: object) -> str:
    text = json.dumps(binding, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
