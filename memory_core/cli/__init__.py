"""The command line: parse, one call, render."""

# They add their commands to `cli`.
from . import doctor, logs, memories, moves, redeploy, transfer, upkeep, users  # noqa: F401
from .base import cli, main

__all__ = ["cli", "main"]
