"""Checks of the standing probes: at each start, and once in every interval by one instance.

A check takes at most ten requests on S3: the slot, the list of records and the newest of them, five
for the probes, one question to the index, and the new record. The check after which old records are
deleted asks the index nothing.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import uuid4

from ..activity import Actor, acting, unnoted
from ..errors import MemoryCoreError
from ..model.encoder import pick
from ..storage.objects import take
from ..transfer.background import BackgroundThread
from .alerts import alerts_to
from .probes import ProbeReader, WatchedService, store_probes
from .record import KEPT, Proof, begin, continued, keep, keys_before, read_proof

_SLOTS: Final = "watch/v1/slots/"
_ATTEMPTS: Final = 20
_MOST_IDLE: Final = 3
_ACTOR = Actor("standing proof", "system", via="the background")
_logger = logging.getLogger("memory_core")


class Watcher(BackgroundThread):
    """Checks when `check` is called, and on a daemon thread after `start`.

    `now` returns the time in seconds since 1970: slots are the same on every instance.
    """

    def __init__(self, service: WatchedService, *, now: Callable[[], float] = time.time) -> None:
        super().__init__("standing proof")
        self._service = service
        self._interval_s = service.settings.watch_s
        self._objects = service.parts.backend.objects
        self.alerts = alerts_to(service.settings, self._objects)
        self._reader = ProbeReader(service.parts)
        self._now = now
        self._checking = threading.Lock()
        self._tidied = 0
        self._idle = 0
        self.proof: Proof | None = None
        """The newest state that this process knows."""
        self.trouble = ""
        """Why the last check could not be made; empty if it could."""

    def check(self) -> Proof:
        """Check the probes now, record it, and store new ones in place of those that are lost.

        Raises:
            BackendError, LedgerError, NotIndexed: the storage cannot be read or written; the state
                of the probes is then unknown, and nothing is recorded.
        """
        with self._checking, self._telling(), acting(_ACTOR), unnoted():
            proof, self._idle = self._check(), 0
            self._known(proof)
            return proof

    def take_slot(self) -> Proof | None:
        """Check, or read what is on record if another instance has taken this interval.

        If nobody checked in three intervals that are taken, as after a clock was set back, check.
        """
        slot = int(self._now() // self._interval_s) * self._interval_s
        key, data = _slot_key(slot), json.dumps({"by": uuid4().hex}).encode()
        with self._telling():
            if not take(self._objects, key, data):
                latest = self.proof
                _, proof = read_proof(self._objects, latest)
                self._idle = self._idle + 1 if proof is latest else 0
                if proof:
                    self._known(proof)
                    self._tidy(proof)
                if self._idle < _MOST_IDLE:
                    return None
        return self.check()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Alert to a storage that cannot be read or written."""
        try:
            yield
        except MemoryCoreError as exc:
            self.trouble = str(exc)
            self.alerts.see("proof", "unread", f"The standing proof was not read: {exc}")
            raise

    def _check(self) -> Proof:
        known = self.proof
        number, before = read_proof(self._objects, known)
        for _ in range(_ATTEMPTS):
            if before is None:
                before = self._begin(number, None)
            tidies = before is known and self._is_untidy(before)
            asked = None if tidies else before.number % len(before.receipt)
            # A probe that a question missed is asked for again, until it is found.
            if before.outcome == "missed":
                asked = before.noted[-1] - 1
            results = self._reader.read(before.receipt, asked)
            proof = continued(before, results, self._service.settings.deployment)
            if keep(self._objects, proof):
                break
            # Another instance checked meanwhile, and may have replaced the probes.
            number, before = read_proof(self._objects, before)
        else:
            return before or proof
        if proof.losses != before.losses:
            _logger.error("standing proof: %s", proof.sentence)
        if tidies:
            self._tidy(proof)
        if proof.outcome in ("lost", "removed"):
            return self._begin(proof.number, proof)
        return proof

    def _begin(self, number: int, before: Proof | None) -> Proof:
        """Store new probes and record them; those of an instance that came second are forgotten."""
        receipt = store_probes(self._service)
        proof = begin(number + 1, receipt, before)
        kept = keep(self._objects, proof)
        outdated = receipt if not kept else before.receipt if before else ()
        for user in dict.fromkeys(probe.user_id for probe in outdated):
            # Any that are left stay hidden, like every probe.
            with suppress(MemoryCoreError):
                self._service.forget_user(user)
        return proof if kept else read_proof(self._objects)[1] or proof

    def _known(self, proof: Proof) -> None:
        self.proof, self.trouble = proof, ""
        evidence = "number begun_at checks failed proven_since passed_at commit instance".split()
        self.alerts.see("proof", proof.outcome, proof.sentence, **pick(proof, *evidence))

    def _is_untidy(self, proof: Proof) -> bool:
        return proof.number // KEPT != self._tidied

    def _tidy(self, proof: Proof) -> None:
        """Delete the records and slots of two rounds ago, once in each round."""
        if not self._is_untidy(proof):
            return
        self._tidied = proof.number // KEPT
        keys, step = keys_before(proof.number), self._interval_s
        if step:
            last = self._now() // step - KEPT
            keys += [_slot_key(int(last - back) * step) for back in range(2 * KEPT)]
        self._objects.delete(keys)

    def _run(self) -> None:
        step: Callable[[], object] = self.check
        while not self._stop.is_set():
            try:
                step()
            except MemoryCoreError as exc:
                _logger.warning("the standing proof could not be read: %s", exc)
            step = self.take_slot
            self._stop.wait(self._interval_s - self._now() % self._interval_s)


def _slot_key(slot: int) -> str:
    return f"{_SLOTS}{slot:012d}.json"
