"""The command line: parse, one call, render."""

# Imported for the commands that they add to `cli`.
from . import doctor, memories, redeploy, upkeep, users  # noqa: F401
from .base import cli, main

__all__ = ["cli", "main"]
