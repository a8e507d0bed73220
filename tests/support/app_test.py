"""What a person reads on a page, element by element."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

MARK = "evil.example"


TEXT = (
    f"![a](https://{MARK}/a.png) <img src=//{MARK}/b> [c](javascript:{MARK}) :red[d] https://{MARK}"
)


# Elements that neither fetch what stands in the text nor make a link of it. A chart carries
# escaped labels; input fields hold their value; a selectbox shows its options as they are.
SAFE = {"text", "code", "dataframe", "selectbox", "text_area", "text_input", "plotly_chart"}


def run_until(page: AppTest, words: str) -> str:
    """Draw the page, as its fragments do while a job runs, until the words are on it."""
    for _ in range(200):
        page.run()
        assert not page.exception
        if words in (text := text_of(page)):
            return text
    pytest.fail(f"{words!r} did not appear")


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
        yield getattr(node, "type", "unknown"), str(proto)


def text_of(app: AppTest) -> str:
    """Return all plain text, Markdown, captions, alerts and code of the page."""
    groups = (
        app.title, app.subheader, app.markdown, app.caption, app.text, app.code,
        app.error, app.warning, app.success, app.info,
    )  # fmt: skip
    return "\n".join(str(element.value) for group in groups for element in group)
