"""Hostile text on every page: nothing is fetched, nothing becomes a link, nothing overflows."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from memory_core import Settings, open_service

from .conftest import OpenScreen
from .screen import Screen, link
from .server import running_server

HOST = "evil.example"
USER = f"<img/src=//{HOST}/u>![u](https://{HOST}/u.png)@example.com"
TEXTS = (
    f"<img src=//{HOST}/x> <script src=//{HOST}/s></script> <style>@import '//{HOST}/c'</style>",
    f"![image](https://{HOST}/image.png) and [a link](javascript:alert(1)) and https://{HOST}",
    f":red-background[**Persistent**] :material/verified_user: $\\frac{{1}}{{2}}$ www.{HOST}",
    "right-to-left \u202eedirrevo\u202c and \u2066isolated\u2069",
    "emoji 🎉👨‍👩‍👧‍👦🏳️‍🌈 and Z" + "\u0300\u0301\u0302" * 60 + "algo",
    "unbroken" * 3_900,
    "line\n" * 5_000,
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hostile")
    with open_service(Settings.from_env({"MEMORY_DATA_DIR": str(folder / "data")})) as service:
        for text in TEXTS:
            service.add_text_memory(USER, text, metadata={f"<b>{HOST}": f"![m](//{HOST}/m.png)"})
    with running_server(folder) as address:
        yield address


def _check(screen: Screen) -> None:
    assert screen.overflow() <= 0
    assert (
        screen.page.locator(f"a[href*='{HOST}'], img[src*='{HOST}'], a[href^='javascript']").count()
        == 0
    )


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_hostile_text_is_shown_as_it_is(
    hostile: str, open_screen: OpenScreen, size: tuple[int, int]
) -> None:
    screen = open_screen(hostile, size=size)
    expect(screen.part("per-user").get_by_role("figure")).to_be_visible()
    _check(screen)
    screen.go(link(USER, q="image link persistent overridden unbroken line"))
    expect(screen.part("hit-7")).to_be_visible()
    expect(screen.page.get_by_text(f"<img src=//{HOST}/x>")).to_be_visible()
    _check(screen)
    screen.open_tab("Browse")
    for number in range(len(TEXTS)):
        screen.select_row(number)
        expect(screen.part("detail")).to_be_visible()
        _check(screen)


def test_the_whole_of_a_long_text_is_one_click_away(hostile: str, open_screen: OpenScreen) -> None:
    screen = open_screen(hostile, link(USER, q="unbroken" * 10), size=(390, 844))
    screen.page.get_by_text("All 31,200 characters").click()
    screen.settle()
    expect(screen.page.get_by_test_id("stCode")).to_contain_text("unbroken" * 3_900)
    _check(screen)


def test_hostile_text_is_saved_and_shown_again(hostile: str, open_screen: OpenScreen) -> None:
    screen = open_screen(hostile, link("saver@example.com"))
    screen.save(TEXTS[0])
    expect(screen.part("saved")).to_contain_text(f"<img src=//{HOST}/x>")
    _check(screen)
