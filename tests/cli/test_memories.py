"""Every command does what it says, for people and as one JSON document."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from memory_core import Settings, open_service
from memory_core.cli import cli
from tests.support.command_line import CommandsHere, Result
from tests.support.paths import ROOT
from tests.support.s3_bench import open_bench

OPENED = {
    "chroma": [
        "[Mem0] OK Mem0 service initialized with ChromaDB (local) storage",
        "[Mem0] WARNING: Local ChromaDB will be lost on deployment",
    ],
    "s3_vectors": [
        "[Mem0] OK Mem0 service initialized with S3 (persistent) storage",
        "[Mem0] Using S3 vectors for persistent storage",
    ],
}
TEA, RYE = "Likes green tea in the morning", "Allergic to rye bread"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


BOTH = pytest.mark.parametrize("backend", ["chroma", "s3_vectors"], indirect=True)
"""For what says where memories are; the rest is the same on any store that keeps the contract."""


@pytest.fixture(scope="module", params=["chroma"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def commands(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandsHere]:
    """A backend with two memories of Ann and one of Bob."""
    folder = tmp_path_factory.mktemp("cli")
    if backend == "chroma":
        yield filled(CommandsHere(folder))
        return
    with open_bench() as bench:
        yield filled(CommandsHere(folder, **bench.environ))
        # Nothing but the store that was asked for is written to.
        assert not (folder / "data").exists()


def filled(made: CommandsHere) -> CommandsHere:
    saved = made.run(
        "save", "Ann@X.com ", TEA, "--meta", "topic=drinks", "--agent", "chef", "--json"
    )
    assert saved.document["id"]
    assert made.run("save", "ann@x.com", RYE).code == 0
    assert made.run("save", "bob", RYE).code == 0
    return made


@pytest.fixture
def tea(commands: CommandsHere) -> str:
    """The id of Ann's memory of tea."""
    listed = commands.run("list", "ann@x.com", "--json").document["memories"]
    return next(str(one["id"]) for one in listed if one["memory"] == TEA)


def ok(result: Result) -> str:
    """Return what a command told a person; it has to have told it on stdout alone."""
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("\n")
    return result.out


def is_time(value: Any) -> bool:
    return datetime.fromisoformat(value).utcoffset() is not None


@BOTH
def test_save_says_what_was_stored_and_once_more_that_it_was(
    commands: CommandsHere, backend: str
) -> None:
    document = commands.run("save", "CLEO", "likes figs", "--json").document
    assert {"id", "user_id", "backend", "verified"} <= document.keys()
    assert ID.fullmatch(document["id"])
    assert (document["user_id"], document["backend"]) == ("cleo", backend)
    assert (document["verified"], document["already_stored"]) == (True, False)
    again = commands.run("save", "cleo", "likes figs", "--json").document
    assert (again["id"], again["already_stored"]) == (document["id"], True)
    assert "had been stored already" in ok(commands.run("save", "cleo", "likes figs"))
    told = ok(commands.run("save", "cleo", "likes kiwis", "--no-verify"))
    assert told.startswith(f"Stored 1 memory for cleo in {backend}.")
    assert "read back" not in told
    assert "read back" in ok(commands.run("save", "cleo", "likes plums"))


def test_list_is_complete_and_newest_first(commands: CommandsHere, tea: str) -> None:
    document = commands.run("list", "ANN@x.com", "--json").document
    assert (document["user_id"], document["complete"]) == ("ann@x.com", True)
    assert [one["memory"] for one in document["memories"]] == [RYE, TEA]
    assert document["memories"][1]["id"] == tea
    assert all(is_time(one["created_at"]) for one in document["memories"])
    told = ok(commands.run("list", "ann@x.com"))
    assert told.index(RYE) < told.index(TEA)
    assert tea in told
    assert "2 memories of ann@x.com, complete" in told
    assert "0 memories of nobody, complete" in ok(commands.run("list", "nobody"))


