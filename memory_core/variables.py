"""Typed access to variables, with errors that name variable and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from .errors import SettingsError

_Choice = TypeVar("_Choice", bound=str)


class Reader:
    """Reads variables; raises `SettingsError` for a value that is none of those allowed."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        value = self._environ.get(name, "").strip()
        if value[:1] in "'\"" and value[:1] == value[-1:] and value:
            raise SettingsError(
                f"{name} has quotation marks around its value; set it again without them"
            )
        return value or None

    def choice(self, name: str, allowed: tuple[_Choice, ...]) -> _Choice:
        value = self.text(name)
        if value is None:
            return allowed[0]
        for option in allowed:
            if value.lower() == option:
                return option
        raise SettingsError(f"{name} is {value!r}; set it to one of {', '.join(allowed)}")

    def prefix(self, name: str, default: str) -> str:
        """Return a prefix that ends with a slash, or none at all for a slash alone."""
        stripped = (self.text(name) or default).strip("/")
        return f"{stripped}/" if stripped else ""

    def number(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name) or str(default)
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise SettingsError(
                f"{name} is {value!r}; set it to a whole number from {least} to {most}"
            )
        return int(value)

    def flag(self, name: str, default: str = "0") -> bool:
        value = (self.text(name) or default).lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        raise SettingsError(f"{name} is {value!r}; set it to 1 or 0")


class Surveyor(Reader):
    """Notes what is wrong with a variable and takes the default in its place."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.names: list[str] = []
        self.problems: dict[str, str] = {}

    def text(self, name: str) -> str | None:
        self.names.append(name)
        try:
            return super().text(name)
        except SettingsError as exc:
            self.problems[name] = str(exc)
            return None

    def choice(self, name: str, allowed: tuple[_Choice, ...]) -> _Choice:
        try:
            return super().choice(name, allowed)
        except SettingsError as exc:
            self.problems[name] = str(exc)
            return allowed[0]

    def number(self, name: str, default: int, least: int, most: int) -> int:
        try:
            return super().number(name, default, least, most)
        except SettingsError as exc:
            self.problems[name] = str(exc)
            return default

    def flag(self, name: str, default: str = "0") -> bool:
        try:
            return super().flag(name, default)
        except SettingsError as exc:
            self.problems[name] = str(exc)
            return default == "1"
