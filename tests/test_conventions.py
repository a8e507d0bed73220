"""The rules of the layout that reading alone would not keep; docs/architecture.md explains them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import memory_core
from tests.support.paths import ROOT

PACKAGE = ROOT / "memory_core"
MAX_LINES = 500
MIN_LINES = 60

# From the ground floor up: a file imports only from its own room and from rooms before it.
ROOMS = (
    "errors extras version settings model documents embedders storage ledger activity "
    "memories transfer watch service aio mem0 redeploy_test doctor render cli"
).split()
FLOORS = "auth services ui views".split()
"""The rooms of the dashboard, likewise; the files beside them hold the process together."""

# Each foreign library has one file that knows it.
ONLY_IN = {
    "boto3": "memory_core/storage/aws/client.py",
    "botocore": "memory_core/storage/aws/client.py",
    "mem0": "memory_core/memories/mem0_adapter.py",
    "chromadb": "memory_core/storage/vectors/chroma.py",
}
HEAVY = ("streamlit", "mem0", "chromadb", "boto3", "pandas", "numpy", "openai")
VAGUE = {"one", "found", "more", "told"}
"""Names that do not say what a variable holds."""

# Short on purpose: an entry point, a table, or one subject that every room shares.
SHORT = {
    "dashboard/auth/roles.py",
    "dashboard/main.py",
    "memory_core/doctor/read_log.py",
    "memory_core/extras.py",
    "memory_core/model/signature.py",
    "memory_core/redeploy_test/worker.py",
    "memory_core/version.py",
}


def _files(*folders: str) -> list[Path]:
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(files)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def _nodes(path: Path) -> list[ast.AST]:
    return [*ast.walk(_tree(path))]


def _for_typing_alone(path: Path) -> set[ast.AST]:
    return {
        inner
        for node in _nodes(path)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }


@cache
def _imported(path: Path) -> list[str]:
    """Return the full name of what a file imports, wherever the import stands."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    skipped = _for_typing_alone(path)
    names: list[str] = []
    for node in _nodes(path):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: package.count(".") + 2 - node.level]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


@cache
def _graph() -> dict[str, set[str]]:
    """Map each file of the product to the files that it imports."""
    files = [*_files("memory_core", "dashboard", "pages"), ROOT / "app.py"]
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
    }
    return {
        _name(path): {
            _name(modules[name])
            for name in _imported(path)
            if name in modules and modules[name] != path
        }
        for path in files
    }


def test_no_files_import_each_other_in_a_loop() -> None:
    graph = {name: set(imported) for name, imported in _graph().items()}
    loops = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            loop = error.args[1]
            loops.append(" -> ".join(reversed(loop)))
            # Cut it, so that the next one is named too.
            graph[loop[1]].discard(loop[0])
        else:
            break
    assert loops == [], "\n".join(loops)


def _room(name: str) -> int | None:
    """Return the height of a file: its room in the library, then the dashboard's."""
    parts = Path(name).with_suffix("").parts
    if parts[0] == "memory_core":
        return ROOMS.index(parts[1]) if parts[1] in ROOMS else None
    if parts[0] == "dashboard" and parts[1] in FLOORS:
        return len(ROOMS) + FLOORS.index(parts[1])
    return None


def test_every_file_of_the_library_has_a_room() -> None:
    outside = {
        name
        for name in _graph()
        if name.startswith("memory_core/")
        and _room(name) is None
        and name not in {"memory_core/__init__.py", "memory_core/__main__.py"}
    }
    assert outside == set()


def test_the_architecture_lists_the_rooms_from_the_top_floor_down() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for folder, rooms in (("dashboard/", FLOORS), ("memory_core/", ROOMS)):
        block = re.split(r"\n {0,4}\S|\n\n", page.partition(f"    {folder}\n")[2])[0]
        listed = re.findall(r"^ {6}(\w+)(?:/|\.py)", block, re.M)
        assert listed == [room for room in reversed(rooms) if room not in ("extras", "version")]


def test_imports_run_down_only() -> None:
    upwards = [
        f"{name} imports {imported}"
        for name, all_imported in _graph().items()
        for imported in sorted(all_imported)
        if (room := _room(name)) is not None
        and (other := _room(imported)) is not None
        and other > room
    ]
    assert upwards == [], "\n".join(upwards)


