"""Snapshots of long ledgers: few listings, the same view, and nothing lost or left behind."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory_core import Kind, UserId
from memory_core.ledger import ALL, EventDraft, Ledger, UserView
from memory_core.ledger.entries import encode_event, entry_name, folder_of, last_ulid_at
from memory_core.ledger.snapshots import SNAPSHOTS
from memory_core.storage.objects import LocalObjects

ANN = UserId("ann@example.com")
FOLDER = folder_of(ANN)
PLACE = FOLDER.replace("ledger/v1/", SNAPSHOTS)
START = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 1_000
MANY = 1_300


class Distant(LocalObjects):
    """A disk whose listings take requests, of which each has 1,000 keys."""

    lists_freely = False
    pages = 0

    def version(self, prefix: str) -> None:
        return None

    def list(self, prefix: str, start_after: str = "") -> Iterator[str]:
        self.pages += 1
        for place, key in enumerate(super().list(prefix, start_after)):
            self.pages += bool(place and place % PAGE == 0)
            yield key


def write(root: Path, second: float, *drafts: EventDraft) -> str:
    """Write an event of this second as any writer would have; return its key."""
    at = START + timedelta(seconds=second)
    key = FOLDER + entry_name(last_ulid_at(at), drafts)
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(encode_event(ANN, draft, at) for draft in drafts))
    return key


def added(number: int, **marks: object) -> EventDraft:
    payload = {"data": f"secret {number}", "user_id": ANN}
    return EventDraft(Kind.ADD, f"m{number}", ANN, payload, **marks)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user of 1,303 objects: single events, a batch, a memory that moved in, a restored one."""
    root = tmp_path_factory.mktemp("filled")
    write(root, 0, *(added(number) for number in range(3)))
    first = write(root, 1, added(3, moved={"from": "local"}))
    for number in range(4, MANY):
        write(root, number, added(number))
    write(root, MANY, EventDraft(Kind.DELETE, "m3", ANN))
    write(root, MANY + 1, added(3, restored=first.rpartition("/")[2][:26]))
    write(root, MANY + 2, EventDraft(Kind.DELETE, "m9", ANN))
    return root


@pytest.fixture
def root(filled: Path, tmp_path: Path) -> Path:
    root = tmp_path / "data"
    folder = root / FOLDER
    folder.mkdir(parents=True)
    for path in (filled / FOLDER).iterdir():
        (folder / path.name).hardlink_to(path)
    return root


def look(root: Path) -> tuple[UserView, int]:
    """Return the view of a process that has just begun, and the listings that it took."""
    objects = Distant(root)
    return Ledger(objects).view(ANN), objects.pages


def replayed(root: Path) -> UserView:
    return Ledger(LocalObjects(root)).view(ANN)


def snapshots(root: Path) -> list[Path]:
    return sorted((root / PLACE).glob("*"))


def test_a_new_process_sees_the_same_in_three_listings(root: Path) -> None:
    wanted = replayed(root)
    assert look(root)[0] == wanted
    (snapshot,) = snapshots(root)
    assert snapshot.name[:26] == wanted.last_ulid
    assert Ledger(Distant(root)).snapshots.newest(FOLDER) == wanted.entries
    for number in range(400):
        write(root, 2 * MANY + number, added(MANY + number))
    view, pages = look(root)
    assert (view, pages) == (replayed(root), 3)
    assert view.until(wanted.entries[700].ulid) == wanted.until(wanted.entries[700].ulid)
    assert snapshots(root) == [snapshot]


def test_a_running_process_lists_the_end_alone_and_renews_the_snapshot(root: Path) -> None:
    objects = Distant(root)
    ledger = Ledger(objects)
    view = ledger.view(ANN)
    objects.pages = 0
    ledger.append(view, [EventDraft(Kind.DELETE, "m5", ANN)])
    assert "m5" not in ledger.view(ANN).live
    assert objects.pages == 1
    (before,) = snapshots(root)
    for number in range(600):
        write(root, 10 * 365 * 86_400 + number, added(MANY + number))
    assert ledger.view(ANN) == replayed(root)
    (after,) = snapshots(root)
    assert after.name > before.name
    assert ledger.snapshots.newest(FOLDER)


