"""Every command that changes or exports something leaves one entry, whoever wrote the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import click
import pytest
from click.testing import CliRunner

from memory_core import Settings, open_service, redeploy_test
from memory_core.activity import Actor, acting
from memory_core.cli import cli
from memory_core.memories.merge_users import merge_document
from memory_core.transfer import export_memories
from tests.support.forked_workers import fork_workers

COMMANDS: list[tuple[str, str, str | None]] = [
    ("save", "ann tea", "saved for ann: 1 memory"),
    ("save", "ann tea --infer", "tried to save for ann and it failed: SettingsError"),
    ("upload", "ann {folder}/note.txt", "saved for ann: 1 memory"),
    ("update", "ann {id} tea", "changed a memory of ann: memory {id}"),
    ("delete", "ann {id}", "deleted a memory of ann: 1 removed"),
    ("delete", "ann none", "tried to delete a memory of ann and it failed: MemoryNotFound"),
    ("update", "ann --where text=rye --expires 2027-01-31 --yes",
     "set the expiry of memories of ann: 1 memory, 0 failed"),
    ("delete", "ann --where text=rye --yes", "deleted memories of ann: 1 memory, 0 failed"),
    ("delete", "ann --where text=rye --dry-run", None),
    ("restore", "ann {id}", "restored memories of ann: 0 memories, 0 failed"),
    ("restore", "ann --at 1w --yes", "restored memories of ann: 1 memory, 0 failed"),
    ("restore", "ann --at 1w --dry-run", None),
    ("recalls", "ann", None),
    ("forget", "zoe --yes", "forgot a forgotten user"),
    ("export", "", "exported the memories of all users"),
    ("export", "--user ann", "exported the memories of ann"),
    ("export", "--user ann --output {folder}/ann.jsonl", "exported the memories of ann: 1 memory"),
    ("import", "{folder}/all.jsonl", "imported memories"),
    ("import", "{folder}/all.jsonl --dry-run", None),
    ("audit", "--repair", "repaired the store: 0 put right"),
    ("audit", "", None),
    ("rebuild", "", "rebuilt the index: 3 memories"),
    ("users adopt", "ann --yes", "adopted orphan vectors of ann: 0 memories"),
    ("users adopt", "ann", None),
    ("users merge", "bob ann --yes --undo-file {folder}/again.json",
     "merged bob into ann: 1 memory"),
    ("users merge", "bob ann --dry-run", None),
    ("users undo", "{folder}/undo.json", "undid the merge of zoe into carol: 1 memory"),
    ("migrate apply", "--from jsonl:{folder}/all.jsonl --yes",
     "migrated memories from another place: 0 memories"),
    ("migrate apply", "--from jsonl:{folder}/none.jsonl --yes",
     "tried to migrate memories from another place and it failed: MigrationError"),
    ("migrate plan", "--from jsonl:{folder}/all.jsonl", None),
    ("migrate verify", "--from jsonl:{folder}/all.jsonl", None),
    ("redeploy-test simulate", "--level restart --probes 1",
     "ran a redeploy test: Restart, simulated, 1 probe"),
    ("redeploy-test begin", "--receipt {folder}/new --probes 2",
     "ran a redeploy test: Before a real deployment, 2 probes"),
    ("redeploy-test verify", "--receipt {folder}/receipt",
     "ran a redeploy test: After the deployment, 2 probes"),
    ("demo", "", None),
    ("demo load", "", "directed a demo: load"),
    ("demo break", "other-form", None),
    ("demo fix", "wipe", None),
    ("demo reset", "", "directed a demo: reset"),
    ("redeploy-test watch", "", None),
    ("redeploy-test proof", "", None),
    ("doctor", "--tag live", None),
    ("status", "", None),
    ("normalize", "Ann", None),
    ("query", "ann bread", None),
    ("explain", "ann bread", None),
    ("list", "ann", None),
    ("get", "ann {id}", None),
    ("history", "ann", None),
    ("history", "ann --at 2h", None),
    ("changes", "ann --until now", None),
    ("users", "--scan", None),
    ("users find", "ann", "looked for users: 0 users"),
    ("users erasure-proof", "ann", None),
    ("logs analyze", "{folder}/note.txt", None),
    ("activity", "--check", None),
    ("mcp", "", None),
]  # fmt: skip


def _paths(group: click.Group, *before: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        path = (*before, name)
        if isinstance(command, click.Group):
            yield from _paths(command, *path)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join(path)


def test_the_table_has_a_row_for_every_command() -> None:
    assert {path for path, _, _ in COMMANDS} == set(_paths(cli))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A filled installation in a folder with files for it, and the id of a memory of Ann."""
    folder = tmp_path_factory.mktemp("filled")
    settings = Settings.from_env({"MEMORY_DATA_DIR": str(folder / "data")})
    with acting(Actor("setting up")), open_service(settings) as service:
        (record,) = service.add_text_memory("ann", "likes rye")
        service.add_text_memory("bob", "likes oats")
        service.add_text_memory("zoe", "likes figs")
        export_memories(service, folder / "all.jsonl")
        moved = service.reunite("zoe", "carol")
        begun = redeploy_test.begin(service, 2)
    (folder / "note.txt").write_text("The key is under the mat.\n")
    (folder / "undo.json").write_text(json.dumps(merge_document(moved)))
    (folder / "receipt").write_bytes(redeploy_test.to_file(begun, settings))
    return folder, record.id


@pytest.fixture
def prepare(filled: tuple[Path, str], tmp_path: Path) -> Callable[[str], str]:
    """Copy the installation and its files; return the arguments with their places."""
    folder, memory_id = filled
    copytree(folder, tmp_path, dirs_exist_ok=True)
    return lambda words: words.replace("{folder}", str(tmp_path)).replace("{id}", memory_id)


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        pytest.param(*row, marks=[pytest.mark.process] * (row[0] == "redeploy-test simulate"))
        for row in COMMANDS
    ],
)
def test_a_command_that_changes_or_exports_leaves_one_entry_and_a_read_none(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    prepare: Callable[[str], str],
    path: str,
    options: str,
    expected: str | None,
) -> None:
    if path == "redeploy-test simulate":
        fork_workers(monkeypatch, request.getfixturevalue("zygote"), tmp_path)
    result = CliRunner().invoke(cli, [*path.split(), *prepare(options).split()])
    assert result.exit_code in (0, 1, 2), result.output
    assert "Usage:" not in result.output
    shown = json.loads(CliRunner().invoke(cli, ["activity", "--json"]).stdout)["entries"]
    entries = [entry for entry in shown if entry["who"] != "setting up"]
    assert {entry["via"] for entry in entries} <= {"command line"}
    sentences = [entry["sentence"].partition(" ")[2].partition(" (")[0] for entry in entries]
    assert sentences == ([prepare(expected)] if expected else [])
