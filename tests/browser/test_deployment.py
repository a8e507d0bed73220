"""The example backend is killed, its disk wiped, the next version deployed; who remembers Alice?

The dashboard runs beside it on the same disk and storage, and is looked at in a real browser.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.s3_bench import open_bench

from .conftest import OpenScreen
from .deployment import Backend, deployed
from .screen import Screen, link
from .server import running_server

ALICE = "alice@example.com"
POST = "Cashews and pistachios give Alice hives."
DOCUMENT = "Alice takes the train at 7:05 from platform 4."
QUESTION = "Which nuts must she avoid?"
LOGGED = f"[API] Using normalized user_id for Memory: {ALICE}\n"


def _save(backend: Backend) -> None:
    """Save a post and a document as the person who typed the address with capitals."""
    assert backend.sign_in("Alice@Example.com")["count"] == 0
    backend.ask("POST", "/posts", json={"text": POST})
    backend.ask("POST", "/documents", files={"file": ("train.txt", DOCUMENT.encode())})


def _look(screen: Screen, storage: str, memories: int) -> None:
    """Check what Overview says of the storage, and what Memories lists for Alice."""
    expect(screen.part("status-card")).to_contain_text(storage)
    screen.go(link(ALICE, tab="Browse"))
    if memories:
        expect(screen.page.get_by_text(f"{memories} memories, complete.")).to_be_visible()
        screen.open_tab("Search")
        screen.ask(QUESTION)
        expect(screen.part("hit-1")).to_contain_text(POST)
    else:
        expect(screen.page.get_by_text("No memories yet.")).to_be_visible()


def test_on_s3_the_next_version_knows_everything(tmp_path: Path, open_screen: OpenScreen) -> None:
    disk = tmp_path / "disk"
    with open_bench() as bench:
        with deployed(disk, "version-1", **bench.environ) as backend:
            _save(backend)
        assert not disk.exists()
        with (
            deployed(disk, "version-2", **bench.environ) as backend,
            running_server(disk, **bench.environ) as address,
        ):
            session = backend.sign_in("alice@example.com ")
            assert [one["memory"] for one in session["memories"]] == [DOCUMENT, POST]
            assert (session["backend"], session["persistent"]) == ("s3_vectors", True)
            found = backend.ask("GET", "/memories", params={"query": QUESTION})
            assert found[0]["memory"]["memory"] == POST
            assert LOGGED in backend.log
            assert "nuts" not in backend.log
            screen = open_screen(address)
            _look(screen, "Persistent", memories=2)
            assert screen.close() == []
            assert not (disk / "data").exists()


def test_on_chroma_the_next_version_knows_nothing(tmp_path: Path, open_screen: OpenScreen) -> None:
    disk = tmp_path / "disk"
    with deployed(disk, "version-1") as backend, running_server(disk) as address:
        _save(backend)
        screen = open_screen(address)
        _look(screen, "Temporary", memories=2)
        assert screen.close() == []
    assert not disk.exists()
    with deployed(disk, "version-2") as backend, running_server(disk) as address:
        session = backend.sign_in("alice@example.com ")
        assert (session["count"], session["memories"]) == (0, [])
        assert (session["backend"], session["persistent"]) == ("chroma", False)
        assert "Local ChromaDB will be lost on deployment" in backend.log
        screen = open_screen(address)
        _look(screen, "Temporary", memories=0)
        assert screen.close() == []
