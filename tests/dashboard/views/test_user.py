"""One user: timeline, similar ids and merges, export and removal; links of old."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from streamlit.testing.v1 import AppTest

from dashboard.auth.headers import CompressedFiles
from dashboard.routes import HTTP_ROUTES, PLOTLY
from dashboard.services import user_actions
from dashboard.views.user import erase
from dashboard.views.user.summary import file_name
from memory_core import MemoryService, UserId, normalize_user_id
from tests.support.app_test import text_of

ANN, OTHER = "ann.lee@gmail.com", "annlee@googlemail.com"


@pytest.fixture
def page(app: AppTest, shared: MemoryService) -> AppTest:
    """The page of Ann, who has memories under two ids."""
    for user, text in ((ANN, "Likes tea"), (OTHER, "Hates rye"), (OTHER, "Rides a bike")):
        shared.add_text_memory(user, text)
    app.switch_page("../pages/memories.py")
    app.query_params["user"] = " Ann.Lee@Gmail.com"
    return app


def view(page: AppTest, name: str = "Memories") -> str:
    page.query_params["view"] = name
    page.run()
    assert not page.exception
    return text_of(page)


def press(page: AppTest, label: str) -> str:
    (button,) = [one for one in page.button if label in one.label]
    button.click().run()
    assert not page.exception
    return text_of(page)


def test_who_it_is_and_which_ids_are_similar(page: AppTest) -> None:
    words = view(page)
    assert ANN in words
    assert "1 memory, last write just now" in words
    assert "1 similar id with memories" in words
    assert f"{OTHER} (2)" in words
    assert page.dataframe[0].value["Memory"].tolist() == ["Likes tea"]


def test_the_expiry_is_shown_in_the_table_and_in_the_ranking(
    page: AppTest, shared: MemoryService
) -> None:
    shared.add_text_memory(ANN, "Rides a bike", expires="2020-01-31")
    view(page)
    assert page.dataframe[0].value["Expires"].tolist() == ["31 Jan 2020, past", ""]


PAGES: dict[str, dict[str, str]] = {
    "Overview": {},
    "Users": {"who": "Ann Lee <ann.lee@gmail.com>"},
    "Memories": {"user": ANN, "view": "Similar ids"},
    "Activity": {},
    "Doctor": {},
    "Redeploy test": {},
    "Migrate": {},
}


def test_no_page_says_1_memories(app: AppTest, shared: MemoryService) -> None:
    shared.add_text_memory(ANN, "Likes tea")
    app.run()
    words = {}
    for title, parameters in PAGES.items():
        app.switch_page(f"../pages/{title.partition(' ')[0].lower()}.py")
        app.query_params.clear()
        for parameter, value in parameters.items():
            app.query_params[parameter] = value
        app.run()
        assert not app.exception
        assert app.title[0].value == title
        words[title] = text_of(app)
    assert "1 memory" in words["Memories"]
    wrong = {
        title: re.findall(r"\b1 (?:\w+ )?(?:\w+ies|\w+[^s\W]s)\b", text)
        for title, text in words.items()
    }
    assert {title: plurals for title, plurals in wrong.items() if plurals} == {}


def test_an_address_with_a_long_id_is_refused_at_once(page: AppTest) -> None:
    page.query_params["user"] = "a" + "\u0301\u0323" * 40_000
    words = view(page)
    assert "This user id cannot be used" in words
    assert "has 80,001 characters, the limit is 254; pass a shorter id" in words


def test_what_happened_is_a_chart_and_a_table(page: AppTest, shared: MemoryService) -> None:
    (memory,) = shared.list_memories(ANN)
    shared.update_memory(ANN, memory.id, "Likes oolong")
    shared.delete_memory(ANN, memory.id)
    words = view(page, "Timeline")
    assert "Event 3 of 3" in words
    assert page.dataframe[0].value.values.tolist() == [["deleted", "Likes oolong", ""]]


def test_what_the_assistant_would_remember_and_what_not(page: AppTest) -> None:
    page.query_params["q"] = "bike or tea?"
    page.session_state["search.all"] = True
    words = view(page, "What is remembered")
    assert "1 of 1 memory answered; ranked exactly." in words
    assert "Under similar ids, where the assistant does not look" in words
    assert page.dataframe[0].value["Answered"].tolist() == ["as 1"]


@pytest.mark.usefixtures("backend")
def test_two_ids_are_merged_and_parted_again(page: AppTest, shared: MemoryService) -> None:
    assert "“Rides a bike”" in view(page, "Similar ids")
    press(page, "Merge")
    assert page.query_params["former"] == OTHER
    words = text_of(page)
    assert "2 memories will move" in words
    assert "“Hates rye”" in words
    assert "“Likes tea”" in words
    page.text_input(key="user.move.typed").input("somebody else")
    assert "nothing was changed" in press(page, "Move 2 memories")
    assert len(shared.list_memories(OTHER)) == 2
    page.text_input(key="user.move.typed").input("ANN.lee@gmail.com ")
    words = press(page, "Move 2 memories")
    assert "Moved 2 memories; 2 read back from the store." in words
    assert "2 memories from annlee@googlemail.com" in words
    assert (len(shared.list_memories(ANN)), shared.list_memories(OTHER)) == (3, [])
    words = press(page, "Undo this merge")
    assert "Moved 2 memories; 2 read back from the store." in words
    assert (len(shared.list_memories(ANN)), len(shared.list_memories(OTHER))) == (1, 2)


def test_the_memories_are_a_file(page: AppTest, shared: MemoryService) -> None:
    view(page, "Export")
    (button,) = page.get("download_button")
    assert button.proto.label == "Export 1 memory"
    said = user_actions.export(normalize_user_id(ANN), "txt", False).decode()
    assert said.startswith(f"1 memory of {ANN}, complete, as of ")
    assert said.endswith("Likes tea")
    exported = user_actions.export(normalize_user_id(ANN), "jsonl", False).decode()
    assert "Likes tea" in exported
    assert "Hates rye" not in exported


def test_a_user_is_forgotten_once_the_id_was_typed(page: AppTest, shared: MemoryService) -> None:
    assert "**Forget the user** · 1 memory" in view(page, "Remove")
    assert "nothing was changed" in press(page, "Forget the user")
    page.text_input(key="user.forget.typed").input(ANN)
    assert "Forgot 1 memory; a recount by their ids finds 0." in press(page, "Forget the user")
    assert shared.list_memories(ANN) == []
    assert [event.kind for event in shared.history(ANN)] == ["FORGET"]
    assert "Nothing is left of this user" in text_of(page)
    assert page.dataframe[0].value["Left"].tolist() == [0] * 6
    names = [button.proto.label for button in page.get("download_button")]
    assert names == ["Download the proof"]
    traces = page.session_state["dashboard.actions"]["user.traces"].outcome.value
    heading = erase.proof_text(traces)
    assert heading.startswith(f"What is left of {ANN} in Holdfast\nSearched: ChromaDB, ")
    assert ", by local, " in heading
    assert "Nothing is left of this user" in heading


def test_a_file_about_a_user_is_named_after_the_user() -> None:
    assert re.fullmatch(
        r"proof-_img_src_x_@ex[.]com-\d{8}[.]txt",
        file_name("proof", UserId("<img/src=x>@ex.com"), "txt"),
    )


def test_pages_have_our_script_and_the_former_address_of_a_user_leads_on() -> None:
    client = TestClient(Starlette(routes=HTTP_ROUTES), follow_redirects=False)
    scripts = re.findall('<script type="module".*?src="(.+?)"', client.get("/memories").text)
    assert scripts[0] == "./holdfast.js"
    assert scripts[1].startswith("./static/js/index.")
    assert client.get("/holdfast.js").headers["content-type"].startswith("text/javascript")
    answer = client.get("/user?user=ann%2Blee%40x.com&view=Merge+users")
    assert answer.headers["location"] == "memories?user=ann%2Blee%40x.com&view=Merge+users"


def test_the_overview_names_all_code_it_needs() -> None:
    client = TestClient(Starlette(routes=HTTP_ROUTES))
    page = client.get("/").text
    named = re.findall(r'(?:href|src)="\./static/js/(.+?)"', page)
    assert f'<link rel="preload" as="script" href="./{PLOTLY.name}">' in page
    assert PLOTLY.name not in client.get("/users").text, "asked for by the first chart"
    scripts = Path(st.__file__).parent / "static" / "static" / "js"
    for name in named:
        imported = re.findall(r'(?:from|import)"\./(.+?)"', (scripts / name).read_text()[:20_000])
        assert {*imported} <= {*named}, f"{name} leads to more requests"


def test_scripts_and_styles_are_sent_compressed_and_nothing_else_is_answered() -> None:
    client = TestClient(CompressedFiles(PlainTextResponse("as it is"), PLOTLY))
    folder = Path(st.__file__).parent / "static" / "static"
    script, style = next(folder.glob("js/index.*.js")), next(folder.glob("css/index.*.css"))
    sent = client.get(f"/static/js/{script.name}")
    assert sent.text == script.read_text()
    assert sent.headers["content-type"] == "text/javascript; charset=utf-8"
    assert sent.headers["content-encoding"] == "gzip"
    assert sent.headers["cache-control"] == "public, immutable, max-age=31536000"
    assert client.get(f"/static/css/{style.name}").text == style.read_text()
    unpacked = {"Accept-Encoding": "identity"}
    for app, headers in ((client, {}), (TestClient(Starlette(routes=HTTP_ROUTES)), unpacked)):
        assert app.get(f"/{PLOTLY.name}", headers=headers).content == PLOTLY.read_bytes()
    assert client.get(f"/static/js/{script.name}", headers=unpacked).text == "as it is"
    assert client.get("/static/js/none.js").text == "as it is"
    assert client.post(f"/static/js/{script.name}").text == "as it is"
    with TestClient(CompressedFiles(_greet)).websocket_connect(f"/static/js/{script.name}") as told:
        assert told.receive_text() == "as it is"


async def _greet(scope: Scope, receive: Receive, send: Send) -> None:
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    await socket.send_text("as it is")
