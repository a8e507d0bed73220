"""What a child of the zygote does with the activity log."""

from __future__ import annotations

from pathlib import Path

from memory_core.activity import ActivityLog, Actor
from memory_core.storage.objects import LocalObjects
from tests.support.zygote import Report


def act(report: Report, data_dir: str, name: str, times: int) -> None:
    """Look at users and remove files, each removal as an operation of the activity log."""
    log, actor = ActivityLog(LocalObjects(Path(data_dir))), Actor(name)
    for number in range(times):
        log.note(actor, "view", user_id=f"user {number}")
        with log.operation(actor, "delete", user_id="ann", detail=str(number)) as noted:
            Path(data_dir, f"{name}.{number}").unlink()
            noted.detail = str(number)
        report(number)
    log.close()
