"""The version of Holdfast, in one place, and those of the libraries it runs on."""

import sys
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions

__version__ = "0.1.0"


def library_version(name: str) -> str:
    """Return the version of an installed distribution.

    Raises:
        PackageNotFoundError: there is none of that name.
    """
    # A copy of the path: Streamlit puts folders on it and takes them off while other threads run,
    # and a list that changes while it is gone through leaves some of its entries out.
    return _version_on(tuple(sys.path), name)


@lru_cache(maxsize=32)
def _version_on(path: tuple[str, ...], name: str) -> str:
    for distribution in distributions(name=name, path=[*path]):
        return distribution.version
    raise PackageNotFoundError(name)
