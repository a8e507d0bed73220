"""The rules of the layout that reading alone would not keep."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import memory_core
from tests.support.paths import ROOT

PACKAGE = ROOT / "memory_core"
MAX_LINES = 300

# From the bottom of the design to its top: a module imports only from modules before it.
ORDER = (
    "errors signature batches words encoder "
    "identity records progress people variables settings limits aws objects ledger activity "
    "embedders ranking stores disks backend documents engine payloads memories sources saving "
    "intake searching reuniting census finding explaining audit scanning repair rebuild "
    "elsewhere transfer migration traces overall signouts service aio redeploy logs doctor "
    "render render_status render_scan render_users render_moves render_recall "
    "render_traces render_activity render_audit render_redeploy render_transfer render_migration "
    "render_doctor render_logs cli"
).split()

# Each foreign library has one file that knows it.
ONLY_IN = {
    "boto3": "memory_core/aws/clients.py",
    "botocore": "memory_core/aws/clients.py",
    "mem0": "memory_core/engine.py",
    "chromadb": "memory_core/stores/chroma_folder.py",
}
HEAVY = ("streamlit", "mem0", "chromadb", "boto3", "pandas", "numpy", "openai")


def _sources() -> Iterator[Path]:
    for folder in (
        "memory_core",
        "dashboard",
        "pages",
        "examples",
        "benchmarks",
        "standin",
        "tests",
    ):
        yield from (ROOT / folder).rglob("*.py")
    yield ROOT / "app.py"


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (level, module) of every import, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module:
                yield node.level, node.module
            else:
                yield from ((node.level, alias.name) for alias in node.names)


def _place(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_module_has_a_place_in_the_order() -> None:
    modules = {_place(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}
    assert modules == set(ORDER)


def test_imports_point_upwards_only() -> None:
    downwards = []
    for path in PACKAGE.rglob("*.py"):
        if path.name == "__main__.py" or path == PACKAGE / "__init__.py":
            continue
        place = _place(path)
        depth = len(path.relative_to(PACKAGE).parts)
        for level, module in _imports(path):
            target = module.split(".")[0]
            if level == depth and target in ORDER and ORDER.index(target) >= ORDER.index(place):
                downwards.append(f"{path.relative_to(ROOT)} imports {target}")
    assert downwards == []


@pytest.mark.parametrize(("library", "home"), ONLY_IN.items())
def test_a_foreign_library_is_imported_by_one_file(library: str, home: str) -> None:
    importers = {
        str(path.relative_to(ROOT))
        for path in _sources()
        if path.relative_to(ROOT).parts[0] not in {"tests", "benchmarks", "standin"}
        for _, module in _imports(path)
        if module.split(".")[0] == library
    }
    assert importers == {home}


def test_the_environment_is_read_by_settings_alone() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in _sources()
        if path.relative_to(ROOT).parts[0] not in {"tests", "benchmarks", "standin"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers == {"memory_core/settings.py"}


def test_the_library_does_not_know_the_dashboard() -> None:
    known = {
        module
        for path in PACKAGE.rglob("*.py")
        for _, module in _imports(path)
        if module.split(".")[0] in {"streamlit", "dashboard", "pages"}
    }
    assert known == set()


def test_importing_memory_core_loads_nothing_heavy() -> None:
    code = f"import sys, memory_core; print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_saving_loads_no_client_that_it_does_not_use_and_takes_none_away() -> None:
    code = """
import sys, memory_core.engine
assert not {"openai", "qdrant_client"} & sys.modules.keys()
from mem0.configs.base import MemoryConfig
from qdrant_client import QdrantClient
with_own = {"provider": "qdrant", "config": {"client": QdrantClient(":memory:")}}
print(type(MemoryConfig(vector_store=with_own).vector_store.config.client).__module__)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "qdrant_client.qdrant_client"


def test_the_public_names_are_sorted_and_exist() -> None:
    assert memory_core.__all__ == sorted(memory_core.__all__)
    assert all(hasattr(memory_core, name) for name in memory_core.__all__)


def test_no_file_is_longer_than_the_limit() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in _sources()
        if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_the_library_never_prints() -> None:
    printing = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing == set()
