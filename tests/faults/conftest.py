"""The helper process, started once for all test modules that ask for it."""

from __future__ import annotations

import pytest

from .zygote import Zygote

_STARTED = pytest.StashKey[Zygote]()


@pytest.fixture(scope="session")
def zygote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Zygote:
    # A fixture that other modules import is made once for each of them; the process is not.
    stash = request.config.stash
    if _STARTED not in stash:
        stash[_STARTED] = Zygote(tmp_path_factory.mktemp("zygote"))
        request.config.add_cleanup(stash[_STARTED].close)
    return stash[_STARTED]
