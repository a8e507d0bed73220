"""A demo with fewer of the invented people than it has, for tests of what is done with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_core.doctor import demo_director

_MEMORIES = 8
_NAMES = ("Alice@Example.com", "elif@example.com", "giulia.Rossi@Example.com")


def invite_few(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a demo have a few memories of three of the twelve, enough for each scene.

    The talk loads all of them.
    """
    folder.mkdir(exist_ok=True)
    for name in _NAMES:
        lines = (demo_director.PEOPLE / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (folder / f"{name}.jsonl").write_text("".join(lines[:_MEMORIES]))
    patch.setattr(demo_director, "PEOPLE", folder)
