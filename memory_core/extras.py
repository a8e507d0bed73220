"""The extras of the library, groups of packages that can be left out: what each is for.

`pyproject.toml` says what is in them. The core needs none of them: the ledger, Amazon S3, S3
Vectors, and the local embedder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
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


@contextmanager
def requiring(extra: str) -> Iterator[None]:
    """Turn the failure to import a package of an extra into one sentence.

    Raises:
        MissingExtra: one of the packages is not installed; says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        package = str(exc.name).partition(".")[0]
        if package == __name__.partition(".")[0]:
            raise
        raise MissingExtra(_sentence(extra, package), extra) from exc


def missing_extras(find: Callable[[str], object] = find_spec) -> dict[str, str]:
    """Return the extras that are not installed, each with its sentence; imports nothing."""
    missing = {
        extra: next((module for module in modules if find(module) is None), None)
        for extra, (_, modules) in EXTRAS.items()
    }
    return {extra: _sentence(extra, module) for extra, module in missing.items() if module}


def _sentence(extra: str, package: str) -> str:
    return (
        f"{EXTRAS[extra][0]} needs the package {package}, which is not installed; "
        f"run: pip install 'holdfast[{extra}]'"
    )
