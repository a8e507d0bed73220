"""The command line: parse, one call, render."""

# Each adds its commands to `cli`.
from . import (  # noqa: F401
    activity,
    demo,
    mcp_server,
    memories,
    redeploy_test,
    storage,
    transfer,
    users,
)
from .base import cli, main

__all__ = ["cli", "main"]
