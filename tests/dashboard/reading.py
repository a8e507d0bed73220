"""What a person reads on a page, element by element."""

from __future__ import annotations

from collections.abc import Iterator

from streamlit.testing.v1 import AppTest


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
