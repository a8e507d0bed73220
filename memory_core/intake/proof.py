"""The proof: what has to be there, read back by somebody who wrote nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from ..batches import batches
from ..identity import UserId
from ..ledger import Ledger
from ..memories import Memories
from ..stores.base import PUT_BATCH
from .journal import Journal
from .values import Digest


class Proof:
    """What was found of one user's memories, and what was to be found."""

    def __init__(self, ledger: Ledger, user_id: UserId) -> None:
        self.expected = Digest()
        self.found = Digest()
        self.unindexed = 0
        self._view = ledger.view(user_id)

    def compare(self, memories: Memories, rows: Iterable[tuple[str, bytes]]) -> None:
        """Read memories back by their ids; `rows` have the id and the mark of each."""
        marks = dict(rows)
        for mark in marks.values():
            self.expected.add_mark(mark)
        ids = [one for one in marks if one in self._view.live]
        found, missing = memories.read(self._view, ids)
        for one, vector in found.items():
            self.found.add(one, vector.payload["data"])
        self.unindexed += len(missing)


def prove(ledger: Ledger, memories: Memories, journal: Journal) -> Iterator[tuple[UserId, Proof]]:
    """Yield every user of whom something was to be kept, and what was read back.

    Ledger and memories are new ones, which have nothing in their caches.
    """
    for user_id, rows in groupby(journal.kept(), key=lambda row: row[0]):
        proof = Proof(ledger, user_id)
        for part in batches(((kept, mark) for _, kept, mark in rows), PUT_BATCH):
            proof.compare(memories, part)
        yield user_id, proof
