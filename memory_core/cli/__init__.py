"""The command line: parse, one call, render."""

from . import memories, moves, redeploy, upkeep, users  # noqa: F401 - they add their commands to `cli`.
from .base import cli, main

__all__ = ["cli", "main"]