def test_query_ranks(commands: CommandsHere, tea: str) -> None:
    document = commands.run("query", "ann@x.com", "Which tea?", "--json").document
    assert (document["user_id"], document["mode"]) == ("ann@x.com", "exact")
    first, second = document["hits"]
    assert {"id", "memory", "score", "rank", "created_at"} <= first.keys()
    assert (first["id"], first["memory"], first["rank"]) == (tea, TEA, 1)
    assert 1 >= first["score"] > second["score"] >= 0
    assert {"cosine", "bm25", "context", "strength"} <= first.keys()
    assert (first["matched"], second["matched"]) == (["tea"], [])
    assert (
        len(commands.run("query", "ann@x.com", "tea", "--limit", "1", "--json").document["hits"])
        == 1
    )
    index = commands.run("query", "ann@x.com", "tea", "--mode", "index", "--json").document
    assert (index["mode"], index["hits"][0]["id"]) == ("index", tea)
    told = ok(commands.run("query", "ann@x.com", "Which tea?"))
    assert told.splitlines()[0].split()[0] == "1"
    assert TEA in told.splitlines()[0]
    assert "searched all 2 memories of ann@x.com" in told
    assert "nobody has no memories" in ok(commands.run("query", "nobody", "tea"))


def test_get_shows_one_memory_whole(commands: CommandsHere, tea: str) -> None:
    document = commands.run("get", "ann@x.com", tea, "--json").document
    assert (document["id"], document["user_id"], document["memory"]) == (tea, "ann@x.com", TEA)
    assert document["metadata"] == {"topic": "drinks"}
    assert document["agent_id"] == "chef"
    assert is_time(document["created_at"])
    told = ok(commands.run("get", "ann@x.com", tea))
    assert all(part in told for part in (tea, "ann@x.com", "agent chef", "topic: drinks", TEA))


@BOTH
def test_users_and_status_count_exactly(commands: CommandsHere, backend: str) -> None:
    users = commands.run("users", "--json").document
    assert users["complete"] is True
    assert is_time(users["as_of"])
    counts = {one["user_id"]: one["memories"] for one in users["users"]}
    assert (counts["ann@x.com"], counts["bob"]) == (2, 1)
    assert all(is_time(one["last_write"]) for one in users["users"])
    status = commands.run("status", "--json").document
    assert (status["backend"], status["persistent"]) == (backend, backend == "s3_vectors")
    assert status["memories"] == sum(counts.values())
    assert status["embedder"] == {"name": "WordLlama", "dimensions": 256}
    assert status["reason"]
    assert {frozenset(step) for step in status["steps"]} == {
        frozenset({"name", "ok", "detail", "deciding"})
    }
    assert "ann@x.com" in ok(commands.run("users"))


@pytest.mark.parametrize("backend", ["chroma"], indirect=True)
def test_status_warns_of_a_disk_that_a_deployment_wipes(commands: CommandsHere) -> None:
    status = commands.run("status", "--json").document
    assert str(commands.data_dir) in status["location"]["folder"]
    assert status["stand_in"] is None
    told = ok(commands.run("status"))
    assert told.startswith("Temporary: ")
    assert "lost on the next deployment" in told


@pytest.mark.parametrize("backend", ["s3_vectors"], indirect=True)
def test_status_names_bucket_and_index_and_that_it_is_a_stand_in(commands: CommandsHere) -> None:
    status = commands.run("status", "--json").document
    assert {"bucket", "vector bucket", "index", "region", "prefix"} <= status["location"].keys()
    assert status["stand_in"] == status["location"]["endpoint"]
    told = ok(commands.run("status"))
    assert told.startswith("Persistent: memories are on a stand-in for Amazon S3 Vectors at ")


def test_find_says_who_is_meant_and_who_is_close(commands: CommandsHere) -> None:
    document = commands.run("users", "find", " ANN@x.com", "--json").document
    assert (document["user_id"], document["user"]["memories"]) == ("ann@x.com", 2)
    close = commands.run("users", "find", "anne@x.com", "--json").document["close"]
    assert [(one["user_id"], one["reasons"]) for one in close] == [
        ("ann@x.com", ["a typing error"])
    ]
    assert "ann@x.com  2 memories" in ok(commands.run("users", "find", "anne@x.com"))


def test_an_expiry_date_is_set_shown_and_cleared(commands: CommandsHere) -> None:
    saved = commands.run("save", "eva", "likes figs", "--expires", "2020-01-31", "--json")
    memory_id = saved.document["id"]
    assert "expired after 2020-01-31" in ok(commands.run("get", "eva", memory_id))
    assert "expired after 2020-01-31" in ok(commands.run("update", "eva", memory_id, "likes nuts"))
    assert commands.run("query", "eva", "nuts", "--json").document["hits"] == []
    update = ("update", "eva", memory_id, "--expires")
    assert "found until 2099-01-31" in ok(commands.run(*update, "2099-01-31"))
    cleared = commands.run(*update, "never", "--json").document
    assert (cleared["memory"], cleared["expires"], cleared["expired"]) == (
        "likes nuts",
        None,
        False,
    )
    refused = commands.run(*update, "soon")
    assert (refused.code, refused.out) == (2, "")
    assert "expiry 'soon' is not a date; write it like 2027-01-31, or never" in refused.err
    commands.run("forget", "eva", "--yes")


