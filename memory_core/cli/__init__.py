"""The command line: parse, one call, render."""

# They add their commands to `cli`.
from . import (  # noqa: F401
    activity,
    doctor,
    logs,
    memories,
    migrate,
    moves,
    redeploy,
    transfer,
    upkeep,
    users,
)
from .base import cli, main

__all__ = ["cli", "main"]
