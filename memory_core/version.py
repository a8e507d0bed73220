"""The version of Holdfast, and of the libraries it runs on."""

import sys
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions

__version__ = "0.1.0"


def library_version(name: str) -> str:
    """Return the version of an installed distribution.

    Raises:
        PackageNotFoundError: there is none of that name.
    """
    # A copy of the path: Streamlit adds and removes folders while other threads run, and a loop
    # over a list that changes skips some of its entries.
    return _version_on(tuple(sys.path), name)


@lru_cache(maxsize=32)
def _version_on(path: tuple[str, ...], name: str) -> str:
    for distribution in distributions(name=name, path=[*path]):
        return distribution.version
    raise PackageNotFoundError(name)
