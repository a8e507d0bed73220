"""Signatures of receipts and of the activity log: HMAC-SHA256."""

import hashlib
import hmac


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
        """Return digits that identify a key and do not help to guess it; "" without a secret."""
        return self.sign(label).hex()[:digits] if self._secret else ""
