"""The command line: parse, one call, render."""

# Each adds its commands to `cli`.
from . import activity, mcp_server, memories, redeploy_test, storage, transfer, users  # noqa: F401
from .base import cli, main

__all__ = ["cli", "main"]