@pytest.mark.parametrize("second", [MANY - 100.5, 1.5], ids=["late", "put back much later"])
def test_what_comes_late_is_not_lost(root: Path, second: float) -> None:
    ledger = Ledger(Distant(root))
    ledger.view(ANN)
    write(root, second, added(MANY))
    if second == 1.5:
        # Nobody lists so far back before the audit, or before the next snapshot is made.
        assert [root / key for key, _ in ledger.snapshots.wrong()] == snapshots(root)
        for number in range(600):
            write(root, 2 * MANY + number, added(MANY + 1 + number))
    for reader in (ledger, Ledger(Distant(root))):
        assert f"m{MANY}" in reader.view(ANN).live
        assert reader.view(ANN) == replayed(root)
    assert [*ledger.snapshots.wrong()] == []


def test_a_writer_that_was_slow_takes_back_the_snapshots_that_passed_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Distant):
        def put_if_absent(self, key: str, data: bytes) -> None:
            if key.startswith(FOLDER):
                for number in range(600):
                    write(root, 10 * 365 * 86_400 + number, added(MANY + number))
                look(root)
                assert len(snapshots(root)) == 1
            super().put_if_absent(key, data)

    monkeypatch.setattr("memory_core.ledger.ledger._SLOW", timedelta())
    ledger = Ledger(Stopped(root))
    ledger.append(ledger.view(ANN), [EventDraft(Kind.DELETE, "m7", ANN)])
    assert snapshots(root) == []
    assert "m7" not in look(root)[0].live


def test_forgetting_erases_them_at_once_and_none_comes_back(root: Path) -> None:
    objects = Distant(root)
    ledger = Ledger(objects)
    view = ledger.view(ANN)
    (entry,) = ledger.append(view, [EventDraft(Kind.FORGET, ALL, ANN)])
    # Cut off here, or by a release that knows no snapshots: it is found out, and erased.
    assert not look(root)[0].live
    assert not ledger.view(ANN).live
    assert snapshots(root) == []
    ledger.erase(ANN, view.entries)
    assert snapshots(root) == []
    # Another process had listed before, and writes only now.
    ledger.snapshots.keep(FOLDER, view.entries)
    assert snapshots(root) == []
    assert look(root)[0].entries == (entry,)


def test_one_that_is_damaged_or_anothers_is_passed_over_and_named(root: Path) -> None:
    look(root)
    (path,) = snapshots(root)
    whole = path.read_bytes()
    other = path.with_name(path.name.replace(path.name[27:59], "0" * 32))
    stranger = root / SNAPSHOTS / "bob" / path.name
    stranger.parent.mkdir()
    for name, content in [(path, whole[:-9]), (path, b""), (path, whole), (other, whole)]:
        name.write_bytes(content)
        assert look(root)[0] == replayed(root)
    stranger.write_bytes(whole)
    other.write_bytes(whole)
    wrong = dict(Ledger(Distant(root)).snapshots.wrong())
    assert wrong.keys() == {str(at.relative_to(root)) for at in (other, stranger)}


def test_they_hold_no_text_and_two_writers_make_the_same(root: Path) -> None:
    look(root)
    (path,) = snapshots(root)
    content = path.read_bytes()
    again = Ledger(Distant(root)).snapshots
    again.keep(FOLDER, again.newest(FOLDER))
    assert [at.read_bytes() for at in snapshots(root)] == [content]
    assert b"secret" not in zlib.decompress(content)
    assert b"m77" in zlib.decompress(content)


def test_where_none_can_be_written_the_view_is_the_same(root: Path) -> None:
    (root / SNAPSHOTS).parent.mkdir(exist_ok=True)
    (root / SNAPSHOTS.rstrip("/")).write_text("in the way")
    view, pages = look(root)
    assert view == replayed(root)
    assert pages <= 4


def test_on_a_disk_where_listing_is_free_there_are_none(root: Path) -> None:
    assert len(replayed(root).live) == MANY - 1
    assert snapshots(root) == []
