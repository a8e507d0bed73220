"""Migrate: a source, a plan, a typed word, the run, the receipt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.auth.access import access
from dashboard.auth.visitor import LOCAL, acting_as
from dashboard.connection import connection
from dashboard.services import migration
from memory_core import MemoryService, Settings, open_service
from memory_core.errors import MigrationError
from tests.support.app_test import draw_until, text_of

TEXTS = ["Likes tea", "Hates rye"]


@pytest.fixture
def page(app: AppTest) -> AppTest:
    """The page, not yet drawn."""
    return app.switch_page("../pages/migrate.py")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of another Holdfast, which is open to the page, with two memories of Ann."""
    place = tmp_path / "other"
    monkeypatch.setenv("DASHBOARD_MIGRATE_FROM", f"chroma:{place}")
    access.cache_clear()
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(place)})) as other:
        for text in TEXTS:
            other.add_text_memory("Ann@X.com", text)
    return place / "chroma"


def wait(page: AppTest, done: Callable[[str], bool]) -> str:
    """Draw the page until it is done with a job."""
    return draw_until(page, "the page to be done with it", done)


def press(page: AppTest, label: str) -> None:
    (button,) = [one for one in page.button if label in one.label]
    button.click().run()
    assert not page.exception


def plan(page: AppTest, place: str) -> str:
    page.run()
    page.text_input(key="migrate.place").input(place)
    press(page, "Plan")
    return wait(page, lambda words: "will be copied" in words or "Plan again" in str(page.button))


@pytest.mark.usefixtures("backend")
def test_memories_of_a_folder_are_migrated(
    page: AppTest, folder: Path, shared: MemoryService
) -> None:
    words = plan(page, str(folder))
    assert "2 memories will be copied." in words
    assert shared.list_memories("ann@x.com") == []
    page.text_input(key="migrate.run.typed").input("something else")
    press(page, "Copy 2 memories")
    assert "nothing was changed" in text_of(page)
    page.text_input(key="migrate.run.typed").input("Migrate ")
    press(page, "Copy 2 memories")
    words = wait(page, lambda words: "The whole source is here" in words)
    assert "The whole source is here, 2 memories" in words
    assert "This run copied 2 memories" in words
    assert sorted(one.memory for one in shared.list_memories("ann@x.com")) == sorted(TEXTS)
    # The address alone leads a colleague to the receipt.
    assert page.query_params["from"] == f"chroma:{folder}"


def test_two_texts_under_one_id_wait_for_a_person(
    page: AppTest, folder: Path, shared: MemoryService
) -> None:
    (record,) = shared.add_text_memory("ann@x.com", "Likes tea")
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(folder.parent)})) as other:
        other.update_memory("ann@x.com", record.id, "Likes oolong")
    words = plan(page, str(folder))
    assert "1 memory will be copied, 1 cannot be copied." in words
    assert "Likes oolong" in words
    assert "Likes tea" in words
    page.selectbox(key="migrate.verdict.0").select("Take theirs").run()
    page.text_input(key="migrate.run.typed").input("migrate")
    press(page, "Copy 1 memory")
    wait(page, lambda words: "The whole source is here" in words)
    texts = {one.memory for one in shared.list_memories("ann@x.com")}
    assert texts == {"Likes oolong", "Hates rye"}


def test_what_is_no_source_is_a_sentence(page: AppTest, folder: Path) -> None:
    assert "will be copied" not in plan(page, str(folder / "nothing"))
    assert "Another source" in str(page.button)
    assert page.error


def test_the_page_reads_no_files_with_the_rights_of_the_server(
    page: AppTest, folder: Path, tmp_path: Path, shared: MemoryService
) -> None:
    own = shared.settings.data_dir
    (own / "way-out").symlink_to(tmp_path)
    named = "chroma-http://db:8000 s3vectors:bucket/index?ledger=b/p jsonl:/srv/in"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASHBOARD_MIGRATE_FROM", named)
        access.cache_clear()
        for source in (
            "local", f"chroma:{own}/chroma#x", f"history:{own}/history.db", "jsonl:/srv/in/a.jsonl",
            "chroma-http://db:8000#x", "s3vectors:bucket/index",
            "s3vectors:bucket/index?ledger=b/p",
        ):  # fmt: skip
            migration.check_source(source)
        for source in (
            "jsonl:/etc/passwd", f"chroma:{folder}", f"jsonl:{own}/../a", f"jsonl:{own}-2/a",
            f"jsonl:{own}/way-out/a", "jsonl:/srv/in/../a", "history:/srv/in/a", "chroma:/srv/in",
            "jsonl:a\0b", "chroma-http://127.0.0.1:22", "chroma-http://db:80",
            "s3vectors:bucket/other", "s3vectors:bucket/index?ledger=c/p",
        ):  # fmt: skip
            with pytest.raises(MigrationError, match="DASHBOARD_MIGRATE_FROM"):
                migration.check_source(source)
        page.query_params["from"] = "jsonl:/etc/passwd"
        page.run()
    assert "is not open to the dashboard" in text_of(page)
    assert "Plan" not in {button.label for button in page.button}


@pytest.fixture
def left_behind(data_dir: Path) -> None:
    """Memories on the local disk, from before AWS was configured."""
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(data_dir)})) as local:
        local.add_text_memory("ann@x.com", TEXTS[0])


@pytest.mark.usefixtures("left_behind", "s3")
def test_memories_of_the_local_disk_are_migrated_automatically(page: AppTest) -> None:
    words = wait(page, lambda words: "The memories of the local disk are here" in words)
    assert "1 copied" in words
    with acting_as(LOCAL):
        found = connection().service().list_memories("ann@x.com")
    assert [one.memory for one in found] == [TEXTS[0]]


@pytest.mark.usefixtures("left_behind", "s3")
def test_switched_off_it_says_on_every_page_that_some_are_missing(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_AUTO_MIGRATE", "0")
    app.run()
    assert not app.exception
    assert "Some memories exist only on this machine's disk." in text_of(app)
    app.switch_page("../pages/migrate.py").run()
    assert "(MEMORY_AUTO_MIGRATE=0)" in text_of(app)
