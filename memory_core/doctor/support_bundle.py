"""The support bundle: one file of findings, settings and log lines, without personal data."""

import json
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from ..memories.log_lines import LogLine
from ..model.encoder import encode, pick
from ..model.signature import Key
from .findings import Diagnosis

_IN_MAIL = r"[^\s'\"<>()\[\]/:;,=]"
# Only from the start of a word: from every letter, the time would be quadratic in its length.
_MAIL = re.compile(rf"(?<!{_IN_MAIL}){_IN_MAIL}+(?:@|%40){_IN_MAIL}+")
_FOLDER = re.compile(r"(ledger/v1/)([^/\s'\"]+)")
# As log lines and error messages name a user.
_NAMED = re.compile(r"(for user |for Memory: )(\S+)|((?:user|user id) )('[^']*'|\"[^\"]*\")")
_LINES = 50
_LEFT_OUT = "(left out)"


def make_bundle(
    diagnosis: Diagnosis, *, lines: Iterable[LogLine] = (), personal: bool = False
) -> bytes:
    """Return the bundle as one JSON document in UTF-8.

    Unless `personal` is set, users appear as digests and ids of memories are left out. Within a
    bundle a user keeps the same digest; its key is not stored, so addresses cannot be tried out. Of
    `lines`, the newest 50 warnings and errors are included; texts of memories and secrets never.
    Take the diagnosis with `with_users`, so that ids other than e-mail addresses are recognized.
    """
    redactor = _Redactor(diagnosis.user_ids)
    redact: Callable[[str], str] = str if personal else redactor.redact
    findings = encode(diagnosis.findings)
    if not personal:
        for finding in findings:
            finding["evidence"] = [redactor.evidence(fact) for fact in finding["evidence"]]
    document = {
        "made_for": "support",
        "taken_at": encode(diagnosis.taken_at),
        "personal": personal,
        **pick(diagnosis, "summary", "sentence", "tags", "versions"),
        "settings": encode(diagnosis.sources),
        "findings": findings,
        **pick(diagnosis, "checks", "silenced"),
        "recent_errors": [
            {"at": line.at.isoformat(), "level": line.level, "text": diagnosis.hide(line.text)}
            for line in lines
            if line.level not in ("DEBUG", "INFO")
        ][-_LINES:],
    }
    return json.dumps(_through(document, redact), ensure_ascii=False, indent=2).encode()


class _Redactor:
    """Replaces whatever may name a person by a digest."""

    def __init__(self, user_ids: Iterable[str]) -> None:
        self._key = Key(secrets.token_bytes(32))
        forms = {
            form for name in user_ids for form in (name, quote(name, safe=""), repr(name)[1:-1])
        }
        longest_first = sorted(forms, key=lambda form: -len(form))
        words = "|".join(map(re.escape, longest_first))
        self._known = re.compile(rf"(?<![\w@.-])(?:{words})(?![\w@-])", re.I) if words else None

    def redact(self, text: str) -> str:
        text = _FOLDER.sub(lambda match: match[1] + self._digest(match[2]), text)
        text = _MAIL.sub(lambda match: self._digest(match[0]), text)
        if self._known:
            text = self._known.sub(lambda match: self._digest(match[0]), text)
        return _NAMED.sub(self._named, text)

    def evidence(self, fact: dict[str, Any]) -> dict[str, Any]:
        """Return a piece of evidence with its user or memory replaced."""
        if not fact["about"]:
            return fact
        value = self._digest(fact["value"]) if fact["about"] == "user" else _LEFT_OUT
        return fact | {"value": value}

    def _named(self, match: re.Match[str]) -> str:
        before, name = (match[1], match[2]) if match[1] else (match[3], match[4])
        return match[0] if name.strip("'\"").startswith("user-") else before + self._digest(name)

    def _digest(self, user_id: str) -> str:
        """Return the stand-in for a user: the same for every spelling in a record."""
        plain = user_id.strip("'\"").replace("%40", "@").lower().strip()
        return "user-" + self._key.sign(plain.encode()).hex()[:10]


def _through(value: Any, redact: Callable[[str], str]) -> Any:
    """Apply a function to every text of a document."""
    if isinstance(value, dict):
        return {key: _through(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_through(item, redact) for item in value]
    return redact(value) if isinstance(value, str) else value
