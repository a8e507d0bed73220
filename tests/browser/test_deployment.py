"""The example backend is killed, its disk wiped, the next version deployed; who remembers Alice?

The dashboard runs beside it on the same storage, and is looked at in a real browser; a redeploy
test begun there before the deployment is judged after it. At last
the server hangs, and ends. What a deployment does to memories that
are not on S3 is in tests/examples/test_deployed_backend.py.
"""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

from playwright.sync_api import expect

from memory_core import open_service
from tests.support.deployment import ALICE, DOCUMENT, POST, QUESTION, Backend, deployed
from tests.support.ports import held_port
from tests.support.s3_bench import Bench, open_bench
from tests.support.screen import OpenScreen, Screen, link
from tests.support.server import open_server, running_server

FIRST, NEXT = {"RENDER_GIT_COMMIT": "a" * 40}, {"RENDER_GIT_COMMIT": "b" * 40}
LOGGED = f"[API] Using normalized user_id for Memory: {ALICE}\n"
WANDA = "Pears and plums give Wanda hives."


def _save_for_others(bench: Bench) -> None:
    """Save for as many as Overview shows at most beside the two."""
    with open_service(bench.settings) as service:
        for number in range(12):
            service.add_text_memory(f"user{number}@example.com", "likes tea")


def _save_as_wanda(screen: Screen) -> None:
    expect(screen.page.get_by_text("talks to a stand-in for Amazon S3")).to_be_visible()
    screen.choose_user("Wanda@Example.com ")
    screen.page.get_by_role("button", name="Save under this new id").click()
    screen.settle()
    screen.save(WANDA)
    stored = re.compile("Stored 1 memory, verified, in [0-9,]+ ms")
    expect(screen.page.get_by_text(stored)).to_be_visible()


def _begin(screen: Screen, probes: int) -> str:
    """Begin a test of a real deployment and return the link of its receipt."""
    screen.page.get_by_role("tab", name="Real deployment").click()
    screen.page.get_by_role("spinbutton", name="Probes").fill(str(probes))
    screen.page.get_by_role("button", name="Write the probes").click()
    expect(screen.part("receipt")).to_contain_text(f"{probes} of {probes} probes stored")
    screen.expect_usable_by_all()
    code = screen.part("receipt").get_by_test_id("stCode").first.inner_text()
    return code.replace("\n", "")


def _check_the_backend(backend: Backend) -> None:
    session = backend.sign_in("alice@example.com ")
    assert [one["memory"] for one in session["memories"]] == [DOCUMENT, POST]
    assert (session["backend"], session["persistent"]) == ("s3_vectors", True)
    found = backend.ask("GET", "/memories", params={"query": QUESTION})
    assert found[0]["memory"]["memory"] == POST
    backend.wait_for_line(LOGGED)
    assert "nuts" not in backend.log


def _look(screen: Screen, bucket: str) -> None:
    """Check what Overview says of the storage and the test, and what both users are told."""
    screen.page.get_by_role("link", name="Overview").click()
    expect(screen.part("key-figures")).to_contain_text("PASS")
    line = screen.part("status-line")
    expect(line).to_contain_text("15 memories last as long as this server keeps them")
    screen.resize((1440, 900))
    screen.settle()
    screen.expect_story_above_the_fold()
    screen.page.get_by_text("Why this storage").click()
    expect(screen.page.get_by_text(bucket).first).to_be_visible()
    screen.go(link(ALICE, q=QUESTION))
    expect(screen.page.get_by_text("searched all 2 memories")).to_be_visible()
    expect(screen.part("hit-1")).to_contain_text(POST)
    screen.go(link("wanda@example.com", q="Which fruits must she avoid?"))
    expect(screen.part("hit-1")).to_contain_text(WANDA)


def _hang(server: subprocess.Popen[bytes], screen: Screen) -> None:
    """Check that a page says when its server hangs, and goes on when it answers again."""
    alert = screen.page.get_by_role("alert")
    server.send_signal(signal.SIGSTOP)
    try:
        screen.page.get_by_label("Find a person").fill("ann@example.com")
        screen.page.keyboard.press("Enter")
        expect(alert.get_by_text("The server does not answer.")).to_be_visible()
    finally:
        server.send_signal(signal.SIGCONT)
    nobody = "Nothing was ever saved under ann@example.com"
    expect(screen.part("answer")).to_contain_text(nobody)
    expect(alert.get_by_text("The server does not answer.")).to_have_count(0)
    for text in ("ERR_CONNECTION_REFUSED", "Client Error", "not responding"):
        screen.forgive(text)


def test_on_s3_the_next_version_knows_everything(tmp_path: Path, open_screen: OpenScreen) -> None:
    disk = tmp_path / "disk"
    # Both versions have the same address, as after any deployment.
    with open_bench() as bench, held_port() as port:
        _save_for_others(bench)
        with (
            deployed(disk, "version-1", **bench.environ) as backend,
            running_server(disk, port=port, **bench.environ, **FIRST) as address,
        ):
            backend.save_as_alice()
            screen = open_screen(address, "/memories")
            _save_as_wanda(screen)
            screen.go("/redeploy")
            receipt = _begin(screen, 3).removeprefix(address)
            assert re.fullmatch(r"/redeploy\?receipt=[A-Z2-7-]+", receipt)
            test = screen.page.url.removeprefix(address)
            assert screen.close() == []
            # The code alone, on a machine that has seen nothing of the test.
            phone = open_screen(address, receipt, size=(390, 844), fresh=True)
            expect(phone.part("offer")).to_contain_text("waiting for a deployment")
            phone.expect_to_fit()
            assert phone.close() == []
        assert not disk.exists()
        with (
            deployed(disk, "version-2", **bench.environ) as backend,
            open_server(disk, port=port, **bench.environ, **NEXT) as (server, address),
        ):
            # Opened at once and not touched: the check begins and ends by itself.
            screen = open_screen(address, test)
            expect(screen.part("verdict")).to_contain_text("PASS")
            expect(screen.part("verdict")).to_contain_text(
                "All that was stored before is there and found, 3 probes"
            )
            expect(screen.part("verdict")).to_contain_text("commit bbbbbbbb runs, it was aaaaaaaa")
            _check_the_backend(backend)
            _look(screen, bench.bucket)
            assert not (disk / "data").exists()
            _hang(server, screen)
        lost = screen.page.get_by_role("alert").get_by_text("The connection to the server is lost.")
        expect(lost).to_be_visible()
        assert screen.close() == []
