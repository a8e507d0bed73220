"""Records of other systems: shapes, spellings, times, states, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from memory_core import InvalidMemory
from memory_core.model.foreign_record import (
    NotAMemory,
    json_values,
    owner_of,
    read_record,
    records,
    spelling,
    state_of,
)
from memory_core.model.moments import read_time

MOMENT = "2024-07-26T08:44:41+00:00"


@pytest.mark.parametrize(
    "written",
    [
        "2024-07-26T08:44:41Z", "2024-07-26 08:44:41 UTC", "2024-07-26 08:44:41 +0000 UTC",
        "2024-07-26T10:44:41+02:00", "2024-07-26 08:44:41+00", "2024/07/26 08:44:41",
        "20240726T084441Z", "Fri, 26 Jul 2024 08:44:41 GMT", "26.07.2024 08:44:41",
        1721983481, 1721983481.0, 1721983481000, 1721983481000000, 1721983481000000000,
        "1721983481", "1721983481000",
    ],
)  # fmt: skip
def test_a_time_is_read_however_it_is_written(written: object) -> None:
    assert read_time(written) == read_time(MOMENT)


@pytest.mark.parametrize("written", ["26.07.2024", "July 26, 2024", "2024-07-26", 20240726])
def test_a_date_is_its_first_moment(written: object) -> None:
    assert read_time(written).isoformat() == "2024-07-26T00:00:00+00:00"


@pytest.mark.parametrize(
    "written", ["last Tuesday", "07/26/2024", "03/04/24", 2024, 7, True, "-1", "9" * 400, [], "x"]
)
def test_a_time_that_is_not_certain_is_not_read(written: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_time(written)


def test_the_time_of_a_memory_is_never_guessed() -> None:
    # As it stands there, for which the memory is refused.
    odd = read_record({"memory": "x", "createdAt": "last Tuesday"})
    assert odd.document["created_at"] == "last Tuesday"
    read = read_record({"memory": "x", "updated_at": "soon", "forgetAfter": "2030-01-02T03:04:05Z"})
    assert (read.lost, read.document["expiration_date"]) == (("updated_at",), "2030-01-02")


@pytest.mark.parametrize(
    ("name", "snake"),
    [("createdAt", "created_at"), ("Created At", "created_at"), ("userID", "user_id"),
     ("user-id", "user_id"), ("ID", "id"), ("_id", "_id"), (7, "7")],
)  # fmt: skip
def test_spellings(name: object, snake: str) -> None:
    assert spelling(name) == snake


@pytest.mark.parametrize(
    ("record", "owner"),
    [
        ({"user_id": "Ann"}, "Ann"), ({"userId": 7}, "7"), ({"User ID": 7.0}, "7"),
        ({"user": {"id": 1, "email": "a@x.com"}}, "a@x.com"), ({"user": "ann"}, "ann"),
        ({"user": "U1", "text": "hi", "ts": "1.0"}, None), ({"containerTags": ["ann"]}, "ann"),
        ({"containerTags": ["ann", "shop"]}, None), ({"containerTag": "sm_project_default"}, None),
        ({"spaceContainerTag": "ann", "user_id": ""}, "ann"), ({"user_id": None}, None),
        ({"userId": "account", "chunkCount": 2, "containerTags": ["ann"]}, "ann"),
        ({"userId": "account", "chunkCount": 2}, None),
        ({"metadata": {"userId": "bob"}}, "bob"), ({"user_id": "NULL"}, None),
        ({"user_id": True}, None), ({}, None), ("text", None), ([], None),
    ],
)  # fmt: skip
def test_who_is_named(record: Any, owner: str | None) -> None:
    assert owner_of(record) == owner


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ({"state": "Deleted"}, "deleted"), ({"status": "archived"}, "archived"),
        ({"state": "MemoryState.paused"}, "paused"), ({"state": "active"}, ""),
        ({"status": "done"}, ""),
        ({"deleted": True}, "deleted"), ({"is_deleted": "false"}, ""), ({"deleted": 0}, ""),
        ({"deleted_at": "2025-07-03T10:00:00+00:00"}, "deleted"), ({"deletedAt": None}, ""),
        ({"archived_at": 1751536800}, "archived"), ({"expired_at": "2025-01-01"}, "superseded"),
        ({"invalid_at": "2999-01-01T00:00:00Z"}, ""), ({"isForgotten": True}, "forgotten"),
        ({"isLatest": False}, "superseded"), ({"isLatest": True}, ""),
        ({"is_active": "false"}, "inactive"), ("text", ""), ({"enabled": False}, "disabled"),
        ({"state": "expired"}, "expired"), ({"event": "DELETE"}, "deleted"), ({"event": "ADD"}, ""),
        ({"metadata": {"deletedAt": MOMENT}}, "deleted"), ({"metadata": {"state": "paused"}}, ""),
    ],
)  # fmt: skip
def test_what_is_not_in_use(record: Any, state: str) -> None:
    assert state_of(record) == state


def test_unknown_fields_become_metadata_where_they_fit() -> None:
    read = read_record({
        "uuid": 12, "fact": "x", "userId": "ann", "agent": "the cook", "session_id": 9,
        "categories": ["a", "b"], "empty": [], "nothing": None, "score": 0.5, "hash": "h",
        "vector": [0.1], "attributes": {"deep": {"er": 1}, "n": 1, "$x": 1, "data": "y"},
        "": 0, "n": 2, "steps": {"a": 1}, "memory_type": 3, "long": "y" * 2_000,
    })  # fmt: skip
    assert read.document == {
        "id": "12", "memory": "x", "user_id": "ann", "run_id": "9", "memory_type": "3",
        "metadata": {"deep": '{"er": 1}', "n": 1, "agent": "the cook", "categories": ["a", "b"],
                     "score": 0.5},
    }  # fmt: skip
    assert sorted(read.lost) == ["long", "metadata.$x", "metadata.data", "n", "steps"]


def test_metadata_is_json_in_a_table_and_names_no_second_user() -> None:
    document = read_record({"text": "x", "metadata": '{"a": 1, "user_id": "ann"}'}).document
    assert (document["metadata"], document["user_id"]) == ({"a": 1}, "ann")
    assert read_record({"text": "x", "metadata": "plain"}).lost == ("metadata",)
    with pytest.raises(InvalidMemory, match="names two users, 'ann' and 'bob'"):
        read_record({"text": "x", "user_id": "ann", "metadata": {"userId": "bob"}})
    table = {"id": "1", "text": "null", "created_at": "NULL", "updated_at": "\\N", "note": "nan"}
    assert read_record(table).document == {"id": "1", "memory": "null", "metadata": {}}


@pytest.mark.parametrize(
    "answer",
    [
        {"success": True, "data": {"memories": [{"content": "x", "user_id": "ann"}]}},
        {"result": {"points": [{"id": 1, "payload": {"data": "x", "user_id": "ann"}}]}},
        {"user_id": "ann", "profile": {"static": ["x"], "dynamic": []}},
        {"user_id": "ann", "namespace": ["memories"], "value": {"content": "x"}},
        {"user_id": "ann", "blocks": None, "memory": {"blocks": [{"label": "a", "value": "x"}]}},
        [{"user_id": "ann", "label": "human", "value": "x", "limit": 5000}],
    ],
)
def test_what_lies_in_an_answer_is_found(answer: Any) -> None:
    [record] = records(answer)
    assert read_record(record).document["memory"] == "x"
    assert owner_of(record) in ("ann", None)


def test_an_agent_file_of_letta_is_its_blocks() -> None:
    agent = {"id": "agent-0", "name": "Sam", "block_ids": ["block-0"], "messages": [{}, {}]}
    blocks = [{"id": "block-0", "label": "human", "value": "Likes tea.", "metadata": {"a": 1}},
              {"id": "block-1", "label": "persona", "value": ""}]  # fmt: skip
    read = list(records({"agents": [agent], "blocks": blocks, "files": [], "tools": []}))
    left_out = [NotAMemory("empty block"), *[NotAMemory("message of a conversation")] * 2]
    assert read[1:] == left_out
    assert read_record(read[0]).document == {
        "memory": "Likes tea.", "metadata": {"a": 1, "label": "human", "agent_name": "Sam"},
    }  # fmt: skip
    core = {"core_memory": [{"label": "human", "value": "x", "created_at": MOMENT}], "name": "Sam",
            "messages": [{}], "agent_type": "memgpt_agent"}  # fmt: skip
    former, message = records(core)
    assert read_record(former).document["created_at"] == MOMENT
    assert message == NotAMemory("message of a conversation")


def test_facts_of_zep() -> None:
    edge = {"uuid": "e1", "fact": "Ann likes tea", "name": "LIKES", "created_at": MOMENT,
            "source_node_uuid": "n1", "expired_at": None, "episodes": ["p1"],
            "attributes": {"since": 2020}}  # fmt: skip
    page = {"user_id": "ann", "edges": [edge, {**edge, "uuid": "e2", "expired_at": MOMENT}],
            "nodes": [{"uuid": "n1", "name": "Ann", "summary": "Ann drinks."}]}  # fmt: skip
    read = [read_record(record) for record in records(page)]
    assert [entry.state for entry in read] == ["", "superseded", ""]
    assert read[0].document == {
        "id": "e1", "user_id": "ann", "memory": "Ann likes tea", "created_at": MOMENT,
        "metadata": {"since": 2020, "name": "LIKES", "source_node_uuid": "n1", "episodes": ["p1"]},
    }  # fmt: skip
    assert read[2].document["memory"] == "Ann drinks."


def test_entries_and_documents_of_supermemory() -> None:
    entry = {"id": "m1", "memory": "x", "version": 1, "isLatest": True, "isForgotten": False,
             "isStatic": False, "createdAt": MOMENT, "history": [{"memory": "w"}],
             "spaceContainerTag": "ann"}  # fmt: skip
    pages = [
        {"memoryEntries": [entry, {**entry, "isForgotten": True}], "pagination": {"limit": 10}},
        {"documents": [{"id": "d", "content": "whole", "memoryEntries": [entry]}]},
        {"memories": [{"id": "d1", "summary": "s", "title": "t", "containerTags": ["bob"]}]},
    ]
    read = [read_record(record) for record in records(pages)]
    assert [entry.state for entry in read] == ["", "forgotten", "", ""]
    assert [entry.document.get("user_id") for entry in read] == ["ann", "ann", "ann", "bob"]
    assert [entry.document["memory"] for entry in read] == ["x", "x", "x", "s"]
    assert read[0].lost == ("history",)
    assert read[0].document["created_at"] == MOMENT


def test_a_backup_of_openmemory_names_its_user_apps_and_categories() -> None:
    backup = {
        "user": {"id": "u-1", "user_id": "dan"},
        "apps": [{"id": "a-1", "name": "cursor"}],
        "categories": [{"id": "c-1", "name": "music"}],
        "memories": [{"id": "m-1", "content": "x", "user_id": "u-1", "app_id": "a-1",
                      "category_ids": ["c-1"], "state": "active"}, 7],
    }  # fmt: skip
    first, second = records(backup)
    assert read_record(first).document == {
        "id": "m-1", "memory": "x", "user_id": "dan",
        "metadata": {"app": "cursor", "categories": ["music"]},
    }  # fmt: skip
    assert second == 7


@pytest.mark.parametrize("odd", [
    None, 7, [], {}, {"blocks": [7, {}]}, {"agents": 7, "blocks": []},
    {"user": {}, "memories": [7]}, {"results": [], "relations": 7},
    {"core_memory": [{"value": 7}]}, {"user": {"user_id": []}},
    {"user": {"id": "u"}, "memories": [{"app_id": {}, "category_ids": 7, "content": "x"}]},
])  # fmt: skip
def test_what_is_of_another_shape_breaks_nothing(odd: Any) -> None:
    for record in records(odd):
        if not isinstance(record, NotAMemory):
            assert isinstance(read_record(record).document, dict)
    assert list(records([[[odd]]])) == list(records(odd))


def test_depth_has_an_end() -> None:
    nested: Any = "x"
    for _ in range(500):
        nested = [nested]
    assert len(list(records(nested))) == 1


def test_values_of_json_follow_one_another() -> None:
    assert list(json_values(' {"a": NaN}\n[1]\n\n"x"')) == [{"a": None}, [1], "x"]
    with pytest.raises(ValueError, match="Expecting"):
        list(json_values("{} nothing"))
