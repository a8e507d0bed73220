"""The wheel: what is in it, and what can be done with it where only an extra is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from email.parser import HeaderParser
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from memory_core.extras import EXTRAS, require
from memory_core.version import __version__
from standin import StandIn
from tests.support.bare_environment import BareEnvironment, Ran, needed, size_bytes
from tests.support.openai_server import openai_server
from tests.support.paths import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE: list[str] = PROJECT["dependencies"]
OPTIONAL: dict[str, list[str]] = PROJECT["optional-dependencies"]
QUARTER_BYTES = 1_500_000_000 // 4
NOT_IN_CORE = "chromadb kubernetes onnxruntime pandas plotly pyarrow pypdf streamlit".split()
CHROMA_MISSING = (
    "the store on the local disk needs the package chromadb, which is not installed; "
    "run: pip install 'holdfast[chroma]'"
)
(SESSION,) = re.findall(
    r"```python\n(from memory_core import open_service\n.*?)```",
    (ROOT / "README.md").read_text(),
    re.S,
)

SAVE_AND_ASK = """
import sys
from memory_core import open_service
with open_service() as service:
    service.add_text_memory("ann", sys.argv[1])
    print([hit.memory.memory for hit in service.query_memories("ann", "likes tea")])
"""
"""Loads an embedder once, where the two commands would load it twice."""

MULTILINGUAL = """
import os
from memory_core.cli import cli
os.environ["MEMORY_EMBEDDER"] = "multilingual"
cli(["save", "ann", "mag Tee"])
"""

NUMBERS = count()
Bare = Callable[[str], BareEnvironment]


def requirements_of(extra: str) -> list[str]:
    """Return the requirements of the core and of an extra, by itself empty for the core."""
    inner = [Requirement(text) for text in OPTIONAL[extra]] if extra else []
    own = {name for requirement in inner for name in requirement.extras}
    return [*CORE, *(text for name in own for text in OPTIONAL[name])] + (
        [] if own or not extra else OPTIONAL[extra]
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let pip build the wheel from a git address, that of a repository with a copy."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(
        ROOT / "memory_core", source / "memory_core", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    git = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "Copy"]):
        subprocess.run([*git, *command], cwd=source, check=True, capture_output=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *options, f"git+{source.as_uri()}"], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """Returns the environment of an extra, or of the core for an empty name; makes each once."""
    made: dict[str, BareEnvironment] = {}

    def make(extra: str) -> BareEnvironment:
        if extra not in made:
            folder, names = tmp_path_factory.mktemp(extra or "core"), needed(requirements_of(extra))
            first = next(iter(made.values()), None)
            made[extra] = (
                first.another(folder, names) if first else BareEnvironment(folder, wheel, names)
            )
        return made[extra]

    return make


@pytest.fixture
def on_s3(standin: tuple[StandIn, Any]) -> Mapping[str, str]:
    """The variables of an empty bucket of the stand-in."""
    running, client = standin
    bucket = f"packaging-{next(NUMBERS)}"
    client.create_bucket(Bucket=bucket)
    return {**running.environ(), "AWS_S3_BUCKET": bucket}


def test_the_wheel_has_the_library_typed_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = HeaderParser().parsestr(
            archive.read(f"holdfast-{__version__}.dist-info/METADATA").decode()
        )
    assert "memory_core/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "memory_core", f"holdfast-{__version__}.dist-info"
    }  # fmt: skip
    files = [*(ROOT / "memory_core").rglob("*.py"), *(ROOT / "memory_core").rglob("*.toml")]
    assert {str(file.relative_to(ROOT)) for file in files} <= set(names)
    assert (metadata["Name"], metadata["Version"]) == ("holdfast", __version__)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    assert metadata.get_all("Provides-Extra") == list(OPTIONAL)


def test_requirements_txt_is_the_core_and_the_extras_in_the_versions_that_are_tested() -> None:
    apart = {"multilingual", "mcp"}
    wanted = [
        Requirement(text)
        for texts in (CORE, *(OPTIONAL[name] for name in OPTIONAL.keys() - apart - {"all"}))
        for text in texts
    ]
    pins = {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
        for requirement in [Requirement(line)]
    }
    assert {canonicalize_name(requirement.name) for requirement in wanted} == pins.keys()
    for requirement in wanted:
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    (everything,) = map(Requirement, OPTIONAL["all"])
    assert everything.extras == OPTIONAL.keys() - {"all"}
    assert EXTRAS.keys() <= OPTIONAL.keys()


def test_the_core_is_a_quarter_and_brings_nothing_of_the_dashboard(bare: Bare) -> None:
    names = needed(CORE)
    assert size_bytes(names) < QUARTER_BYTES
    code = f"import importlib.util as u; print([n for n in {NOT_IN_CORE} if u.find_spec(n)])"
    assert bare("").run("python", "-c", code).stdout == "[]\n"


def test_the_core_says_by_code_status_and_doctor_what_the_local_disk_needs(bare: Bare) -> None:
    by_code, status, doctor = bare("").run_each(
        ["python", "-c", SESSION], ["holdfast", "status"], ["holdfast", "doctor"],
        MEMORY_DATA_DIR="none",
    )  # fmt: skip
    assert by_code.err.splitlines()[-1] == f"memory_core.errors.MissingExtra: {CHROMA_MISSING}"
    assert status == Ran(2, "", f"Error: {CHROMA_MISSING}\n")
    assert doctor.code == 1
    assert "versions.E003" in doctor.out
    assert CHROMA_MISSING.partition(";")[0][1:] in " ".join(doctor.out.split())


def test_the_core_works_on_s3_and_names_what_is_left_out(
    bare: Bare, on_s3: Mapping[str, str]
) -> None:
    document = str(ROOT / "examples" / "memories" / "documents" / "handbook.pdf")
    session, status, upload, mcp, multilingual = bare("").run_each(
        ["python", "-c", SESSION],
        ["holdfast", "status"],
        ["holdfast", "upload", "ann", document],
        ["holdfast", "mcp"],
        ["python", "-c", MULTILINGUAL],
        **on_s3,
    )
    assert (session.code, session.err) == (0, "")
    assert "Alice is allergic to cashews." in session.out
    assert status.code == 0
    assert f"not installed: {CHROMA_MISSING}" in status.out.splitlines()
    assert upload.code == 2
    assert "reading documents needs the package" in upload.err
    assert upload.err.endswith("run: pip install 'holdfast[documents]'\n")
    assert mcp.code == 2
    assert mcp.err.endswith("run: pip install 'holdfast[mcp]'\n")
    assert multilingual.code == 2
    assert multilingual.err.endswith("or run: pip install 'holdfast[multilingual]'\n")


def test_the_session_of_the_readme_and_the_main_commands_run_with_chroma(bare: Bare) -> None:
    stored = (
        "from memory_core.mem0 import Memory; print(Memory().get_all(filters={'user_id': 'b'}))"
    )
    session, save, version, query, mem0 = bare("chroma").run_each(
        ["python", "-c", SESSION],
        ["holdfast", "save", "b", "tea"],
        ["holdfast", "--version"],
        ["holdfast", "query", "alice@example.com", "nuts"],
        ["python", "-c", stored],
    )
    assert session.code == 0, session.err
    assert session.err.endswith("Local ChromaDB will be lost on deployment\n")
    assert re.fullmatch(r"1 0\.\d+ Alice is allergic to cashews\.\n", session.out)
    for ran, words in (
        (save, "Stored"),
        (version, f"holdfast, version {__version__}"),
        (query, "cashews"),
        (mem0, "'memory': 'tea'"),
    ):
        assert ran.code == 0, ran
        assert words in ran.out, ran


def test_documents_are_read_with_their_extra(bare: Bare, on_s3: Mapping[str, str]) -> None:
    documents = sorted((ROOT / "examples" / "memories" / "documents").iterdir())
    code = (
        "import sys, pathlib; from memory_core.documents import read_document\n"
        "for path in map(pathlib.Path, sys.argv[1:]):\n"
        "    print(path.name, len(read_document(path.name, path.read_bytes()).chunks) > 0)"
    )
    upload, read = bare("documents").run_each(
        ["holdfast", "upload", "ann", str(documents[0])],
        ["python", "-c", code, *map(str, documents)],
        **on_s3,
    )
    assert (upload.code, upload.err) == (0, "")
    assert (read.code, read.err) == (0, "")
    assert read.out.splitlines() == [f"{path.name} True" for path in documents]


def test_an_embedder_of_openais_protocol_runs_with_its_extra(
    bare: Bare, on_s3: Mapping[str, str]
) -> None:
    with openai_server() as server:
        environ = {**on_s3, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-1"}
        environ["MEMORY_EMBEDDER"] = "openai:own-model"
        used = bare("openai").run("python", "-c", SAVE_AND_ASK, "likes tea", **environ)
        assert (used.returncode, used.stderr) == (0, "")
        assert "likes tea" in used.stdout
        assert {request.body["model"] for request in server.requests} == {"own-model"}


def test_the_multilingual_embedder_runs_with_its_extra(
    bare: Bare, on_s3: Mapping[str, str]
) -> None:
    environ = {**on_s3, "MEMORY_EMBEDDER": "multilingual"}
    used = bare("multilingual").run("python", "-c", SAVE_AND_ASK, "mag Tee", **environ)
    assert (used.returncode, used.stderr) == (0, "")
    assert "mag Tee" in used.stdout


def test_the_mcp_server_runs_with_its_extra(bare: Bare, on_s3: Mapping[str, str]) -> None:
    served = bare("mcp").run("holdfast", "mcp", **on_s3)
    assert (served.returncode, served.stdout) == (0, "")


def test_the_dashboard_has_all_that_it_imports(bare: Bare) -> None:
    imports = "import dashboard.startup, dashboard.auth.login_routes, dashboard.ui.charts"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {imports}"
    ran = bare("dashboard").run("python", "-c", code)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_all_is_all(bare: Bare) -> None:
    code = "from memory_core.extras import EXTRAS, missing_extras; print(missing_extras(EXTRAS))"
    assert bare("all").run("python", "-c", code).stdout == "{}\n"


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_installed_is_not_called_missing(extra: str) -> None:
    assert require(extra) is None
