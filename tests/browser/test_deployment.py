"""The example backend is killed, its disk wiped, the next version deployed; who remembers Alice?

The dashboard runs beside it on the same disk and storage, and is looked at in a real browser; a
redeploy test begun there before the deployment is judged after it.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.support.deployment import Backend, deployed
from tests.support.s3_bench import open_bench
from tests.support.screen import OpenScreen, Screen, link, serious
from tests.support.server import running_server

ALICE = "alice@example.com"
POST = "Cashews and pistachios give Alice hives."
DOCUMENT = "Alice takes the train at 7:05 from platform 4."
QUESTION = "Which nuts must she avoid?"
FIRST, NEXT = {"RENDER_GIT_COMMIT": "a" * 40}, {"RENDER_GIT_COMMIT": "b" * 40}
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


def _begin(screen: Screen, probes: int) -> str:
    """Begin a test of a real deployment and return the link of its receipt."""
    screen.page.get_by_role("tab", name="Real deployment").click()
    screen.page.get_by_role("spinbutton", name="Probes").fill(str(probes))
    screen.page.get_by_role("button", name="Write the probes").click()
    expect(screen.part("receipt")).to_contain_text(f"{probes} of {probes} probes stored")
    return screen.part("receipt").get_by_test_id("stCode").first.inner_text().replace("\n", "")


def test_on_s3_the_next_version_knows_everything(tmp_path: Path, open_screen: OpenScreen) -> None:
    disk = tmp_path / "disk"
    with open_bench() as bench:
        with (
            deployed(disk, "version-1", **bench.environ) as backend,
            running_server(disk, **bench.environ, **FIRST) as address,
        ):
            _save(backend)
            screen = open_screen(address, "/memories")
            expect(screen.page.get_by_text("talks to a stand-in for Amazon S3")).to_be_visible()
            screen.choose_user("Wanda@Example.com ")
            screen.save("Pears and plums give Wanda hives.")
            stored = re.compile("Stored 1 memory, verified, in [0-9,]+ ms")
            expect(screen.page.get_by_text(stored)).to_be_visible()
            screen.go("/redeploy")
            _begin(screen, 3)
            test = screen.page.url.removeprefix(address)
            assert serious(screen) == []
            assert screen.close() == []
        assert not disk.exists()
        with (
            deployed(disk, "version-2", **bench.environ) as backend,
            running_server(disk, **bench.environ, **NEXT) as address,
        ):
            # Opened at once and not touched: the check begins and ends by itself.
            screen = open_screen(address, test)
            expect(screen.part("verdict")).to_contain_text("PASS")
            expect(screen.part("verdict")).to_contain_text("All 3 probes that were stored before")
            expect(screen.part("verdict")).to_contain_text("commit bbbbbbbb runs, it was aaaaaaaa")
            screen.settle()
            session = backend.sign_in("alice@example.com ")
            assert [one["memory"] for one in session["memories"]] == [DOCUMENT, POST]
            assert (session["backend"], session["persistent"]) == ("s3_vectors", True)
            found = backend.ask("GET", "/memories", params={"query": QUESTION})
            assert found[0]["memory"]["memory"] == POST
            assert LOGGED in backend.log
            assert "nuts" not in backend.log
            screen.page.get_by_role("link", name="Overview").click()
            screen.settle()
            expect(screen.part("key-figures")).to_contain_text("PASS")
            expect(screen.part("status-card")).to_contain_text(bench.bucket)
            _look(screen, "Persistent", memories=2)
            screen.go(link("wanda@example.com", q="Which fruits must she avoid?"))
            expect(screen.part("hit-1")).to_contain_text("Pears and plums")
            assert screen.close() == []
            assert not (disk / "data").exists()


def test_on_chroma_the_next_version_knows_nothing(tmp_path: Path, open_screen: OpenScreen) -> None:
    disk = tmp_path / "disk"
    with (
        deployed(disk, "version-1") as backend,
        running_server(disk, **FIRST) as address,
    ):
        _save(backend)
        screen = open_screen(address)
        _look(screen, "Temporary", memories=2)
        screen.page.get_by_role("link", name="Redeploy test").click()
        screen.settle()
        code = _begin(screen, 2).removeprefix(address)
        assert re.fullmatch(r"/redeploy\?receipt=[A-Z2-7-]+", code)
        assert screen.close() == []
    assert not disk.exists()
    with deployed(disk, "version-2") as backend, running_server(disk, **NEXT) as address:
        session = backend.sign_in("alice@example.com ")
        assert (session["count"], session["memories"]) == (0, [])
        assert (session["backend"], session["persistent"]) == ("chroma", False)
        assert "Local ChromaDB will be lost on deployment" in backend.log
        screen = open_screen(address)
        _look(screen, "Temporary", memories=0)
        assert screen.close() == []
        # The code alone, on a machine that has seen nothing of the test.
        screen = open_screen(address, code, size=(390, 844), fresh=True)
        expect(screen.part("offer")).to_contain_text("waiting for a deployment")
        assert screen.overflow() <= 0
        screen.page.get_by_role("button", name="Check what became of it").click()
        expect(screen.part("verdict")).to_contain_text("FAIL")
        expect(screen.part("verdict")).to_contain_text("2 of 2 are lost")
        screen.settle()
        assert screen.close() == []
