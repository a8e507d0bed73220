"""Every call of the service that changes or exports leaves one entry, a read leaves none."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from memory_core import (
    AsyncMemoryService,
    MemoryService,
    Settings,
    open_service,
    redeploy_test,
    transfer,
)
from memory_core import rebuild_index as rebuild
from memory_core.activity import Actor, acting, current_actor
from memory_core.errors import InvalidMemory, InvalidUserId, MemoryCoreError, MemoryNotFound
from memory_core.model.past import MemoryFilter
from memory_core.render.activity_log import entry_sentence
from memory_core.transfer import export_bytes, export_memories, export_stream, import_memories

EVE = Actor("eve", "operator", "198.51.100.7")
SETTING_UP = Actor("setting up")


@dataclass(frozen=True)
class Installation:
    """A service where Ann has one memory and Bob one, and a folder for files."""

    service: MemoryService
    memory_id: str
    folder: Path

    def entries(self) -> list[str]:
        """Return what was noted since, oldest first: without who did it, and without marks."""
        entries = self.service.activity.page(limit=1_000).entries
        said = [entry_sentence(entry) for entry in entries if entry.actor != SETTING_UP]
        # One that merely began is an entry too; the page hides it once its end is there.
        return [re.sub(r"^\w+ | \(\w{6}\)", "", sentence) for sentence in reversed(said)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the data and an export, and the id of Ann's memory."""
    folder = tmp_path_factory.mktemp("filled")
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(folder / "data")})
    with acting(SETTING_UP), open_service(settings) as service:
        (record,) = service.add_text_memory("ann", "likes rye")
        service.add_text_memory("bob", "likes oats")
        export_memories(service, folder / "all.jsonl")
    return folder, record.id


@pytest.fixture
def installation(
    filled: tuple[Path, str], tmp_path: Path, reopen: Callable[[], MemoryService]
) -> Installation:
    folder, memory_id = filled
    copytree(folder, tmp_path, dirs_exist_ok=True)
    return Installation(reopen(), memory_id, tmp_path)


Call = Callable[[MemoryService, Installation], Any]


def _undo(service: MemoryService, place: Installation) -> None:
    with acting(SETTING_UP):
        moved = service.reunite("bob", "ann")
    service.undo_reunion(moved)


