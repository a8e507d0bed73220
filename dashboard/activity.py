"""What somebody did, for the record."""

from __future__ import annotations

import logging

from dashboard.auth import visitor

_logger = logging.getLogger("dashboard")


def note(
    action: str, *, user_id: str | None = None, detail: str = "", outcome: str = "done"
) -> None:
    """Note what the visitor of now did, for which user and how it ended; never a memory's text."""
    who = visitor.current()
    _logger.info(
        "activity: %s (%s) %s, %s%s%s",
        who.name,
        who.role.word,
        action,
        outcome,
        f", user {user_id}" if user_id else "",
        f", {detail}" if detail else "",
    )
