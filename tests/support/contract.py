"""The service of the contract on its place, and what the tests of it save and read."""

from __future__ import annotations

from memory_core import MemoryService
from memory_core.model.records import MemoryRecord
from tests.support.places import Place


class Bench:
    """A service on a place, which can be opened again."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.service = place.service()

    def reopen(self) -> MemoryService:
        self.service.close()
        self.service = self.place.service()
        return self.service


TEA, RYE, OATS = "Likes green tea in the morning", "Allergic to rye bread", "Eats oats on Sundays"


def save(service: MemoryService, text: str, user: str = "ann", **scope: str) -> MemoryRecord:
    (record,) = service.add_text_memory(user, text, **scope)  # type: ignore[arg-type]
    return record


def texts(service: MemoryService, user: str = "ann") -> list[str]:
    return [one.memory for one in service.list_memories(user)]


def check(bench: Bench, expected: dict[str, list[str]]) -> None:
    """Assert all that is said of the users, here and after opening again."""
    for again in (False, True):
        service = bench.reopen() if again else bench.service
        for user, memories in expected.items():
            listed = service.list_memories(user)
            assert [one.memory for one in listed] == memories
            assert all(one.indexed for one in listed)
            assert len({one.id for one in listed}) == len(listed)
            for one in listed:
                assert service.get_memory(user, one.id) == one
                assert service.query_memories(user, one.memory)[0].memory == one
        counts = {user: len(memories) for user, memories in expected.items() if memories}
        assert {one.user_id: one.memories for one in service.users()} == counts
        assert service.status().memories == sum(counts.values())
        assert sum(service.memories_per_day().values()) == sum(counts.values())
    # Nothing is left in the store that should have been deleted, and nothing is missing.
    assert bench.service.audit().clean
