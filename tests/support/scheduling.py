"""Which test goes to which process of a run with several."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

BROWSER = "tests/browser/"


class ByFile(LoadFileScheduling):
    """The tests of a file go to one process, and all that need a browser go to the same.

    So there is one Chromium and one dashboard for them. They take the longest of all, and less
    than half of the time of a whole run: whoever begins with them is not the last to end.
    """

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)
