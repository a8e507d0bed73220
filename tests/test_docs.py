"""The documents and the code say the same."""

from __future__ import annotations

import re

import pytest

from memory_core.cli import cli
from memory_core.memories.log_lines import KNOWN_LINES
from memory_core.memories.search import EXACT_UP_TO
from memory_core.model.limits import MAX_METADATA_BYTES, MAX_METADATA_KEYS
from memory_core.settings import WATCHED
from scripts.screenshots import FILES, IMAGES
from tests.support.paths import ROOT

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
SETTINGS = (ROOT / "memory_core" / "settings.py").read_text()


def _variables_read() -> set[str]:
    return set(re.findall(r'(?:read\.\w+|_text)\(\s*"([A-Z][A-Z0-9_]+)"', SETTINGS))


def test_every_variable_that_is_read_is_documented_and_the_other_way_round() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`", CONFIGURATION))
    watched = {name for name in WATCHED if "_" in name}
    assert _variables_read() | watched == documented
    assert all(f"`{name}`" in CONFIGURATION for name in WATCHED)


def test_the_readme_names_only_variables_that_are_read() -> None:
    named = set(re.findall(r"`((?:MEMORY|OPENAI|AWS|CHROMA)_[A-Z0-9_]+)", README))
    assert named
    assert named <= _variables_read()


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help_and_is_in_the_readme(command: str) -> None:
    assert cli.commands[command].help
    assert re.search(rf"`{command}\b", README)


def test_the_readme_names_the_two_commands_of_a_newcomer() -> None:
    assert "make run" in README
    assert "make test" in README


def test_every_target_of_the_makefile_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        target
        for path in DOCUMENTS
        for target in re.findall(r"(?:`|^    )make ([a-z-]+)", path.read_text(), re.M)
    }
    assert named >= {"run", "test", "bench", "check", "demo-data"}
    assert named <= targets


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{path.name}: {target}"
        for path in DOCUMENTS
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_picture_that_is_shown_exists_and_every_picture_is_shown() -> None:
    shown = {
        (path.parent / source).resolve()
        for path in DOCUMENTS
        for source in re.findall(r'(?:src|srcset)="([^"]+)"|!\[', path.read_text())
    }
    assert shown == {IMAGES / name for name in FILES} == set(IMAGES.iterdir())


def test_every_picture_has_a_light_and_a_dark_form_and_words() -> None:
    pairs = [
        (path.name, picture)
        for path in DOCUMENTS
        for picture in re.findall(r"<picture>.+?</picture>", path.read_text(), re.DOTALL)
    ]
    assert len(pairs) == len(FILES) / 2
    form = (
        r'<picture>\s+<source media="\(prefers-color-scheme: dark\)" srcset="(\S+)-dark.png">'
        r'\s+<img alt="[^"]+" src="\1-light.png">\s+</picture>'
    )
    assert [pair for pair in pairs if not re.fullmatch(form, pair[1])] == []


def test_the_log_lines_are_in_the_operations_guide_letter_for_letter() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    for line in KNOWN_LINES:
        assert line.replace("%s", "<canonical id>").replace("%d", "<n>") in operations


def test_the_limits_in_the_documents_are_those_of_the_code() -> None:
    assert f"{MAX_METADATA_KEYS} keys, {MAX_METADATA_BYTES:,} bytes" in CONFIGURATION
    assert f"Beyond {EXACT_UP_TO:,} memories" in (ROOT / "docs" / "caveats.md").read_text()


def test_no_document_names_a_machine_or_a_registry() -> None:
    said = [path.name for path in DOCUMENTS if re.search(r"/(tmp|root|work)/", path.read_text())]
    assert said == []


def test_every_path_in_the_architecture_exists() -> None:
    paths = set(re.findall(r"`((?:\w+/)+[\w.]*)`", ARCHITECTURE))
    assert len(paths) > 30
    assert {path for path in paths if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("top", ["memory_core", "dashboard"])
def test_every_package_and_every_file_beside_it_is_in_the_architecture(top: str) -> None:
    listed = ARCHITECTURE.partition(f"    {top}/\n")[2].partition("\n\n")[0]
    packages = {path.parent.name for path in (ROOT / top).glob("*/__init__.py")}
    assert {name for name in packages if f"      {name}/ " not in listed} == set()
    files = {path.stem for path in (ROOT / top).glob("*.py")} - {"__init__", "__main__"}
    assert {name for name in files if not re.search(rf"\b{name}\b", listed)} == set()
