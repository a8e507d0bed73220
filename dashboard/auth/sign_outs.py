"""Sessions that end here end on all instances, and stay ended after a restart."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from dashboard.auth.access import Access
from dashboard.auth.sessions import SignOuts
from memory_core.errors import MemoryCoreError

from ..connection import connection

_logger = logging.getLogger("dashboard")

ASK_S: Final = 10.0
"""How often the other instances are asked for while somebody is signed in here."""


def tell(session_id: str, until: float) -> None:
    """Let the other instances know; without storage they learn nothing, and show nothing."""
    try:
        _shared().add(session_id, until)
    except MemoryCoreError as error:
        _logger.error("a sign-out could not be passed on: %s", error)


def learn(access: Access) -> None:
    """Ask which sessions the other instances ended, or this one in an earlier life."""
    try:
        access.sessions.learn(_shared().digests())
    except MemoryCoreError as error:
        _logger.error("sign-outs elsewhere could not be read: %s", error)


async def follow(access: Access) -> None:
    """Ask again and again. Without a secret of its own no cookie is good elsewhere or later."""
    if access.open or not access.settings.secret:
        return
    while True:
        await asyncio.to_thread(learn, access)
        await asyncio.sleep(ASK_S)
        while not access.sessions.any:
            await asyncio.sleep(1)


def _shared() -> SignOuts:
    """Return the ended sessions in the storage of the one service."""
    return SignOuts(connection().service().parts.backend.objects)
