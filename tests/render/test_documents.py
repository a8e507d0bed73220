"""Every document that `--json` prints, key by key, as it has been printed since 0.1.0."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory_core import (
    migration,
    render,
    render_activity,
    render_audit,
    render_doctor,
    render_migration,
    render_moves,
    render_recall,
    render_redeploy,
    render_scan,
    render_status,
    render_traces,
    render_transfer,
    render_users,
)
from memory_core.activity import Check, Page
from memory_core.doctor import Diagnosis, make_bundle
from memory_core.explaining import Recall
from memory_core.identity import UserId
from memory_core.people import Census, Elsewhere, Found, StoreScan, TakenUp
from memory_core.records import (
    AuditReport,
    Event,
    MemoryRecord,
    RebuildReport,
    Receipt,
    SearchResult,
    Status,
)
from memory_core.redeploy.values import Report
from memory_core.reuniting import Reunion, ReunionPlan
from memory_core.settings import Settings
from memory_core.traces import Traces
from memory_core.transfer import ExportReport, ImportReport
from tests.support.filled import filled

ANN = UserId("ann")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PRINTED: dict[str, Any] = json.loads(Path(__file__).with_name("documents.json").read_bytes())
DOCUMENTS: dict[str, Callable[[], Any]] = {
    "status": lambda: render_status.status_document(filled(Status)),
    "save": lambda: render.saved_document(ANN, "chroma", [filled(MemoryRecord)]),
    "query": lambda: render.search_document(ANN, filled(SearchResult)),
    "list": lambda: render.list_document(ANN, [filled(MemoryRecord)]),
    "get": lambda: render.record_document(filled(MemoryRecord)),
    "history": lambda: render.history_document(ANN, [filled(Event)]),
    "delete": lambda: render.receipt_document(filled(Receipt)),
    "audit": lambda: render_audit.audit_document(filled(AuditReport)),
    "rebuild": lambda: render_audit.rebuild_document(filled(RebuildReport)),
    "scan": lambda: render_scan.scan_document(filled(StoreScan)),
    "elsewhere": lambda: render_scan.elsewhere_document(filled(Elsewhere)),
    "users": lambda: render_users.users_document(filled(Census)),
    "find": lambda: render_users.found_document(filled(Found)),
    "taken up": lambda: render_users.taken_up_document(filled(TakenUp)),
    "traces": lambda: render_traces.traces_document(filled(Traces)),
    "explain": lambda: render_recall.recall_document(filled(Recall)),
    "activity": lambda: render_activity.page_document(filled(Page)),
    "activity check": lambda: render_activity.check_document(filled(Check)),
    "redeploy-test": lambda: render_redeploy.report_document(filled(Report)),
    "export": lambda: render_transfer.export_document(filled(ExportReport)),
    "import": lambda: render_transfer.import_document(filled(ImportReport)),
    "migrate plan": lambda: render_migration.plan_document(filled(migration.MigrationPlan)),
    "migrate apply": lambda: render_migration.report_document(filled(migration.MigrationReport)),
    "migrate verify": lambda: render_migration.verification_document(
        filled(migration.Verification)
    ),
    "migrate receipt": lambda: migration.make_receipt(
        replace(filled(migration.Verification), as_of=NOON), Settings(receipt_key="secret")
    ),
    "reunion plan": lambda: render_moves.plan_document(filled(ReunionPlan)),
    "reunion": lambda: render_moves.made_document(filled(Reunion), "undo.json"),
    "doctor": lambda: render_doctor.diagnosis_document(filled(Diagnosis)),
    "support bundle": lambda: json.loads(
        make_bundle(replace(filled(Diagnosis), taken_at=NOON), personal=True)
    ),
}


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_document_is_printed_as_ever(command: str) -> None:
    printed = json.loads(render.to_json(DOCUMENTS[command]()))
    # As text: the order of the keys is what people see.
    assert json.dumps(printed, indent=1) == json.dumps(PRINTED[command], indent=1)


def test_every_document_is_pinned() -> None:
    assert PRINTED.keys() == DOCUMENTS.keys()
