"""What a person reads on a page, element by element."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from typing import Any

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import RerunData
from streamlit.testing.v1 import AppTest, local_script_runner
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from dashboard.services import jobs
from tests.support.waiting import wait_for

MARK = "evil.example"


TEXT = (
    f"![a](https://{MARK}/a.png) <img src=//{MARK}/b> [c](javascript:{MARK}) :red[d] https://{MARK}"
)


# Elements that neither fetch what stands in the text nor make a link of it. A chart carries
# escaped labels; input fields hold their value; a selectbox shows its options as they are.
SAFE = {"text", "code", "dataframe", "selectbox", "text_area", "text_input", "chart"}


@dataclass(frozen=True)
class DrawnChart:
    """What page.js makes a chart of: its figure, its sentence, and where a click leads."""

    figure: dict[str, Any]
    alt: str
    link: str


def charts_of(app: AppTest) -> list[DrawnChart]:
    """Return the charts of the page in order."""
    return [_chart_in(element.proto.body) for element in app.get("html")]


def _chart_in(html: str) -> DrawnChart:
    """Return the chart of an element, which has to be one empty part with nothing else in it."""
    tags: list[tuple[str, dict[str, str | None]]] = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))  # type: ignore[method-assign]
    reader.handle_data = lambda text: pytest.fail(f"a chart holds {text!r}")  # type: ignore[method-assign]
    reader.feed(html)
    reader.close()
    ((tag, holds),) = tags
    assert (tag, holds["class"], holds["role"]) == ("div", "holdfast-chart", "figure")
    assert {*holds} == {"class", "style", "role", "aria-label", "data-link", "data-figure"}
    for name, value in holds.items():
        assert not {*"<>"} & {*(value or "")}, f"Streamlit's page may leave out {name}"
    figure = json.loads(holds["data-figure"] or "")
    return DrawnChart(figure, holds["aria-label"] or "", holds["data-link"] or "")


def run_until(page: AppTest, words: str) -> str:
    """Draw the page, as its fragments do while a job runs, until the words are on it."""
    return draw_until(page, f"{words!r} on the page", lambda text: words in text)


def draw_until(page: AppTest, what: str, done: Callable[[str], bool]) -> str:
    """Draw the page until what it says is as expected, and return that.

    After the first drawing, which may start a job, no job is under way: each drawing costs as much
    as many a job. Between two drawings there is time for what else is waited for.
    """

    def says() -> str:
        page.run()
        if page.exception:
            pytest.fail(f"an exception is on the page: {page.exception}")
        text = text_of(page)
        if not done(text):
            wait_for_jobs()
            raise AssertionError(text)
        return text

    return wait_for(what, says, every_s=0.2)


def wait_for_jobs() -> None:
    """Wait until no job is under way any more."""

    def ended() -> bool:
        under_way = [job for job in list(jobs.board()._jobs.values()) if not job.finished]
        if under_way:
            raise AssertionError(f"{under_way} did not end yet")
        return True

    wait_for("every job to end", ended)


def run_timers(app: AppTest, meanwhile: Callable[[], object]) -> None:
    """Draw the page; after `meanwhile` draw what draws itself again in time, as a browser asks."""
    timers: list[str] = []
    messages_of = LocalScriptRunner.forward_msgs

    def noting(runner: LocalScriptRunner) -> list[ForwardMsg]:
        messages = messages_of(runner)
        timers.extend(
            message.auto_rerun.fragment_id for message in messages if message.HasField("auto_rerun")
        )
        return messages

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalScriptRunner, "forward_msgs", noting)
        app.run()
    assert timers
    meanwhile()
    with pytest.MonkeyPatch.context() as patch:
        timed = partial(RerunData, fragment_id_queue=timers, is_auto_rerun=True)
        patch.setattr(local_script_runner, "RerunData", timed)
        app.run()


def walk(app: AppTest) -> Iterator[tuple[str, str]]:
    """Yield the kind of every element of the page and all of its content."""
    yield from _walk(app._tree)


def _walk(node: object) -> Iterator[tuple[str, str]]:
    children = getattr(node, "children", None)
    if children:
        for child in children.values():
            yield from _walk(child)
    proto = getattr(node, "proto", None)
    if proto is not None:
        kind = getattr(node, "type", "unknown")
        if kind == "html":
            _chart_in(proto.body)
            kind = "chart"
        yield kind, str(proto)


def text_of(app: AppTest) -> str:
    """Return all plain text, Markdown, captions, alerts and code of the page."""
    groups = (
        app.title, app.header, app.markdown, app.caption, app.text, app.code,
        app.error, app.warning, app.success, app.info,
    )  # fmt: skip
    return "\n".join(str(element.value) for group in groups for element in group)
