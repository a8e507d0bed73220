"""How often may somebody try a password."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 15 * 60
PER_ACCOUNT = 10
PER_ADDRESS = 30
KEPT = 10_000


class Attempts:
    """Failures of the last `WINDOW_S`, for each name typed and for each address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait_s(self, name: str, address: str) -> int:
        """Return the seconds until the next try is looked at, 0 when it is now."""
        with self._lock:
            return max(
                self._wait(("account", name), PER_ACCOUNT),
                self._wait(("address", address), PER_ADDRESS),
            )

    def failed(self, name: str, address: str) -> None:
        """Note a failure."""
        with self._lock:
            for key in (("account", name), ("address", address)):
                self._failures.setdefault(key, deque(maxlen=PER_ADDRESS)).append(self._clock())
                self._failures.move_to_end(key)
            while len(self._failures) > KEPT:
                self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name; those of the address stay."""
        with self._lock:
            self._failures.pop(("account", name), None)

    def _wait(self, key: tuple[str, str], most: int) -> int:
        times = self._failures.get(key, deque())
        while times and self._clock() - times[0] >= WINDOW_S:
            times.popleft()
        if len(times) < most:
            return 0
        return max(1, round(times[-most] + WINDOW_S - self._clock()))
