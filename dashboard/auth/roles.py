"""Roles of the dashboard, in ascending order."""

from __future__ import annotations

from enum import IntEnum

from memory_core.errors import SettingsError


class Role(IntEnum):
    """Each role includes those before it."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """Name of the role in settings and on pages."""
        return self.name.lower()

    @property
    def with_article(self) -> str:
        """Name of the role with its article: a viewer, an operator."""
        return f"{'a' if self is Role.VIEWER else 'an'} {self.word}"

    @classmethod
    def of(cls, word: str, where: str) -> Role:
        """Return the role of that name.

        Raises:
            SettingsError: there is no such role; the message begins with `where`.
        """
        for role in cls:
            if word.lower() == role.word:
                return role
        roles = ", ".join(role.word for role in cls)
        raise SettingsError(f"{where} names the role {word[:20]!r}; set it to one of {roles}")
