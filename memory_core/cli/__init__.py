"""The command line: parse, one call, render."""

# They add their commands to `cli`.

from .base import cli, main

__all__ = ["cli", "main"]
