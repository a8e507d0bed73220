"""Encryption settings of buckets and indexes; nothing is really encrypted."""

from __future__ import annotations

import uuid

from .context import Context, Params
from .errors import access_denied, invalid

DEFAULT = {"sseType": "AES256"}


def encryption_of(context: Context, params: Params) -> dict[str, str] | None:
    """Return the checked encryptionConfiguration of a create request, or None."""
    asked = params.get("encryptionConfiguration")
    if not asked:
        return None
    kind, key = asked.get("sseType", "AES256"), asked.get("kmsKeyArn")
    if kind == "AES256" and key is not None:
        raise invalid("kmsKeyArn must not be specified when sseType is AES256.")
    if kind == "aws:kms" and key is None:
        raise invalid("kmsKeyArn must be specified when sseType is set to aws:kms")
    if key is not None and key not in context.switches.kms_keys:
        raise access_denied(f"Key '{key}' does not exist (kms_request_id={uuid.uuid4()})")
    return {"sseType": kind} if key is None else {"sseType": kind, "kmsKeyArn": key}