METHODS: list[tuple[str, Call, str | None]] = [
    ("add_text_memory", lambda s, i: s.add_text_memory(" Ann", "likes tea"),
     "saved for ann: 1 memory"),
    ("add_messages",
     lambda s, i: s.add_messages(
         "ann", [{"role": "user", "content": text} for text in "xy"], infer=False),
     "saved for ann: 2 memories"),
    ("add_document", lambda s, i: s.add_document("ann", "a.txt", b"The key is under the mat."),
     "saved for ann: 1 memory"),
    ("update_memory", lambda s, i: s.update_memory("ann", i.memory_id, "likes tea"),
     "changed a memory of ann: memory ID"),
    ("delete_memory", lambda s, i: s.delete_memory("ann", i.memory_id),
     "deleted a memory of ann: 1 removed"),
    ("delete_user", lambda s, i: s.delete_user("ann", verify=True),
     "deleted all memories of ann: 1 memory, 0 left"),
    ("forget_user", lambda s, i: s.forget_user("ann"),
     "forgot a forgotten user for good: 1 memory, 0 left"),
    ("reunite", lambda s, i: s.reunite("bob", "ann"),
     "merged bob into ann: 1 memory"),
    ("undo_reunion", _undo, "undid the merge of bob into ann: 1 memory"),
    ("take_up", lambda s, i: s.take_up("ann"),
     "adopted orphan vectors of ann: 0 memories"),
    ("take_up", lambda s, i: s.take_up("ann", preview=True), None),
    ("audit", lambda s, i: s.audit(repair=True), "repaired the store: 0 put right"),
    ("audit", lambda s, i: s.audit(), None),
    # A service that is not on S3 has nothing to bring along.
    ("migrate_in_background", lambda s, i: s.migrate_in_background(), None),
    ("watch_in_background", lambda s, i: s.watch_in_background(), None),
    ("check_proof", lambda s, i: s.check_proof(), None),
    ("proof", lambda s, i: s.proof(), None),
    ("last_proof", lambda s, i: s.last_proof, None),
    ("query_memories", lambda s, i: s.query_memories("ann", "bread"), None),
    ("search", lambda s, i: s.search("ann", "bread"), None),
    ("explain", lambda s, i: s.explain("ann", "bread"), None),
    ("list_memories", lambda s, i: s.list_memories("ann"), None),
    ("owner_of", lambda s, i: s.owner_of(i.memory_id), None),
    ("get_memory", lambda s, i: s.get_memory("ann", i.memory_id), None),
    ("history", lambda s, i: s.history("ann"), None),
    ("memories_at", lambda s, i: s.memories_at("ann", "now"), None),
    ("changes", lambda s, i: s.changes("ann"), None),
    ("recalls", lambda s, i: s.recalls("ann"), None),
    ("restore_memory", lambda s, i: s.restore_memory("ann", i.memory_id),
     "restored memories of ann: 0 memories, 0 failed"),
    ("restore_memory", lambda s, i: s.restore_memory("ann", i.memory_id, preview=True), None),
    ("restore_user", lambda s, i: s.restore_user("ann", "yesterday"),
     "restored memories of ann: 1 memory, 0 failed"),
    ("change_memories",
     lambda s, i: s.change_memories("ann", MemoryFilter(text="RYE"), delete=True),
     "deleted memories of ann: 1 memory, 0 failed"),
    ("change_memories",
     lambda s, i: s.change_memories("ann", MemoryFilter(), expires="2027-01-31"),
     "set the expiry of memories of ann: 1 memory, 0 failed"),
    ("events_per_day", lambda s, i: s.events_per_day("ann"), None),
    ("users", lambda s, i: s.users(), None),
    ("count_users", lambda s, i: s.count_users(), None),
    ("last_status", lambda s, i: s.last_status(), None),
    ("find", lambda s, i: s.find("ann"), None),
    ("placement", lambda s, i: s.placement(), None),
    ("starts", lambda s, i: s.starts(), None),
    ("find", lambda s, i: s.find("oats", texts=True), "looked for users: 1 user"),
    ("scan_store", lambda s, i: s.scan_store(), None),
    ("elsewhere", lambda s, i: s.elsewhere(), None),
    ("traces", lambda s, i: s.traces("ann"), None),
    ("plan_reunion", lambda s, i: s.plan_reunion("bob", "ann"), None),
    ("reunions", lambda s, i: s.reunions("ann"), None),
    ("memories_per_day", lambda s, i: s.memories_per_day(), None),
    ("storage", lambda s, i: s.storage(), None),
    ("status", lambda s, i: s.status(), None),
    ("migration_status", lambda s, i: s.migration_status(), None),
    ("more_to_come", lambda s, i: s.more_to_come, None),
    ("backend", lambda s, i: s.backend, None),
    ("close", lambda s, i: s.close(), None),
]  # fmt: skip


def _begin(service: MemoryService) -> redeploy_test.RedeployReceipt:
    with acting(SETTING_UP):
        return redeploy_test.begin(service, 2)