def test_no_file_of_the_library_imports_its_top() -> None:
    users = [
        name
        for name, imported in _graph().items()
        if "memory_core/__init__.py" in imported and name.startswith("memory_core/")
    ]
    assert users == []


@pytest.mark.parametrize(("library", "home"), ONLY_IN.items())
def test_a_foreign_library_is_imported_by_one_file(library: str, home: str) -> None:
    product = _files("memory_core", "dashboard", "pages", "examples")
    importers = {
        _name(path)
        for path in [*product, ROOT / "app.py"]
        for name in _imported(path)
        if name.split(".")[0] == library
    }
    assert importers == {home}


def test_the_environment_is_read_by_settings_alone() -> None:
    readers = {
        _name(path)
        for path in [*_files("memory_core", "dashboard", "pages", "examples"), ROOT / "app.py"]
        for node in _nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers == {"memory_core/settings.py"}


def test_the_library_does_not_know_the_dashboard() -> None:
    known = {
        name
        for path in _files("memory_core")
        for name in _imported(path)
        if name.split(".")[0] in {"streamlit", "dashboard", "pages"}
    }
    assert known == set()


def test_no_file_is_too_long() -> None:
    folders = "memory_core dashboard pages examples benchmarks scripts standin tests".split()
    long = {
        _name(path): count
        for path in _files(*folders)
        if (count := len(path.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_no_file_is_a_fragment() -> None:
    short = {
        _name(path)
        for path in _files("memory_core", "dashboard")
        if path.name not in {"__init__.py", "__main__.py", "base.py"}
        and len(path.read_text("utf-8").splitlines()) < MIN_LINES
    }
    assert short == SHORT


def test_a_class_name_stands_for_one_thing() -> None:
    homes = defaultdict(list)
    for path in _files("memory_core"):
        for node in _tree(path).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(_name(path))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_no_file_name_stands_for_three_things() -> None:
    names = Counter(path.name for path in _files("memory_core", "dashboard", "pages"))
    again = {name for name, count in names.items() if count > 2} - {"__init__.py", "base.py"}
    assert again == set()


def _fields(path: Path) -> set[ast.AST]:
    """Return the names of fields: `report.found` says what it holds, and may be a key of JSON."""
    return {
        field.target
        for node in _nodes(path)
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign)
    }


def test_variables_say_what_they_hold() -> None:
    vague = {
        f"{_name(path)}:{node.lineno} {name}"
        for path in [*_files("memory_core", "dashboard", "pages"), ROOT / "app.py"]
        for node in set(_nodes(path)) - _fields(path)
        if (isinstance(node, ast.Name) and (name := node.id) in VAGUE)
        or (isinstance(node, ast.arg) and (name := node.arg) in VAGUE)
    }
    assert vague == set()


def test_importing_memory_core_loads_nothing_heavy() -> None:
    code = f"import sys, memory_core; print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_saving_loads_no_client_that_it_does_not_use_and_takes_none_away(tmp_path: Path) -> None:
    code = """
import pathlib, sys, dashboard.auth.gate, memory_core.memories.mem0_adapter
from memory_core.storage.vectors.chroma import open_chroma
open_chroma(pathlib.Path(sys.argv[1]), "memories", 2, create=True).close()
assert not {"authlib", "grpc", "openai", "qdrant_client"} & sys.modules.keys()
from mem0.configs.base import MemoryConfig
from qdrant_client import QdrantClient
with_own = {"provider": "qdrant", "config": {"client": QdrantClient(":memory:")}}
print(type(MemoryConfig(vector_store=with_own).vector_store.config.client).__module__)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "qdrant_client.qdrant_client"


def test_the_public_names_are_sorted_and_exist() -> None:
    assert memory_core.__all__ == sorted(memory_core.__all__)
    assert all(hasattr(memory_core, name) for name in memory_core.__all__)


def test_the_library_never_prints() -> None:
    printing = {
        _name(path)
        for path in _files("memory_core")
        for node in _nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing == set()


def test_no_test_file_is_imported() -> None:
    importing = {
        f"{_name(path)} imports {name}"
        for path in _files("tests", "benchmarks", "scripts", "standin")
        for name in _imported(path)
        if re.match(r"tests\.(?:\w+\.)*test_", name)
    }
    assert importing == set(), "what several need lies in tests/support"
