"""The card of a server, kept with the installation: `server/v1/<time>.json`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Final

from ..errors import EntryExists, MemoryCoreError
from ..model.server_card import Capability, ServerCard, ServerManners
from .objects import ObjectStore

_ROOT: Final = "server/v1/"
# Of a server that could not be tried: what loses nothing on any.
_UNKNOWN: Final = ServerManners(atomic_puts=False, lists_all=False)
_logger = logging.getLogger("memory_core")


class CardKeeper:
    """Reads the card of the server in use, and has it made; `probe` takes some seconds."""

    def __init__(
        self, objects: ObjectStore, endpoint: str, probe: Callable[[], ServerCard]
    ) -> None:
        self._objects = objects
        self._endpoint = endpoint
        self._probe = probe
        self.card: ServerCard | None = None

    def find(self) -> ServerCard | None:
        """Return the newest card of this endpoint, None where there is none."""
        key = max(self._objects.list(_ROOT), default=None)
        data = self._objects.get(key) if key else None
        card = _decode(data) if data else None
        self.card = card if card and card.endpoint == self._endpoint else None
        return self.card

    def known(self) -> ServerManners:
        """Return the manners on the card; where there is none, Amazon's but of nothing lost."""
        card = self.card or self.find()
        return card.manners if card else _UNKNOWN

    def find_or_make(self) -> ServerManners:
        """Return the manners as `known`; the first time the server is tried."""
        try:
            self.card = self.find() or self.renew()
        except MemoryCoreError as exc:
            _logger.warning("what the server can do could not be tried: %s", exc)
            return _UNKNOWN
        return self.known()

    def renew(self) -> ServerCard:
        """Try the server, and keep the card in place of earlier ones."""
        card = self._probe()
        earlier = [*self._objects.list(_ROOT)]
        # Two at once found out the same.
        with suppress(EntryExists):
            name = f"{card.taken_at:%Y%m%dT%H%M%S%f}.json"
            data = json.dumps(asdict(card), ensure_ascii=False, default=datetime.isoformat)
            self._objects.put_if_absent(_ROOT + name, data.encode())
        self._objects.delete(earlier)
        self.card = card
        return card


def _decode(data: bytes) -> ServerCard | None:
    """Return a card; None for one that is damaged or of another release."""
    try:
        document = json.loads(data)
        return ServerCard(
            **{
                **document,
                "taken_at": datetime.fromisoformat(document["taken_at"]),
                "manners": ServerManners(**document["manners"]),
                "capabilities": tuple(Capability(**each) for each in document["capabilities"]),
            }
        )
    except (ValueError, KeyError, TypeError):
        return None
