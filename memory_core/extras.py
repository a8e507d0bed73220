"""Extras: optional groups of packages, and what each is for.

`pyproject.toml` lists their packages. The core needs none of them: it has the ledger, Amazon S3,
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
"""By extra: what needs it, and the modules that show that it is installed."""

OF_THE_SERVICE: Final = ("chroma", "documents", "openai")
"""Extras that calls of the service need."""


def require(extra: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Raises:
        MissingExtra: one is not; the message says what to install.
    """
    for sentence in missing_extras([extra]).values():
        raise MissingExtra(sentence, extra)


def missing_extras(extras: Iterable[str] = OF_THE_SERVICE) -> dict[str, str]:
    """Return a sentence for each of the extras that is not installed."""
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
