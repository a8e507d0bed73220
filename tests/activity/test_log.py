"""The activity log: what is noted, when it is written, how it is read, what forgetting leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory_core import MemoryService
from memory_core.activity import ActivityEntry, ActivityLog, Actor, Wanted, acting, pseudonyms
from memory_core.errors import BackendUnavailable
from memory_core.model.user_id import UserId
from memory_core.render import activity_log
from memory_core.storage.objects import LocalObjects
from tests.support.waiting import wait_for

ANN = Actor("ann@staff.com", "operator", "198.51.100.7")
BEN = Actor("Ben", "viewer", "198.51.100.8")
OpenLog = Callable[..., ActivityLog]


class Failing(LocalObjects):
    """A folder whose disk may be full."""

    full = False

    def put_if_absent(self, key: str, data: bytes) -> None:
        if self.full:
            raise BackendUnavailable("the disk is full", backend="local", operation="put")
        super().put_if_absent(key, data)


@pytest.fixture
def objects(tmp_path: Path) -> Failing:
    return Failing(tmp_path)


@pytest.fixture
def open_log(objects: Failing) -> Iterator[OpenLog]:
    """Open another log on the same objects, as another process does."""
    opened: list[ActivityLog] = []

    def open_one(**options: object) -> ActivityLog:
        opened.append(ActivityLog(objects, **{"flush_s": 60.0, **options}))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    objects.full = False
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: OpenLog) -> ActivityLog:
    return open_log()


def told(log: ActivityLog, **wanted: object) -> list[str]:
    page = log.page(Wanted(**wanted))  # type: ignore[arg-type]
    return [activity_log.entry_sentence(one) for one in page.entries]


def segments(objects: LocalObjects) -> list[str]:
    return [*objects.list("activity/v1/log/")]


def test_every_entry_says_who_did_what_for_whom_from_where_and_how_it_ended(
    log: ActivityLog,
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    log.note(ANN, "save", user_id=" Bob@X.com", detail="2 memories")
    log.note(BEN, "sign-in", outcome="refused")
    log.note(ANN, "reunite", user_id="b", other_id="a", outcome="failed", detail="InvalidMove")
    newest, refused, first = log.page().entries
    assert first == ActivityEntry(
        1, 0, first.at, ANN, "save", first.user, None, "2 memories", "done", ""
    )  # fmt: skip
    assert first.user is not None
    assert first.user.user_id == "bob@x.com"
    assert before < first.at <= refused.at <= newest.at
    assert told(log) == [
        "ann@staff.com tried to merge b into a and it failed: InvalidMove",
        "Ben was not allowed to sign in",
        "ann@staff.com saved for bob@x.com: 2 memories",
    ]


def test_looks_wait_and_go_together_and_what_changes_something_takes_them_along(
    log: ActivityLog, objects: Failing
) -> None:
    for user in ("a", "b", "c"):
        log.note(ANN, "view", user_id=user)
    assert segments(objects) == []
    log.note(BEN, "save", user_id="a")
    assert len(segments(objects)) == 1
    assert len(told(log)) == 4


def test_looks_are_written_after_a_while_without_anybody_asking(
    open_log: OpenLog, objects: Failing
) -> None:
    open_log(flush_s=0.01).note(ANN, "view", user_id="a")
    wait_for("the segment with the look", lambda: segments(objects))
    assert len(told(open_log())) == 1


def test_the_same_look_is_noted_once_and_another_ones_is_not_lost(log: ActivityLog) -> None:
    for _ in range(3):
        log.note(ANN, "view", user_id="a")
        log.note(BEN, "view", user_id="a")
        log.note(ANN, "view", user_id="b")
    assert len(told(log)) == 3


def test_closing_writes_what_waits(log: ActivityLog, objects: Failing) -> None:
    log.note(ANN, "view", user_id="a")
    assert log.written is None
    log.close()
    assert len(segments(objects)) == 1
    assert log.written == log.check().head


def test_what_is_guarded_is_on_record_before_it_begins(log: ActivityLog, objects: Failing) -> None:
    with log.operation(ANN, "forget", user_id="bob@x.com") as under_way:
        assert told(log) == ["ann@staff.com began to forget bob@x.com for good"]
        under_way.detail = "3 memories"
    assert told(log) == ["ann@staff.com forgot bob@x.com for good: 3 memories"]
    with pytest.raises(ZeroDivisionError), log.operation(ANN, "export-all"):
        raise ZeroDivisionError("a text of a memory")
    assert told(log)[0] == (
        "ann@staff.com tried to export the memories of all users and it failed: ZeroDivisionError"
    )


def test_what_is_guarded_does_not_begin_where_it_cannot_be_written(
    log: ActivityLog, objects: Failing
) -> None:
    objects.full = True
    with pytest.raises(BackendUnavailable), log.operation(ANN, "forget", user_id="bob@x.com"):
        pytest.fail("it was done all the same")
    with pytest.raises(BackendUnavailable):
        log.note(ANN, "reveal", user_id="bob@x.com", detail="a ticket")
    objects.full = False
    assert told(log) == []


def test_other_changes_wait_until_the_storage_is_back(log: ActivityLog, objects: Failing) -> None:
    objects.full = True
    log.note(ANN, "save", user_id="a")
    objects.full = False
    log.note(ANN, "save", user_id="b")
    assert told(log) == ["ann@staff.com saved for b", "ann@staff.com saved for a"]


def test_a_log_that_could_not_be_written_for_long_says_how_many_entries_it_lost(
    log: ActivityLog, objects: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_core.activity.log._MOST_WAITING", 3)
    objects.full = True
    for number in range(5):
        log.note(ANN, "save", detail=str(number))
    objects.full = False
    assert told(log) == [
        "ann@staff.com saved for users: 4",
        "ann@staff.com saved for users: 3",
        "ann@staff.com saved for users: 2",
        "the log tried to do: lost and it failed: 2 entries",
    ]


def test_the_filters_narrow_and_pages_go_on_where_the_last_one_ended(log: ActivityLog) -> None:
    for number in range(7):
        log.note(
            ANN if number % 2 else BEN, "save", user_id=f"user{number % 3}", detail=f"{number}"
        )
    with log.operation(ANN, "delete", user_id="user1"):
        pass
    first = log.page(limit=3)
    second = log.page(before=first.before, limit=3)
    third = log.page(before=second.before, limit=3)
    details = [one.detail for page in (first, second, third) for one in page.entries]
    assert details == ["", "6", "5", "4", "3", "2", "1", "0"]
    assert third.before is None
    assert [one.detail for one in log.page(Wanted(who="ben")).entries] == ["6", "4", "2", "0"]
    assert [one.action for one in log.page(Wanted(user_id="User1 ")).entries] == [
        "delete", "save", "save",
    ]  # fmt: skip
    assert len(log.page(Wanted(action="delete")).entries) == 1
    middle = log.page().entries[4].at
    since = log.page(Wanted(since=middle)).entries
    until = log.page(Wanted(until=middle)).entries
    assert min(one.at for one in since) == middle
    assert len(since) + len(until) == 8
    assert log.page(Wanted(user_id="nobody@x.com")).entries == ()


def test_a_beginning_is_not_shown_on_the_page_after_its_end(log: ActivityLog) -> None:
    with log.operation(ANN, "delete", user_id="a"):
        pass
    first = log.page(limit=1)
    assert [one.outcome for one in first.entries] == ["done"]
    assert log.page(before=first.before).entries == ()


def test_a_long_log_is_read_in_parts(log: ActivityLog, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        log.note(ANN, "save", detail=str(number))
    monkeypatch.setattr("memory_core.activity.query._MOST_READ", 4)
    page = log.page(Wanted(action="forget"))
    assert page.entries == ()
    assert page.before is not None
    assert page.back_to is not None
    assert log.page(Wanted(action="forget"), before=page.before).before is None


def test_after_forgetting_nothing_in_the_log_names_the_user(
    service: MemoryService, data_dir: Path
) -> None:
    log = service.activity
    with acting(ANN):
        service.add_text_memory("bob@x.com", "likes rye")
        service.add_text_memory("carol@x.com", "likes rye")
        service.forget_user("Bob@X.com")
    holding = [
        path for path in data_dir.joinpath("activity").rglob("*")
        if "bob" in path.name or (path.is_file() and b"bob" in path.read_bytes())
    ]  # fmt: skip
    assert holding == []
    forgot, carol, bob = told(log)
    assert forgot.startswith("ann@staff.com forgot a forgotten user (")
    assert carol == "ann@staff.com saved for carol@x.com: 1 memory"
    assert bob.startswith("ann@staff.com saved for a forgotten user (")
    assert log.check().whole
    log.note(ANN, "save", user_id="bob@x.com")
    assert told(log, user_id="bob@x.com") == ["ann@staff.com saved for bob@x.com"]


def test_a_user_whom_another_process_has_just_named_is_not_taken_for_forgotten(
    open_log: OpenLog,
) -> None:
    writer, reader = open_log(), open_log()
    writer.note(ANN, "save", user_id="a")
    assert told(reader) == ["ann@staff.com saved for a"]
    writer.note(ANN, "save", user_id="b")
    assert told(reader)[0] == "ann@staff.com saved for b"


def test_marks_are_used_for_a_while_only_and_go_with_the_entries_that_carry_them(
    objects: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def later(days: int) -> None:
        moved = datetime.now(UTC) + timedelta(days=days)
        monkeypatch.setattr(pseudonyms, "datetime", type("Clock", (), {"now": lambda _: moved}))

    known = pseudonyms.Names(objects)
    long = UserId("ü" * 200)
    first = known.mark(long)
    assert pseudonyms.Names(objects).mark(long) == first
    assert known.ids() == {first: long}
    later(31)
    second = known.mark(long)
    assert known.marks(long) == [first, second]
    assert known.ids() == {first: long, second: long}
    later(394)
    known.remove_older(timedelta(days=365))
    assert len(known.marks(long)) == 2
    later(396)
    known.remove_older(timedelta(days=365))
    assert known.marks(long) == [second]
    later(427)
    known.remove_older(timedelta(days=365))
    assert known.marks(long) == []


def test_an_export_is_safe_for_spreadsheets_and_whole(log: ActivityLog) -> None:
    log.note(Actor("=cmd|' /C calc'!A0"), "reveal", user_id="+1@x.com", detail='@ticket, "7"\n8')
    entries = log.page().entries
    table = activity_log.entries_csv(entries).decode("utf-8-sig").split("\r\n")
    assert table[0] == "at,who,role,address,via,action,user,other,detail,outcome,entry"
    assert "'=cmd|' /C calc'!A0,,,dashboard,reveal,'+1@x.com,," in table[1]
    assert '"\'@ticket, ""7"" 8",done,1.0' in table[1]
    assert b'"user": "+1@x.com"' in activity_log.entries_jsonl(entries)


def test_words_that_look_like_places_in_a_sentence_are_left_alone(log: ActivityLog) -> None:
    log.note(Actor("{user}"), "reunite", user_id="{other}", other_id="{user}", detail="{0}")
    assert told(log) == ["{user} merged {other} into {user}: {0}"]
