"""The objects of a test in storage: receipt, report and marks, and their clean-up."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from ulid import ULID

from ..activity import noted
from ..errors import EntryExists, InvalidReceipt
from ..model.counting import Progress, counted
from ..model.encoder import decode, encode
from ..model.records import Kind
from ..model.user_id import is_probe
from ..service import MemoryService
from ..settings import Settings
from ..storage.objects import ObjectStore, take
from ..watch import is_standing
from .evidence import remove_canary
from .probes import MOST, make_probes, probe_users
from .receipt import RedeployReceipt, from_file
from .report import Installation, Report

ROOT = "redeploy/v1/"
_KEPT = 200
_UNDER_WAY = timedelta(hours=1)

ObjectKind = Literal["begun", "busy", "report", "cleaned"]
"""The objects of a test: its receipt, a mark while it runs, the report, the recount afterwards."""


def clean_up(service: MemoryService, run: str, before: Installation | None = None) -> int:
    """Forget whatever a test wrote; return the number of items that a recount still finds."""
    left = 0
    for user_id in probe_users(run):
        left += service.forget_user(user_id).left or 0
        left += len(service.list_memories(user_id))
    left += _erase_vectors(service, run)
    remove_canary(service.settings, run, before)
    # Last, so that an interrupted clean-up is not taken for finished.
    objects_of(service).delete([key_of(run, "begun"), key_of(run, "busy")])
    return left


@noted("test", lambda _: "Cancel test", of=None)
def abandon(service: MemoryService, run: str) -> int:
    """End a test without a verdict; return the number of items that a recount still finds."""
    return clean_up(service, run)


@noted("test", lambda _: "Clean up", of=None)
def clean_up_all(
    service: MemoryService, runs: Sequence[str], on_progress: Progress | None = None
) -> int:
    """Clean up after abandoned tests, as `abandon` does; return the sum.

    `on_progress` counts tests; an error that it raises ends the call.
    """
    left = 0
    for number, run in enumerate(runs):
        if on_progress:
            on_progress(number, len(runs))
        left += clean_up(service, run)
    return left


def keep(objects: ObjectStore, report: Report) -> Report:
    """Store a report for the timeline; the first report of a test counts."""
    data = json.dumps(encode(report), ensure_ascii=False).encode()
    kept = take(objects, key_of(report.run, "report"), data)
    return report if kept else report_of(objects, report.run) or report


def clean_up_judged(service: MemoryService, receipt: RedeployReceipt) -> int:
    """Clean up, and store the recount beside the report, which is never changed."""
    left = clean_up(service, receipt.run, receipt.evidence)
    with suppress(EntryExists):
        cleaned = json.dumps({"left": left}).encode()
        objects_of(service).put_if_absent(key_of(receipt.run, "cleaned"), cleaned)
    return left


def reports(service: MemoryService) -> list[Report]:
    """Return the newest reports, at most 200, newest first, without unreadable ones."""
    return reports_in(objects_of(service))


def reports_in(objects: ObjectStore, most: int = _KEPT) -> list[Report]:
    """Return the newest reports as `reports` does, from a given object store."""
    runs = sorted(_runs(objects, "report"), reverse=True)[:most]
    cleaned = _runs(objects, "cleaned").intersection(runs)
    keys = [key_of(run, "report") for run in runs] + [key_of(run, "cleaned") for run in cleaned]
    stored = objects.get_many(keys)
    return [report for run in runs if (report := _report(stored, run))]


def pending(service: MemoryService) -> list[RedeployReceipt]:
    """Return the tests that were begun here and not verified yet, oldest first.

    Those of other installations on the same storage are left out.
    """
    objects = objects_of(service)
    receipts = []
    keys = [key_of(run, "begun") for run in sorted(_waiting(objects))]
    for data in objects.get_many(keys).values():
        with suppress(InvalidReceipt):
            receipts.append(from_file(data, service.settings))
    return receipts


def leftovers(service: MemoryService) -> list[str]:
    """Return the ids of tests that nobody waits for and that still have objects or memories."""
    objects = objects_of(service)
    waiting = _waiting(objects) | {run for run in _runs(objects, "busy") if _is_recent(run)}
    stored = _runs(objects, "begun") | {
        view.user_id.partition(".")[0].upper()
        for view in service.parts.ledger.users()
        if is_probe(view.user_id)
        and not is_standing(view.user_id)
        and any(entry.kind is not Kind.FORGET for entry in view.entries)
    }
    return sorted(stored - waiting)


def _erase_vectors(service: MemoryService, run: str) -> int:
    """Erase vectors that have lost their record; return how many are still there."""
    store, users = service.parts.store, probe_users(run)
    ids = [probe.id for probe in make_probes(run, MOST)]
    vectors = store.get(ids).items()
    own = [key for key, vector in vectors if (vector.payload or {}).get("user_id") in users]
    if not own:
        return 0
    store.erase(own)
    return len(store.get(own))


def completed(
    objects: ObjectStore, receipt: RedeployReceipt, settings: Settings
) -> RedeployReceipt:
    """Complete a receipt that was read from a short code with the one that `begin` stored."""
    if receipt.evidence:
        return receipt
    with suppress(InvalidReceipt):
        whole = from_file(objects.get(key_of(receipt.run, "begun")) or b"", settings)
        if (whole.run, whole.count, whole.marks) == (receipt.run, receipt.count, receipt.marks):
            return whole
    return receipt


def remains_of(service: MemoryService, run: str) -> str:
    """Describe what an interrupted clean-up of a judged test left; empty if nothing."""
    entries = sum(
        entry.kind is not Kind.FORGET
        for user_id in probe_users(run)
        for entry in service.parts.ledger.view(user_id).entries
    )
    files = len(objects_of(service).get_many([key_of(run, "begun"), key_of(run, "busy")]))
    left = [(entries, "entry"), (files, "object of the test")]
    return " and ".join(counted(count, word) for count, word in left if count)


def _waiting(objects: ObjectStore) -> set[str]:
    return _runs(objects, "begun") - _runs(objects, "report")


def _runs(objects: ObjectStore, kind: ObjectKind) -> set[str]:
    """Return the tests that have this object."""
    names = (key.removeprefix(ROOT).partition(".") for key in objects.list(ROOT))
    return {run for run, _, rest in names if rest == f"{kind}.json"}


def _is_recent(run: str) -> bool:
    try:
        age = datetime.now(UTC) - ULID.from_str(run).datetime
    except ValueError:
        return False
    return abs(age) < _UNDER_WAY


def report_of(objects: ObjectStore, run: str) -> Report | None:
    """Return the report of a test that was judged."""
    return _report(objects.get_many([key_of(run, "report"), key_of(run, "cleaned")]), run)


def _report(stored: Mapping[str, bytes], run: str) -> Report | None:
    """Return a report, None if it is missing, damaged, or of another release."""
    cleaned = stored.get(key_of(run, "cleaned"))
    try:
        report = decode(Report, json.loads(stored.get(key_of(run, "report"), b"")))
        left = json.loads(cleaned)["left"] if cleaned else report.left_behind
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return replace(report, left_behind=left)


def key_of(run: str, kind: ObjectKind) -> str:
    """Return the key of an object of a test."""
    return f"{ROOT}{run}.{kind}.json"


def objects_of(service: MemoryService) -> ObjectStore:
    """Return the storage of a test's objects: that of the ledger."""
    return service.parts.backend.objects
