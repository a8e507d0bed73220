"""Text of others reaches only elements that show it as it is."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from memory_core import MemoryService
from tests.support.app_test import MARK, SAFE, TEXT, charts_of, walk

USER = f"![x](https://{MARK}/u.png)<img/src=//{MARK}/v>"


def _sinks(app: AppTest) -> set[str]:
    assert not app.exception
    return {kind for kind, proto in walk(app) if MARK in proto}


@pytest.fixture
def hostile(shared: MemoryService) -> str:
    record = shared.add_text_memory(USER, TEXT, metadata={f"[k](//{MARK})": f"<b>{MARK}</b>"})[0]
    shared.update_memory(USER, record.id, f"{TEXT} changed")
    return record.id


def _open(app: AppTest, tab: str, **state: object) -> AppTest:
    app.switch_page("../pages/memories.py")
    app.query_params["user"] = USER
    app.query_params["tab"] = tab
    if "memory" in state:
        app.query_params["memory"] = str(state.pop("memory"))
    for key, value in state.items():
        app.session_state[key.replace("__", ".")] = value
    return app.run()


def test_an_unsafe_element_would_be_noticed() -> None:
    script = f"import streamlit as st; st.caption({TEXT!r})"
    page = AppTest.from_string(script, default_timeout=60).run()
    assert not _sinks(page) <= SAFE


def test_on_the_overview(app: AppTest, hostile: str) -> None:
    for part in ("table.users", "log", "why"):
        app.session_state[f"overview.{part}"] = True
    app.run()
    sinks = _sinks(app)
    assert {"chart", "dataframe", "text"} <= sinks
    assert sinks <= SAFE
    labels = charts_of(app)[0].figure["layout"]["yaxis"]["ticktext"]
    assert labels
    assert not any("<" in label for label in labels)


def test_on_the_user_line_and_in_a_search(app: AppTest, hostile: str) -> None:
    _open(app, "Search")
    app.text_input(key="q").set_value(TEXT).run()
    sinks = _sinks(app)
    assert "text" in sinks
    assert sinks <= SAFE


def test_in_the_box_for_a_person(app: AppTest, hostile: str) -> None:
    app.query_params["who"] = MARK
    app.switch_page("../pages/users.py").run()
    sinks = _sinks(app)
    assert "text" in sinks
    assert sinks <= SAFE


def test_in_browse_with_detail_history_and_editor(app: AppTest, hostile: str) -> None:
    _open(app, "Browse", memory=hostile, detail__history=True)
    sinks = _sinks(app)
    assert {"text", "dataframe"} <= sinks
    assert sinks <= SAFE
    next(button for button in app.button if button.label == "Edit").click().run()
    assert "text_area" in _sinks(app)
    assert _sinks(app) <= SAFE


def test_in_the_confirmation_of_a_deletion(app: AppTest, hostile: str) -> None:
    _open(app, "Browse", memory=hostile, detail__asked=hostile)
    assert _sinks(app) <= SAFE


def test_after_saving(app: AppTest, hostile: str) -> None:
    _open(app, "Save")
    app.text_area(key="save.text").input(f"{TEXT} again")
    next(button for button in app.button if button.label == "Save").click().run()
    assert _sinks(app) <= SAFE


def test_in_an_error(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_BACKEND", TEXT)
    app.run()
    assert "text" in _sinks(app)
    assert _sinks(app) <= SAFE


def test_no_page_asks_for_html(app: AppTest, hostile: str) -> None:
    app.run()
    assert not [proto for _, proto in walk(app) if "allow_html: true" in proto]