def test_update_changes_and_history_remembers(commands: CommandsHere) -> None:
    one = commands.run("save", "dan", "likes figs", "--meta", "a=1", "--json").document["id"]
    updated = commands.run("update", "Dan", one, "likes dates", "--meta", "b=2", "--json").document
    assert (updated["id"], updated["memory"], updated["verified"]) == (one, "likes dates", True)
    assert updated["metadata"] == {"a": "1", "b": "2"}
    assert "likes nuts" in ok(commands.run("update", "dan", one, "likes nuts"))
    deleted = commands.run("delete", "dan", one, "--json").document
    assert (deleted["user_id"], deleted["removed"], deleted["left"]) == ("dan", 1, 0)
    history = commands.run("history", "dan", "--json").document
    assert history["user_id"] == "dan"
    assert [(event["kind"], event["memory"]) for event in history["events"]] == [
        ("ADD", "likes figs"),
        ("UPDATE", "likes dates"),
        ("UPDATE", "likes nuts"),
        ("DELETE", None),
    ]
    assert all(event["id"] == one and is_time(event["at"]) for event in history["events"])
    assert commands.run("history", "dan", one, "--json").document == history
    told = ok(commands.run("history", "dan"))
    assert "4 events of dan" in told
    assert "Deleted 1 memory of dan" in ok(
        commands.run("delete", "dan", commands.run("save", "dan", "x", "--json").document["id"])
    )


def test_a_deletion_by_a_filter_is_previewed_confirmed_and_brought_back(
    commands: CommandsHere,
) -> None:
    for text in ("likes figs", "likes dates", "has a dog"):
        commands.run("save", "kim", text)
    chosen = ("delete", "kim", "--where", "text=likes")
    assert "Preview of kim: 2 deleted." in ok(commands.run(*chosen, "--dry-run"))
    assert "Aborted" in commands.run(*chosen).err
    assert "3 memories of kim, complete" in ok(commands.run("list", "kim"))
    document = commands.run(*chosen, "--yes", "--json").document
    assert [(change["kind"], change["after"]) for change in document["changes"]] == [
        ("deleted", None)
    ] * 2
    assert (document["failed"], document["verified"]) == ([], 2)
    state = commands.run("history", "kim", "--at", document["before"], "--json").document
    assert [memory["memory"] for memory in state["memories"]] == [
        "has a dog",
        "likes dates",
        "likes figs",
    ]
    told = ok(commands.run("changes", "kim", "--since", document["before"]))
    assert told.endswith("2 changes of kim\n")
    assert "- likes figs" in told
    since = commands.run("changes", "kim", "--since", "1h", "--json").document
    assert (since["since"], since["until"]) == ("1h", None)
    back = ("restore", "kim", "--at", document["before"])
    planned = commands.run(*back, "--dry-run", "--json").document
    assert sorted(planned["restored"]) == sorted(item["id"] for item in document["changes"])
    assert (len(planned["unchanged"]), planned["failed"], planned["preview"]) == (1, [], True)
    restored = ok(commands.run(*back, "--yes"))
    assert "Memories of kim: 2 brought back." in restored
    assert "2 read back. Undo: restore kim --at " in restored
    assert "1 memory of kim" in ok(commands.run("list", "kim", "--where", "text=DATES"))
    exported = ok(commands.run("export", "--user", "kim", "--where", "text=figs"))
    assert len(exported.splitlines()) == 3
    for wrong in (
        ("restore", "kim"),
        # As of a script whose variable is not set.
        ("restore", "kim", "", "--at", "now", "--yes"),
        ("delete", "kim", ""),
        ("delete", "kim", "none", "--dry-run"),
        ("update", "kim", "--where", "text=x"),
    ):
        refused = commands.run(*wrong)
        assert (refused.code, refused.out) == (2, ""), wrong
    refused = commands.run("restore", "kim", "--at", "soon")
    assert (refused.code, "'soon' is not a time" in refused.err) == (2, True)


def test_a_commit_that_was_deployed_is_a_moment(tmp_path: Path) -> None:
    line = CommandsHere(tmp_path)
    line.run("save", "ann", "likes tea")
    deployed = line.environ(RENDER_GIT_COMMIT="c0ffee1" + "0" * 33)
    with open_service(Settings.from_env(deployed)) as service:
        (start,) = service.starts()
    line.run("save", "ann", "likes rye")
    state = line.run("history", "ann", "--at", start.commit[:7].upper(), "--json").document
    assert [memory["memory"] for memory in state["memories"]] == ["likes tea"]
    unknown = line.run("history", "ann", "--at", "c0ffee2")
    assert (unknown.code, "is not a time" in unknown.err) == (2, True)


