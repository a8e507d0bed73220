"""The command line: parse, one call, render."""

# Each adds its commands to `cli`.
from . import (  # noqa: F401
    activity,
    audit,
    doctor,
    memories,
    redeploy_test,
    transfer,
    users,
)
from .base import cli, main

__all__ = ["cli", "main"]
