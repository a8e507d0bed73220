"""Alerts: a JSON document, posted once to MEMORY_ALERT_URL for each change to worse or to well.

A change is first claimed by an object, so that only one of several instances sends it. It is sent
again only if it cannot have arrived: the connection failed, or the server said so. Where the answer
was lost, the alert may have arrived: it is not repeated, and the doctor names it.
"""

import json
import logging
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass
from uuid import uuid4

from ..errors import BackendError, EntryExists
from ..settings import Settings
from ..storage.objects import ObjectStore, take

ALERTS: Final = "watch/v1/alerts/"
AlertKind = Literal["proof", "storage", "doctor"]

_RANKS: Final = {"temporary": 1, "begun": 0, "proven": 0, "persistent": 0, "well": 0}
"""The severity of a state; one that is not listed is the worst, 2."""
_PAUSES_S: Final = (2.0, 10.0, 60.0, 300.0)
_TIMEOUT_S: Final = 10.0
_GIVEN_UP: Final = timedelta(hours=1)
_BUSY: Final = frozenset({408, 425, 429})
_logger = logging.getLogger("memory_core")


class Alerts:
    """Posts changes to one address, if there is one; safe to share between threads.

    `objects` may be set later, if the storage cannot be opened at first.
    """

    def __init__(
        self,
        url: str | None,
        link: str = "",
        objects: ObjectStore | None = None,
        *,
        pauses_s: Sequence[float] = _PAUSES_S,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self.objects = objects
        self._url, self._link = url, link
        self._pauses_s, self._timeout_s = pauses_s, timeout_s
        self._seen: dict[AlertKind, str] = {}
        self._unclaimed: set[AlertKind] = set()
        self._lock = threading.Lock()
        self._last: threading.Thread | None = None

    def see(self, kind: AlertKind, state: str, sentence: str, **evidence: object) -> None:
        """Note a state, and send it if it is worse than the last one sent, or well again.

        Returns at once; only a state that this process did not see before is looked up. A first
        state that is not a failure is only kept for comparison. A storage that cannot be read does
        not hold an alert back.
        """
        if self._url is None:
            return
        with self._lock:
            before, self._seen[kind] = self._seen.get(kind), state
            if before == state:
                return
            document = {
                "id": uuid4().hex,
                "kind": kind,
                "state": state,
                "sentence": sentence,
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
                "evidence": evidence,
                "host": socket.gethostname(),
                "link": self._link,
            }
            try:
                key = self._claim(kind, document)
            except BackendError:
                key = self._unclaimable(kind, state)
            if key is not None:
                arguments = (key, document, self._last)
                self._last = threading.Thread(target=self._send, args=arguments, daemon=True)
                self._last.start()

    def wait(self, within_s: float) -> bool:
        """Wait until everything was sent or given up; return whether it was."""
        if self._last is not None:
            self._last.join(within_s)
        return self._last is None or not self._last.is_alive()

    def _claim(self, kind: AlertKind, document: Mapping[str, Any]) -> str | None:
        """Return the key of the change, None if there is none or another instance sends it."""
        objects, rank = self.objects, _rank(document["state"])
        if objects is None:
            return self._unclaimable(kind, document["state"])
        claims = _claims(objects.list(f"{ALERTS}{kind}/"), kind)
        last = _read(objects.get(claims[-1])) if claims else {}
        last_evidence, evidence = last.get("evidence", {}), document["evidence"]
        if (
            "number" in evidence
            and last_evidence.get("begun_at") == evidence.get("begun_at")
            and last_evidence.get("number", -1) >= evidence["number"]
        ):
            # Another instance already sent this check or a later one.
            return None
        before = _rank(last.get("state", "well")) if claims else None
        if kind in self._unclaimed:
            before = 2
            self._unclaimed.discard(kind)
        if rank == (before or 0) or 0 < rank < (before or 0):
            return None
        number = int(claims[-1].rpartition("/")[2].partition(".")[0]) + 1 if claims else 0
        key = f"{ALERTS}{kind}/{number:08d}.json"
        taken = take(objects, key, _encoded(document))
        return key if taken and (rank == 2 or before is not None) else None

    def _unclaimable(self, kind: AlertKind, state: str) -> str | None:
        """Return an empty key for a failure that is sent although it cannot be claimed."""
        if _rank(state) < 2 or kind in self._unclaimed:
            return None
        self._unclaimed.add(kind)
        return ""

    def _send(self, key: str, document: Mapping[str, Any], before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        outcome = ""
        for pause in (0.0, *self._pauses_s):
            time.sleep(pause)
            again, outcome = self._post(document)
            if not again:
                break
        if outcome:
            _logger.warning("an alert on the %s was not delivered: %s", document["kind"], outcome)
        if self.objects and key:
            with suppress(BackendError, EntryExists):
                self.objects.put_if_absent(_outcome(key), _encoded({"outcome": outcome}))

    def _post(self, document: Mapping[str, Any]) -> tuple[bool, str]:
        """Send it once; return whether it is to be sent again, and what went wrong, if anything."""
        from urllib3 import exceptions as failed

        unsent = (
            failed.ConnectTimeoutError,
            failed.LocationValueError,
            failed.NewConnectionError,
            failed.ProxyError,
            failed.SSLError,
        )
        try:
            status = post(self._url or "", _encoded(document), self._timeout_s)
        except unsent as exc:
            return True, f"no connection ({type(exc).__name__}); check MEMORY_ALERT_URL"
        except (failed.HTTPError, OSError) as exc:
            reason = type(exc).__name__
            return False, f"no answer came ({reason}), so it may have arrived or not"
        if status < 300:
            return False, ""
        if status < 400:
            advice = "which is not followed; set MEMORY_ALERT_URL to the final address"
            return False, f"the server answered {status}, a redirect, {advice}"
        return status >= 500 or status in _BUSY, f"the server refused it with {status}"


def alerts_to(settings: Settings, objects: ObjectStore | None = None) -> Alerts:
    """Return alerts to the address of the settings, with a link to the page Proof."""
    page = settings.dashboard_url and f"{settings.dashboard_url.rstrip('/')}/proof"
    return Alerts(settings.alert_url, page or "", objects)


def post(url: str, body: bytes, timeout_s: float) -> int:
    """Post JSON, or nothing, once; return the status of the answer, without following it.

    Credentials in the address are sent, and https goes through the proxy of HTTPS_PROXY.

    Raises:
        urllib3.exceptions.HTTPError, OSError: it was not sent, or no answer came.
    """
    import urllib3

    target, timeout = urllib3.util.parse_url(url), urllib3.Timeout(timeout_s, timeout_s)
    headers = {"Content-Type": "application/json"} if body else {}
    if target.auth:
        headers["Authorization"] = f"Basic {b64encode(unquote(target.auth).encode()).decode()}"
    proxy = getproxies().get("https") if target.scheme == "https" else None
    if proxy and not proxy_bypass(target.host or ""):
        pool: urllib3.PoolManager = urllib3.ProxyManager(proxy, timeout=timeout)
    else:
        pool = urllib3.PoolManager(timeout=timeout)
    with pool:
        answer = pool.request(
            "POST",
            url,
            body=body,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
        )
        answer.close()
    return answer.status


def failed_alerts(objects: ObjectStore) -> Iterator[tuple[AlertKind, str, str]]:
    """Yield kind, time and failure of the newest change of each kind that was not delivered."""
    keys = list(objects.list(ALERTS))
    for kind in get_args(AlertKind):
        if not (claims := _claims(keys, kind)):
            continue
        since = str(_read(objects.get(claims[-1])).get("since", ""))
        outcome = _read(objects.get(_outcome(claims[-1]))).get("outcome")
        if outcome is None and since < (datetime.now(UTC) - _GIVEN_UP).isoformat():
            outcome = "the process ended before it knew, so it may have arrived or not"
        if outcome:
            yield kind, since, outcome


def _claims(keys: Iterable[str], kind: AlertKind) -> list[str]:
    folder = f"{ALERTS}{kind}/"
    numbers = (key.removeprefix(folder).removesuffix(".json") for key in keys)
    return [f"{folder}{number}.json" for number in sorted(numbers) if number.isdecimal()]


def _outcome(key: str) -> str:
    return f"{key.removesuffix('.json')}.outcome.json"


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def _rank(state: str) -> int:
    return _RANKS.get(state, 2)


def _read(data: bytes | None) -> dict[str, Any]:
    try:
        return dict(json.loads(data or b""))
    except (ValueError, TypeError, RecursionError):
        return {}
