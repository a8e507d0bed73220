"""Keeps secrets out of everything the doctor says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlsplit

SHORTEST = 6
"""Characters of the shortest secret: anything shorter would be found in ordinary words."""

_SHOWS_ITS_END = 16
_SECRET_NAME = re.compile(
    r"key|secret|token|passw|credential|hook|auth|cookie|dsn|private|signature", re.I
)
# What looks like a secret is one, also under a name that does not say so.
_SECRET_SHAPES = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|\bsk-[A-Za-z0-9_-]{12,}"
    r"|(?<![A-Za-z0-9/+=])(?=[A-Za-z0-9/+]*[G-Zg-z/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)


def is_secret(name: str) -> bool:
    """Say whether a variable of that name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def tail(secret: str) -> str:
    """Return what may be shown of a secret: its last 4 characters, nothing of a short one."""
    return "…" + (secret[-4:] if len(secret) >= _SHOWS_ITS_END else "")


class Masker:
    """Replaces the secrets of an environment wherever they stand in a text."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._shown: dict[str, str] = {}
        self.add(value for name, value in given.items() if is_secret(name))
        self.add(filter(None, map(_password, given.values())))

    def add(self, secrets: Iterable[str]) -> None:
        """Know more secrets, as those that a credentials file holds."""
        for secret in secrets:
            for form in _forms(secret):
                # As it stands, and as a message or an address may have it.
                for written in (form, repr(form)[1:-1], quote(form, safe="")):
                    if len(written) >= SHORTEST:
                        self._shown[written] = tail(form)
        self._shown = dict(sorted(self._shown.items(), key=lambda one: -len(one[0])))

    def hide(self, text: str) -> str:
        """Return the text with at most the last 4 characters of each secret."""
        for secret, shown in self._shown.items():
            text = text.replace(secret, shown)
        return _SECRET_SHAPES.sub(lambda found: tail(found[0]), text)

    def value_of(self, name: str, value: str) -> str:
        """Return what may be shown of a variable."""
        return tail(value) if value and is_secret(name) else self.hide(value)


def _forms(secret: str) -> set[str]:
    """Return a secret with and without what was copied along: spaces, line ends, quotes."""
    forms = {secret}
    bare = secret.strip()
    while True:
        forms.add(bare)
        forms.update(bare.split())
        if len(bare) < SHORTEST or bare[0] not in "'\"" or bare[0] != bare[-1]:
            break
        bare = bare[1:-1].strip()
    return forms


def _password(value: str) -> str | None:
    """Return the password in an address, as in https://name:password@host."""
    if "://" not in value:
        return None
    try:
        return urlsplit(value.strip()).password
    except ValueError:
        return None
