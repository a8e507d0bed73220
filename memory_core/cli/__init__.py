"""The command line: parse, one call, render."""

from . import memories, redeploy, transfer, upkeep, users  # noqa: F401 - they add their commands to `cli`.
from .base import cli, main

__all__ = ["cli", "main"]
