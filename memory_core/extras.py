"""The extras of the library, groups of packages that can be left out: what each is for.

`pyproject.toml` says what is in them. The core needs none of them: it has the ledger, Amazon S3,
S3 Vectors and the local embedder.
"""

from collections.abc import Iterable, Mapping
from importlib import util
from typing import Final

from .errors import MissingExtra

EXTRAS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "chroma": ("the store on the local disk", ("chromadb",)),
    "documents": (
        "reading documents",
        ("semantic_text_splitter", "charset_normalizer", "pypdf", "docx", "lxml"),
    ),
    "openai": ("talking to OpenAI", ("openai",)),
    "mcp": ("the MCP server", ("mcp",)),
}
"""For each extra what needs it, and the modules by which it is recognized."""

OF_THE_SERVICE: Final = ("chroma", "documents", "openai")
"""Extras without which calls of the service are refused."""


def require(extra: str) -> None:
    """Check that the packages of an extra are installed; imports nothing.

    Raises:
        MissingExtra: one is not; the message says what to install.
    """
    for sentence in missing_extras([extra]).values():
        raise MissingExtra(sentence, extra)


def missing_extras(extras: Iterable[str] = OF_THE_SERVICE) -> dict[str, str]:
    """Return those of the extras that are not installed, each with a sentence that says so."""
    sentences = {}
    for extra in extras:
        purpose, modules = EXTRAS[extra]
        missing = [module for module in modules if util.find_spec(module) is None]
        if missing:
            sentences[extra] = (
                f"{purpose} needs the package {missing[0]}, which is not installed; "
                f"run: pip install 'holdfast[{extra}]'"
            )
    return sentences
