"""Signatures of receipts and of the activity log: HMAC-SHA256."""

from __future__ import annotations

import hashlib
import hmac

from ..settings import Settings

_NO_KEY = b"holdfast"


def receipt_key(settings: Settings) -> Key:
    """Return the signing key.

    Without a secret a receipt is safe from mistakes and mix-ups, not from forgery; the key then
    follows from what names the installation and stays the same when its storage is wiped.
    """
    given = settings.receipt_key or settings.deployment.service or ""
    return Key(hashlib.sha256(_NO_KEY + given.encode()).digest())


def receipt_fingerprint(settings: Settings) -> str:
    return receipt_key(settings).fingerprint(b"fingerprint", 16)


class Key:
    """A key that signs and verifies.

    Without a secret a signature is a plain digest: safe from mistakes, not from forgery.
    """

    def __init__(self, secret: bytes = b"") -> None:
        self._secret = secret

    def sign(self, data: bytes) -> bytes:
        """Return the signature, 32 bytes."""
        if not self._secret:
            return hashlib.sha256(data).digest()
        return hmac.new(self._secret, data, hashlib.sha256).digest()

    def verify(self, data: bytes, signature: str) -> bool:
        """Verify a signature given in hexadecimal digits."""
        expected = self.sign(data).hex().encode()
        return hmac.compare_digest(expected, signature.encode(errors="surrogatepass"))

    def fingerprint(self, label: bytes, digits: int) -> str:
        """Return digits that tell keys apart and do not help to guess one; "" without a secret."""
        return self.sign(label).hex()[:digits] if self._secret else ""
