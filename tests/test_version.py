"""Versions of libraries are found while another thread changes the path of imports."""

from __future__ import annotations

import sys
import threading
from importlib.metadata import PackageNotFoundError

import pytest

from memory_core import version
from memory_core.version import library_version


def test_a_version_is_found_while_the_path_changes() -> None:
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            sys.path.insert(0, "nowhere")
            sys.path.remove("nowhere")

    def look_anew() -> str:
        version._version_on.cache_clear()
        return library_version("boto3")

    changing = threading.Thread(target=change)
    changing.start()
    try:
        assert {look_anew() for _ in range(300)} == {library_version("boto3")}
    finally:
        done.set()
        changing.join()


def test_a_library_that_is_not_there_says_so() -> None:
    with pytest.raises(PackageNotFoundError, match="no-such-library"):
        library_version("no-such-library")
