"""The control surface of a stand-in that runs in another process."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from .control import PREFIX
from .requestlog import RequestRecord
from .switches import Switches


class RemoteControl:
    """The methods of `Control`, over HTTP; `url` is either endpoint of the stand-in."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")

    def add_fault(self, action: str, **rule: Any) -> int:
        """See `Control.add_fault`."""
        return int(self._ask("add_fault", action=action, **rule))

    def clear_faults(self, number: int | None = None) -> None:
        """See `Control.clear_faults`."""
        self._ask("clear_faults", number=number)

    def faults(self) -> list[dict[str, Any]]:
        """See `Control.faults`."""
        return list(self._ask("faults"))

    def switches(self) -> Switches:
        """See `Control.switches`."""
        return Switches().changed(self._ask("switches"))

    def set_switches(self, **changes: Any) -> Switches:
        """See `Control.set_switches`."""
        return Switches().changed(self._ask("set_switches", **changes))

    def reset_switches(self) -> Switches:
        """See `Control.reset_switches`."""
        return Switches().changed(self._ask("reset_switches"))

    def lose_vectors(self, count: int) -> None:
        """See `Control.lose_vectors`."""
        self._ask("lose_vectors", count=count)

    def requests(self) -> list[RequestRecord]:
        """See `Control.requests`."""
        rows = self._ask("requests")
        return [RequestRecord(**{**row, "faults": tuple(row["faults"])}) for row in rows]

    def request_counts(self) -> dict[str, int]:
        """See `Control.request_counts`."""
        return dict(self._ask("request_counts"))

    def reset_requests(self) -> None:
        """See `Control.reset_requests`."""
        self._ask("reset_requests")

    def warnings(self) -> list[str]:
        """See `Control.warnings`."""
        return list(self._ask("warnings"))

    def reset(self) -> None:
        """See `Control.reset`."""
        self._ask("reset")

    def ping(self) -> str:
        """See `Control.ping`."""
        return str(self._ask("ping"))

    def _ask(self, method: str, **arguments: Any) -> Any:
        body = json.dumps(arguments, default=list).encode()
        request = urllib.request.Request(self.url + PREFIX + method, body, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)["result"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error
