"""Receipts: the expectations of a test, kept by the tester and not by the tested storage."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ulid import ULID

from ..errors import InvalidReceipt
from ..model.counting import counted
from ..model.encoder import decode, pick
from ..model.signature import Key
from ..settings import Settings
from .evidence import digest_of, place_digest
from .probes import MOST, make_probes
from .report import Installation, Probe, RealUsers

_VERSION = 1
_NO_KEY = b"holdfast"
_GROUP = 6
_MAC_BYTES = 5
_CODE_BYTES = 16 + 1 + 4 + 4 + 4 + _MAC_BYTES


@dataclass(frozen=True, slots=True)
class RedeployReceipt:
    """A test that was begun.

    `acknowledged` has the numbers of the probes that were read back. Read from a short code,
    `evidence` and `census` are None; `marks` are digests of deployment and place.
    """

    run: str
    count: int
    begun_at: str
    acknowledged: tuple[int, ...]
    evidence: Installation | None
    census: RealUsers | None
    marks: tuple[bytes, bytes]

    @property
    def probes(self) -> list[Probe]:
        """The probes, made again from the test's id."""
        return make_probes(self.run, self.count)


def begin_receipt(
    run: str, count: int, begun_at: str, evidence: Installation, census: RealUsers
) -> RedeployReceipt:
    """Return the receipt of a new test, without an acknowledged probe."""
    marks = digest_of(evidence.deployment), place_digest(evidence)
    return RedeployReceipt(run, count, begun_at, (), evidence, census, marks)


def receipt_key(settings: Settings) -> Key:
    """Return the signing key.

    Without a secret a receipt is safe from mistakes and mix-ups, not from forgery; the key is then
    derived from the name of the installation and stays the same when its storage is wiped.
    """
    given = settings.receipt_key or settings.deployment.service or ""
    return Key(hashlib.sha256(_NO_KEY + given.encode()).digest())


def to_file(receipt: RedeployReceipt, settings: Settings) -> bytes:
    """Return the receipt as a signed file (JSON)."""
    body = {
        "holdfast_redeploy_receipt": _VERSION,
        **pick(receipt, "run", "count", "begun_at", "acknowledged", "evidence", "census"),
        "key": _fingerprint(receipt_key(settings)),
    }
    return _written({**body, "signature": receipt_key(settings).sign(_canonical(body)).hex()})


def write_receipt(receipt: RedeployReceipt, path: Path, settings: Settings) -> None:
    """Write the file atomically, so that it can be read at any moment."""
    staged = path.with_name(f".{path.name}.new")
    staged.write_bytes(to_file(receipt, settings))
    staged.replace(path)


def from_file(content: bytes, settings: Settings) -> RedeployReceipt:
    """Read a file made by `to_file`.

    Raises:
        InvalidReceipt: it is not a receipt, was altered, or is of another installation.
    """
    try:
        data: dict[str, Any] = json.loads(content)
        as_written = _written(data) == content.rstrip(b"\r\n")
        signature = str(data.pop("signature"))
        if data["holdfast_redeploy_receipt"] != _VERSION:
            raise ValueError("another version")
        key = str(data["key"])
        body = _canonical(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise InvalidReceipt(
            "this file is not a receipt of a redeploy test; choose the file downloaded when "
            "the test began"
        ) from exc
    if key != _fingerprint(receipt_key(settings)):
        raise InvalidReceipt(
            "the receipt was signed by another installation, or MEMORY_RECEIPT_KEY changed since; "
            "check it where the test began"
        )
    if not as_written or not receipt_key(settings).verify(body, signature):
        raise InvalidReceipt("the receipt was altered; use the file as it was downloaded")
    try:
        return _from_body(data)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InvalidReceipt(
            "the receipt is signed, but its content is not valid; use the file as it was downloaded"
        ) from exc


def to_code(receipt: RedeployReceipt, settings: Settings) -> str:
    """Return the receipt as a short code, for links and for reading aloud.

    It holds the test's id, the number of probes, and digests of deployment and place.
    """
    acknowledged = hashlib.sha256(bytes(sorted(receipt.acknowledged))).digest()[:4]
    raw = ULID.from_str(receipt.run).bytes + bytes([receipt.count])
    raw += receipt.marks[0] + receipt.marks[1] + acknowledged
    code = _letters(raw + receipt_key(settings).sign(raw)[:_MAC_BYTES])
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))


def from_code(code: str, settings: Settings) -> RedeployReceipt:
    """Read a code made by `to_code`, however it is spaced; only complete tests have one.

    Raises:
        InvalidReceipt: it is not a code, was mistyped, or is of another installation.
    """
    letters = "".join(code.split()).replace("-", "").upper()
    try:
        raw = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        raw = b""
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    # Decoding ignores the spare bits of the last letter.
    whole = len(raw) == _CODE_BYTES and _letters(raw) == letters
    if not whole or mac != receipt_key(settings).sign(body)[:_MAC_BYTES]:
        raise InvalidReceipt(
            "this is not the code of a redeploy test of this installation; copy all of it, or "
            "choose the receipt file"
        )
    run, count = str(ULID.from_bytes(body[:16])), body[16]
    numbers = tuple(range(1, count + 1))
    if hashlib.sha256(bytes(numbers)).digest()[:4] != body[25:29]:
        raise InvalidReceipt(
            "not every probe of this test was stored; choose the receipt file, which says which"
        )
    begun_at = ULID.from_str(run).datetime.isoformat(timespec="seconds")
    return RedeployReceipt(run, count, begun_at, numbers, None, None, (body[17:21], body[21:25]))


def _from_body(data: Mapping[str, Any]) -> RedeployReceipt:
    run, count = str(ULID.from_str(data["run"])), int(data["count"])
    if not 1 <= count <= MOST:
        raise InvalidReceipt(
            f"the receipt names {counted(count, 'probe')}; there can be 1 to {MOST}"
        )
    evidence, census = decode(Installation, data["evidence"]), decode(RealUsers, data["census"])
    receipt = begin_receipt(run, count, data["begun_at"], evidence, census)
    return replace(receipt, acknowledged=tuple(data["acknowledged"]))


def _fingerprint(key: Key) -> str:
    return key.fingerprint(b"fingerprint", 16)


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def _letters(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=")


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, ensure_ascii=False).encode()
