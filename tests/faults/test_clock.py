"""Clocks that run ahead or stand still change the order of nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ulid import ULID

from memory_core import MemoryService
from memory_core.model.records import Kind


def send_into_the_future(data_dir: Path, user: str, by: timedelta) -> None:
    """Rename a user's entries as if a clock that was ahead had written them."""
    for entry in sorted((data_dir / "ledger" / "v1" / user).iterdir()):
        ulid, rest = entry.name[:26], entry.name[26:]
        later = ULID.from_datetime(datetime.now(UTC) + by)
        entry.rename(entry.with_name(f"{str(later)[:10]}{ulid[10:]}{rest}"))


def test_what_is_done_after_an_entry_from_the_future_still_counts(
    data_dir: Path, reopen: Callable[[], MemoryService]
) -> None:
    service = reopen()
    (tea,) = service.add_text_memory("ann", "likes tea")
    send_into_the_future(data_dir, "ann", timedelta(days=400))
    service = reopen()
    service.update_memory("ann", tea.id, "likes cocoa", verify=True)
    assert [one.memory for one in service.list_memories("ann")] == ["likes cocoa"]
    service.delete_memory("ann", tea.id)
    assert service.list_memories("ann") == []
    service.add_text_memory("ann", "likes tea", verify=True)
    assert [one.memory for one in reopen().list_memories("ann")] == ["likes tea"]
    kinds = [event.kind for event in reopen().history("ann")]
    assert kinds == [Kind.ADD, Kind.UPDATE, Kind.DELETE, Kind.ADD]
    assert reopen().forget_user("ann").removed == 1
    assert [event.kind for event in reopen().history("ann")] == [Kind.FORGET]


def test_many_changes_within_one_tick_keep_their_order(service: MemoryService) -> None:
    (one,) = service.add_text_memory("ann", "text 0")
    for number in range(1, 30):
        service.update_memory("ann", one.id, f"text {number}")
    said = [event.memory for event in service.history("ann")]
    assert said == [f"text {number}" for number in range(30)]
    assert service.get_memory("ann", one.id).memory == "text 29"