def test_upload_cuts_a_file_into_memories(commands: CommandsHere, tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text('{"memory": "likes figs"}\n{"memory": "likes dates"}\n')
    document = commands.run("upload", "eve", str(file), "--json").document
    assert (document["user_id"], document["verified"]) == ("eve", True)
    assert [one["memory"] for one in document["memories"]] == ["likes figs", "likes dates"]
    told = ok(commands.run("upload", "eve", str(file)))
    assert "2 memories for eve had been stored already" in told


def test_upload_names_what_it_left_out(commands: CommandsHere) -> None:
    chat = ROOT / "tests/documents/chats/conversations.json"
    document = commands.run("upload", "gil", str(chat), "--json").document
    assert document["left_out"] == ["2 media files"]
    # Both conversations say the same; each message is a memory of its own.
    assert len(document["memories"]) == 6
    told = ok(commands.run("upload", "gil", str(chat)))
    assert "6 memories for gil had been stored already" in told
    assert told.rstrip().endswith("Left out:\n  2 media files")


def test_forget_asks_unless_told_not_to(commands: CommandsHere) -> None:
    for text in ("likes figs", "likes dates"):
        commands.run("save", "fay", text)
    for answer in ("n\n", "\n", ""):
        refused = commands.run("forget", "fay", stdin=answer)
        assert refused.code == 1
        assert "Forget 2 memories of fay" in refused.err
        assert "Traceback" not in refused.err
        assert refused.out == ""
    assert len(commands.run("list", "fay", "--json").document["memories"]) == 2
    agreed = commands.run("forget", "Fay", "--json", stdin="y\n")
    assert agreed.code == 0
    assert '"removed": 2' in agreed.out
    assert "Forgot 0 memories of fay" in ok(commands.run("forget", "fay", "--yes"))
    history = commands.run("history", "fay", "--json").document
    assert [event["kind"] for event in history["events"]] == ["FORGET"]


def test_normalize_says_what_it_changed(commands: CommandsHere) -> None:
    document = commands.run("normalize", " Ann@X.com\u200b", "--json").document
    assert (document["raw"], document["user_id"]) == (" Ann@X.com\u200b", "ann@x.com")
    assert len(document["changes"]) == 3
    assert ok(commands.run("normalize", "ann")) == "ann\n"


@BOTH
def test_verbose_shows_the_log_lines_letter_for_letter_on_stderr(
    commands: CommandsHere, backend: str
) -> None:
    saved = commands.run("-v", "save", "Gus@X.com", "likes figs")
    assert saved.err.splitlines() == [
        *OPENED[backend],
        "[Mem0] OK Memory added for user gus@x.com",
    ]
    assert saved.out.startswith("Stored 1 memory")
    found = commands.run("-v", "query", "gus@x.com", "figs", "--json")
    assert found.err.splitlines()[2:] == ["[Mem0] Found 1 relevant memories for user gus@x.com"]


def test_help_names_every_command_and_needs_no_backend(
    commands: CommandsHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ok(commands.run("--help", MEMORY_BACKEND="nonsense"))
    assert "Usage: python -m memory_core" in ok(commands.run("list", "-h", MEMORY_BACKEND="x"))
    monkeypatch.setenv("MEMORY_BACKEND", "nonsense")
    for name in cli.commands:
        assert re.search(rf"^  {name} ", told, re.MULTILINE), name
        shown = CliRunner().invoke(cli, [name, "-h"])
        assert (shown.exit_code, shown.stderr) == (0, ""), name
        assert shown.stdout.startswith(f"Usage: cli {name} "), name
    assert "holdfast" in ok(commands.run("--version"))


def test_the_past_is_read_while_the_index_is_gone(tmp_path: Path) -> None:
    commands = CommandsHere(tmp_path)
    assert commands.run("save", "ann", "likes tea").code == 0
    shutil.rmtree(commands.data_dir / "chroma")
    assert commands.run("list", "ann").code == 3
    state = commands.run("history", "ann", "--at", "now", "--json").document
    assert [memory["memory"] for memory in state["memories"]] == ["likes tea"]
    assert "likes tea" in commands.run("changes", "ann").out
    assert commands.run("restore", "ann", "--at", "1w", "--dry-run").code == 0
