"""The card of a server, kept with the installation: `server/v1/<time>.json`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ..errors import EntryExists, MemoryCoreError
from ..model.encoder import decode, encode
from ..model.server_card import ServerCard, ServerManners
from .objects import ObjectStore

_ROOT: Final = "server/v1/"
# For a server that could not be tried: settings that lose nothing on any server.
_UNKNOWN: Final = ServerManners(atomic_puts=False, lists_all=False)
_logger = logging.getLogger("memory_core")


class CardKeeper:
    """Reads the card of the server in use, or makes it with `probe`, in some seconds."""

    def __init__(
        self, objects: ObjectStore, endpoint: str, probe: Callable[[], ServerCard]
    ) -> None:
        self._objects = objects
        self._endpoint = endpoint
        self._probe = probe
        self.card: ServerCard | None = None

    def find(self) -> ServerCard | None:
        """Return the newest card if it is of this endpoint, else None."""
        key = max(self._objects.list(_ROOT), default=None)
        data = self._objects.get(key) if key else None
        card = None
        # A damaged card, or an incompatible one of another release, counts as none.
        with suppress(ValueError):
            card = decode(ServerCard, json.loads(data or b""))
        self.card = card if card and card.endpoint == self._endpoint else None
        return self.card

    def known(self) -> ServerManners:
        """Return the manners on the card; without one, those that lose nothing."""
        card = self.card or self.find()
        return card.manners if card else _UNKNOWN

    def find_or_make(self) -> ServerManners:
        """Return the manners as `known`, after trying the server if there is no card."""
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
        # Two processes at once have the same result.
        with suppress(EntryExists):
            name = f"{card.taken_at:%Y%m%dT%H%M%S%f}.json"
            data = json.dumps(encode(card), ensure_ascii=False)
            self._objects.put_if_absent(_ROOT + name, data.encode())
        self._objects.delete(earlier)
        self.card = card
        return card
