"""The chain: whatever is removed, changed or put in shows, and retention says what it took."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory_core.activity import ActivityLog, Actor, chain
from memory_core.activity.chain import Head, anchor_key, encode, log_key
from memory_core.model.signature import Key
from memory_core.render import activity_log
from memory_core.storage.objects import LocalObjects

ANN = Actor("ann")
ENTRY = {"at": "2025-11-01T00:00:00+00:00", "who": "eve", "action": "save", "outcome": "done"}
Damage = Callable[["Place"], None]


class Place:
    """A folder with a log of nine segments, and ways to do harm to it."""

    def __init__(self, folder: Path, secret: str | None = None) -> None:
        self.folder = folder
        self.secret = secret
        self.objects = LocalObjects(folder)
        log = self.log()
        for number in range(9):
            log.note(ANN, "save", detail=f"number {number}")

    def log(self, **options: object) -> ActivityLog:
        return ActivityLog(self.objects, **{"secret": self.secret, **options})  # type: ignore[arg-type]

    def path(self, number: int) -> Path:
        return self.folder / log_key(number)

    def problems(self, **options: object) -> str:
        check = self.log(**options).check()
        assert check.whole is (not check.problems)
        return "\n".join(check.problems)

    def forge(self, number: int, key: Key, detail: str = "forged") -> None:
        """Write a segment anew that links as it should."""
        before = self.path(number - 1).read_bytes()
        head = Head(number - 1, chain.digest_of(before))
        data = encode(head, "eve", datetime.now(UTC), [{**ENTRY, "detail": detail}], key)
        self.path(number).unlink(missing_ok=True)
        self.path(number).write_bytes(data)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def sealed(tmp_path: Path) -> Place:
    return Place(tmp_path / "sealed", "a secret")


def test_an_untouched_chain_is_whole(place: Place, sealed: Place) -> None:
    for one, is_sealed in ((place, False), (sealed, True)):
        check = one.log().check()
        assert (check.whole, check.segments, check.entries) == (True, 9, 9)
        assert (check.sealed, check.head[0], check.removed) == (is_sealed, 9, 0)
        document = activity_log.check_document(check)
        assert document["head"] == f"9:{chain.digest_of(one.path(9).read_bytes())}"
    told = activity_log.check_text(place.log().check())
    assert "The chain is whole.\n9 entries in 9 segments" in told
    assert "Not all of it is sealed" in told
    assert "Not all of it" not in activity_log.check_text(sealed.log().check())


def test_an_empty_log_is_whole(tmp_path: Path) -> None:
    assert ActivityLog(LocalObjects(tmp_path)).check().whole


def _changed(old: bytes, new: bytes, number: int) -> Damage:
    def harm(place: Place) -> None:
        data = place.path(number).read_bytes()
        place.path(number).unlink()
        place.path(number).write_bytes(data.replace(old, new))
        assert place.path(number).read_bytes() != data

    return harm


def _removed(*numbers: int) -> Damage:
    return lambda place: [place.path(number).unlink() for number in numbers] and None


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_removed(4), "segment 4 is missing, between 20"),
        (_removed(4, 5, 6), "segments 4 to 6 are missing, between 20"),
        (_removed(1), "segment 1 is missing, between the beginning and 20"),
        (_changed(b"number 4", b"number 7", 5), "segment 5 with 1 entry, of 20"),
        (_changed(b"number 8", b"number 7", 9), "segment 9 with 1 entry, of 20"),
        (_changed(b'"who"', b'"whom"', 5), "segment 5 was changed: it cannot be read; the one"),
        (lambda place: place.forge(5, Key()), "segment 5, of 20"),
        (lambda place: place.path(7).rename(place.path(12)), "segment 12 was replaced by"),
        (lambda place: place.path(5).write_bytes(b""), "segment 5 was changed: it cannot be"),
    ],
)  # fmt: skip
def test_what_was_removed_changed_or_put_in_shows(place: Place, harm: Damage, told: str) -> None:
    harm(place)
    assert told in place.problems()
    # A writer goes on all the same, and the harm still shows.
    place.log().note(ANN, "save")
    assert told in place.problems()
    assert place.log().page().entries[0].action == "save"


def test_with_a_key_nobody_without_it_can_write_the_chain_anew(sealed: Place) -> None:
    sealed.forge(9, Key())
    assert "segment 9, of 20" in sealed.problems()
    assert "has no seal though earlier ones have" in sealed.problems()
    sealed.forge(9, Key(b"another"))
    assert "was sealed with another key than MEMORY_ACTIVITY_KEY" in sealed.problems()
    sealed.forge(9, Key(b"a secret"))
    assert sealed.problems() == ""
    assert "was sealed with another key" in sealed.problems(secret=None)


def test_a_key_that_is_set_later_seals_from_then_on(place: Place) -> None:
    place.log(secret="new").note(ANN, "save")
    check = place.log(secret="new").check()
    assert (check.whole, check.sealed) == (True, False)


def test_an_end_that_was_removed_shows_to_whoever_knew_it(place: Place) -> None:
    running = place.log()
    running.note(ANN, "save")
    known = running.check().head
    for number in (9, 10):
        place.path(number).unlink()
    assert "its end was removed" in running.check().problems[0]
    assert place.problems() == ""
    assert "its end was removed" in place.log().check(known).problems[0]
    assert place.log().check((3, "0" * 64)).problems == (
        "segment 3 is not the one that was written",
    )
    running.note(ANN, "save")
    assert "segments 9 to 10 are missing" in place.problems()


def _backdate(place: Place, days: int) -> None:
    """Write the whole log anew, a segment a day, the first as of almost so many days ago."""
    head = Head(0, "")
    at = datetime.now(UTC) - timedelta(days=days, hours=-12)
    for number in range(1, 10):
        place.path(number).unlink()
        moment = at + timedelta(days=number)
        data = encode(
            head,
            "w",
            moment,
            [{**ENTRY, "at": moment.isoformat()}],
            Key((place.secret or "").encode()),
        )
        place.path(number).write_bytes(data)
        head = Head(number, chain.digest_of(data))


@pytest.mark.parametrize("secret", [None, "a secret"])
def test_retention_removes_old_segments_and_the_chain_says_so(
    tmp_path: Path, secret: str | None
) -> None:
    place = Place(tmp_path, secret)
    _backdate(place, 15)
    place.log().note(ANN, "save")
    log = place.log(days=10)
    assert log.remove_old() == 4
    assert log.remove_old() == 0
    assert sorted(path.name for path in place.path(1).parent.iterdir())[0] == "000000000005.jsonl"
    check = log.check()
    assert (check.whole, check.removed, check.head[0]) == (True, 4, 11)
    told = activity_log.check_text(check)
    assert "4 entries up to 20" in told
    assert "were removed, as MEMORY_ACTIVITY_DAYS says" in told
    newest = log.page().entries
    assert activity_log.entry_sentence(newest[0]) == (
        "retention removed old entries of the activity log: 4"
    )
    assert len(newest) == 7
    # Later again: one anchor is left, and it counts everything.
    place.path(11).unlink()
    assert place.log(days=8).remove_old() == 2
    assert [path.name for path in (tmp_path / "activity/v1/anchors").iterdir()] == [
        "000000000007.json"
    ]
    assert place.log().check().removed == 6


def test_removing_by_hand_is_not_retention(place: Place) -> None:
    _backdate(place, 15)
    place.log().note(ANN, "save")
    place.log(days=10).remove_old()
    place.path(5).unlink()
    assert "segment 5 is missing, between the beginning and" in place.problems()
    (place.folder / anchor_key(5)).write_bytes(b"{}")
    assert "retention removed cannot be read" in place.problems()
    assert place.log(days=9).remove_old() == 0


def test_a_removal_that_was_cut_off_is_finished_by_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _backdate(place, 15)
    place.log().note(ANN, "save")
    with monkeypatch.context() as cut_off:
        cut_off.setattr(chain.Chain, "_delete_before", lambda chain, first: None)
        place.log(days=10).remove_old()
    assert place.path(1).exists()
    assert place.problems() == ""
    assert place.log(days=10).remove_old() == 0
    assert not place.path(1).exists()
    assert place.problems() == ""


def test_a_clock_that_runs_ahead_does_not_empty_the_log(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=4000)
    clock = type("Clock", (datetime,), {"now": staticmethod(lambda _: ahead)})
    monkeypatch.setattr(chain, "datetime", clock)
    assert place.log(days=10).remove_old() == 0
    assert place.log().check().entries == 9


def test_the_end_of_a_long_log_is_found_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_PAGE", 3)
    objects = LocalObjects(tmp_path)
    for last in range(40):
        for after in (0, last // 2, last):
            assert chain.last_number(objects, after) == last
        objects.put_if_absent(log_key(last + 1), b"x")
