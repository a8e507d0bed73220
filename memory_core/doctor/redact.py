"""Masking of secrets in all output of the doctor."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlsplit

SHORTEST = 6
"""Length of the shortest secret that is masked: shorter ones occur in ordinary words."""

_SHOWS_ITS_END = 16
_SECRET_NAME = re.compile(
    r"key|secret|token|passw|pwd|credential|hook|alert|auth|cookie|dsn|private|signature", re.I
)
_PARAMETER = re.compile(r"(?<=[?&;#])([\w.%[\]-]{1,100})=([^\s&;#'\"<>]+)")
_MORE_PARAMETERS = frozenset("sig code pass jwt session session_id sid sas otp pin ticket".split())
"""Names of parameters that hold secrets in links to storage and in sign-ins."""

_USER_AND_PASSWORD = re.compile(r"(?<=://)([^/\s:@'\"]*):([^/\s@'\"]+)(?=@)")
# A value of this shape is a secret under any name.
_SECRET_SHAPES = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b|\bsk-[A-Za-z0-9_-]{12,}"
    r"|(?<![A-Za-z0-9/+=])(?=[A-Za-z0-9/+]*[G-Zg-z/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)

# What follows the name of a secret; the name is kept.
_NAMED_SECRET = re.compile(
    r"(?i)(://[^\s/:@]{1,100}:)[^\s/@]{1,200}(?=@)|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*"
    r"|(\b(?:Bearer|Basic)\s{1,9})[\w.~+/=-]{8,}|((?:password|passwd|secret|token|api[-_]?key"
    r"|access[-_]?key|authorization|credential|signature|cookie)[\w-]{0,20}[\"']?\s{0,9}[=:]"
    r"\s{0,9}[\"']?(?:(?:Bearer|Basic)\s{1,9})?)[^\s\"'&,;)}\]]{4,}"
)


def is_secret(name: str) -> bool:
    """Recognize the name of a variable that holds a secret."""
    return _SECRET_NAME.search(name) is not None


def tail(secret: str) -> str:
    """Return the last 4 characters of a secret after an ellipsis; none of a short one."""
    return "…" + (secret[-4:] if len(secret) >= _SHOWS_ITS_END else "")


class Masker:
    """Masks the secrets of an environment in any text."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._shown: dict[str, str] = {}
        self.add(value for name, value in given.items() if is_secret(name))
        self.add(filter(None, map(_password, given.values())))

    def add(self, secrets: Iterable[str]) -> None:
        """Add secrets, such as those of a credentials file."""
        for secret in secrets:
            for form in _forms(secret):
                # As it is, and as a message or an address quotes it.
                for written in (form, repr(form)[1:-1], quote(form, safe="")):
                    if len(written) >= SHORTEST:
                        self._shown[written] = tail(form)
        self._shown = dict(sorted(self._shown.items(), key=lambda pair: -len(pair[0])))

    def hide(self, text: str) -> str:
        """Return the text with at most the last 4 characters of each secret."""
        for secret, shown in self._shown.items():
            text = text.replace(secret, shown)
        text = _USER_AND_PASSWORD.sub(lambda match: f"{match[1]}:{tail(match[2])}", text)
        text = _PARAMETER.sub(_hidden_parameter, text)
        return _SECRET_SHAPES.sub(lambda match: tail(match[0]), text)

    def hide_named(self, text: str) -> str:
        """Return a text of another program, with what it calls a secret masked as well."""
        return _NAMED_SECRET.sub(r"\1\2\3…", self.hide(text))

    def value_of(self, name: str, value: str) -> str:
        """Return the value of a variable as it may be shown."""
        return tail(value) if value and is_secret(name) else self.hide(value)


def _hidden_parameter(match: re.Match[str]) -> str:
    name, value = match.groups()
    plain = unquote(name).lower()
    if is_secret(plain) or plain in _MORE_PARAMETERS:
        return f"{name}={tail(value)}"
    # It may be an address itself, such as the target of a redirect.
    inner = unquote(value)
    hidden = _PARAMETER.sub(_hidden_parameter, inner) if inner != value else inner
    return match[0] if hidden == inner else f"{name}={hidden}"


def _forms(secret: str) -> set[str]:
    """Return a secret with and without the spaces, line ends and quotes copied with it."""
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
