"""How it stands with a service and with what lies on its local disk -> text, and JSON."""

from __future__ import annotations

from typing import Any

from . import render
from .encoder import encode
from .records import MigrationStatus, Status
from .render import counted, one_line, utc


def status_document(status: Status) -> dict[str, Any]:
    """Return the status of a service, with how it stands with the local disk."""
    migration = {**encode(status.migration), "rate": round(status.migration.rate, 1)}
    return {**render.status_document(status), "migration": migration}


def status_text(status: Status) -> str:
    """Return the same for a terminal; nothing of the local disk where nothing is on it."""
    return "\n".join([render.status_text(status), *_migration_lines(status.migration)])


def _migration_lines(status: MigrationStatus) -> list[str]:
    words = {
        "off": f"{counted(status.total, 'memory')} on the local disk, not all on S3",
        "waiting": f"{counted(status.total, 'memory')} on the local disk wait to come to S3",
        "running": f"{status.done:,} of {status.total:,} steps done",
        "elsewhere": f"{status.done:,} of {status.total:,} steps done by another process",
        "done": f"{counted(status.done, 'memory')} of the local disk came along",
        "incomplete": f"{counted(status.failed, 'memory')} of the local disk did not come along",
        "failed": "the local disk could not be migrated",
        "stopped": "ended before it was done; the next start goes on",
    }
    if status.state not in words:
        return []
    said = f"migration {status.state}: {words[status.state]}"
    if status.finished_at:
        said += f", {utc(status.finished_at)}"
    return [f"{said}; {one_line(status.message)}" if status.message else said]
