"""The support bundle: one file with all that helps, and nothing that is anybody's own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from ..memories.log_lines import LogLine
from ..model.encoder import encode, pick
from .findings import Diagnosis

_MAIL = re.compile(r"[^\s'\"<>()\[\]/:;,=]+(?:@|%40)[^\s'\"<>()\[\]/:;,=]+")
_FOLDER = re.compile(r"(ledger/v1/)([^/\s'\"]+)")
# As the log lines and the sentences of our errors name a user.
_NAMED = re.compile(r"(for user |for Memory: )(\S+)|((?:user|user id) )('[^']*'|\"[^\"]*\")")
_LINES = 50
_NOT_TOLD = "(left out)"


def make_bundle(
    diagnosis: Diagnosis, *, lines: Iterable[LogLine] = (), personal: bool = False
) -> bytes:
    """Return the bundle as one JSON document in UTF-8.

    Users appear as digests, the same one for the same user, and ids of memories are left out,
    unless `personal` is asked for. Of `lines`, the newest 50 warnings and errors are in it. No
    memory's text is, nor any secret. Take the diagnosis with `with_users`, so that ids that are no
    e-mail addresses are known.
    """
    redact: Callable[[str], str] = str if personal else _Redactor(diagnosis.user_ids).redact
    findings = []
    for one in diagnosis.findings:
        told = encode(one)
        told["evidence"] = [_evidence(piece, personal) for piece in told["evidence"]]
        findings.append(told)
    document = {
        "made_for": "support",
        "taken_at": encode(diagnosis.taken_at),
        "personal": personal,
        **pick(diagnosis, "summary", "sentence", "tags", "versions"),
        "settings": encode(diagnosis.sources),
        "findings": findings,
        **pick(diagnosis, "checks", "silenced"),
        "recent_errors": [
            _line(one, diagnosis.hide) for one in lines if one.level not in ("DEBUG", "INFO")
        ][-_LINES:],
    }
    return json.dumps(_through(document, redact), ensure_ascii=False, indent=2).encode()


class _Redactor:
    """Puts a digest in the place of everything that may name a person."""

    def __init__(self, user_ids: Iterable[str]) -> None:
        forms = {form for one in user_ids for form in (one, quote(one, safe=""), repr(one)[1:-1])}
        longest_first = sorted(forms, key=lambda one: -len(one))
        words = "|".join(map(re.escape, longest_first))
        self._known = re.compile(rf"(?<![\w@.-])(?:{words})(?![\w@-])", re.I) if words else None

    def redact(self, text: str) -> str:
        text = _FOLDER.sub(lambda found: found[1] + digest(found[2]), text)
        text = _MAIL.sub(lambda found: digest(found[0]), text)
        if self._known:
            text = self._known.sub(lambda found: digest(found[0]), text)
        return _NAMED.sub(_named, text)


def digest(user_id: str) -> str:
    """Return what stands for a user: the same for every spelling that a record may have."""
    plain = user_id.strip("'\"").replace("%40", "@").lower().strip()
    return "user-" + hashlib.sha256(plain.encode()).hexdigest()[:10]


def _named(found: re.Match[str]) -> str:
    before, name = (found[1], found[2]) if found[1] else (found[3], found[4])
    return found[0] if name.strip("'\"").startswith("user-") else before + digest(name)


def _evidence(piece: dict[str, Any], personal: bool) -> dict[str, Any]:
    if personal or not piece["about"]:
        return piece
    value = digest(piece["value"]) if piece["about"] == "user" else _NOT_TOLD
    return piece | {"value": value}


def _line(one: LogLine, hide: Callable[[str], str]) -> dict[str, str]:
    return {"at": one.at.isoformat(), "level": one.level, "text": hide(one.text)}


def _through(value: Any, redact: Callable[[str], str]) -> Any:
    """Pass every text of a document through a function."""
    if isinstance(value, dict):
        return {key: _through(one, redact) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_through(one, redact) for one in value]
    return redact(value) if isinstance(value, str) else value