FUNCTIONS: list[tuple[str, Call, str | None]] = [
    ("export_memories", lambda s, i: export_memories(s, i.folder / "b.jsonl", user_id="ann"),
     "exported the memories of ann: 1 memory"),
    ("export_memories of all", lambda s, i: export_memories(s, i.folder / "b.jsonl"),
     "exported the memories of all users: 2 memories"),
    ("export_stream", lambda s, i: export_stream(s, io.BytesIO()),
     "exported the memories of all users"),
    ("export_bytes", lambda s, i: export_bytes(s, "ann"), "exported the memories of ann: N bytes"),
    ("import_memories", lambda s, i: import_memories(s, i.folder / "all.jsonl"),
     "imported memories"),
    ("import_memories, dry",
     lambda s, i: import_memories(s, i.folder / "all.jsonl", dry_run=True), None),
    ("migration.apply", lambda s, i: transfer.apply(s, f"jsonl:{i.folder / 'all.jsonl'}"),
     "migrated memories from another place: 0 memories"),
    ("migration.plan", lambda s, i: transfer.plan(s, f"jsonl:{i.folder / 'all.jsonl'}"), None),
    ("migration.verify", lambda s, i: transfer.verify(s, f"jsonl:{i.folder / 'all.jsonl'}"),
     None),
    ("rebuild_index", lambda s, i: rebuild(s.settings), "rebuilt the index: 2 memories"),
    ("redeploy.begin", lambda s, i: redeploy_test.begin(s, 2),
     "ran a redeploy test: Before a real deployment, 2 probes"),
    ("redeploy.verify", lambda s, i: redeploy_test.verify(_begin(s), s.settings),
     "ran a redeploy test: After the deployment, 2 probes"),
    ("redeploy.abandon", lambda s, i: redeploy_test.abandon(s, _begin(s).run),
     "ran a redeploy test: Cancel test"),
    ("redeploy.clean_up_all", lambda s, i: redeploy_test.clean_up_all(s, [_begin(s).run]),
     "ran a redeploy test: Clean up"),
]  # fmt: skip


def test_the_table_has_a_row_for_every_public_name_of_the_service() -> None:
    names = {name for kind in MemoryService.__mro__ for name in vars(kind)}
    assert {name for name, _, _ in METHODS} == {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize(("name", "call", "expected"), [*METHODS, *FUNCTIONS])
def test_a_call_that_changes_or_exports_leaves_one_entry_and_a_read_none(
    installation: Installation, name: str, call: Call, expected: str | None
) -> None:
    call(installation.service, installation)
    entries = [
        re.sub(r"\d+ bytes", "N bytes", sentence).replace(installation.memory_id, "ID")
        for sentence in installation.entries()
    ]
    assert entries == ([expected] if expected else []), name


@pytest.mark.parametrize(("name", "call", "expected"), [row for row in METHODS if row[2]][::3])
def test_the_entry_names_who_acted_whatever_they_are_called(
    installation: Installation, name: str, call: Call, expected: str
) -> None:
    with acting(EVE):
        call(installation.service, installation)
    entry = installation.service.activity.page().entries[0]
    assert (entry.actor, entry.outcome) == (EVE, "done"), name
    assert current_actor().via == "library"


@pytest.mark.parametrize(
    ("call", "error", "expected"),
    [
        (lambda s: s.add_text_memory("ann", " "), InvalidMemory,
         "tried to save for ann and it failed: InvalidMemory"),
        (lambda s: s.delete_memory("ann", "none"), MemoryNotFound,
         "tried to delete a memory of ann and it failed: MemoryNotFound"),
        (lambda s: s.forget_user(" "), InvalidUserId,
         "tried to forget users for good and it failed: InvalidUserId"),
        (lambda s: export_bytes(s, "nobody"), MemoryNotFound,
         "tried to export the memories of nobody and it failed: MemoryNotFound"),
        (lambda s: redeploy_test.begin(s, 0), InvalidMemory,
         "tried to run a redeploy test and it failed: InvalidMemory"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("actor", [None, EVE])
def test_a_call_that_failed_is_noted_with_the_kind_of_its_error(
    installation: Installation,
    actor: Actor | None,
    call: Callable[[MemoryService], Any],
    error: type[MemoryCoreError],
    expected: str,
) -> None:
    with acting(actor or current_actor()), pytest.raises(error):
        call(installation.service)
    assert installation.entries() == [expected]


async def _save_for_eve(service: AsyncMemoryService) -> None:
    with acting(EVE):
        await service.add_text_memory("ann", "likes tea")


def test_who_acts_reaches_the_threads_of_the_asynchronous_service(
    data_dir: Path, reopen: Callable[[], MemoryService]
) -> None:
    async def save() -> None:
        async with AsyncMemoryService(
            Settings.from_env({"MEMORY_DATA_DIR": str(data_dir)})
        ) as service:
            await asyncio.gather(_save_for_eve(service), service.add_text_memory("bob", "oats"))

    asyncio.run(save())
    entries = reopen().activity.page().entries
    assert {entry.actor.name: entry.user and entry.user.user_id for entry in entries} == {
        "eve": "ann",
        "library": "bob",
    }
