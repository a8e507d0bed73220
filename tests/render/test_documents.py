"""Every document that `--json` prints, key by key, as it has been printed since 0.1.0."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory_core import transfer
from memory_core.activity import ChainReport, Page
from memory_core.doctor import Diagnosis, make_bundle
from memory_core.ledger import Ledger, UserView
from memory_core.memories.erasure_proof import Traces
from memory_core.memories.merge_users import Merge, MergePlan
from memory_core.memories.search import Recall
from memory_core.memories.time_machine import PastMemories
from memory_core.model.census import Adoption, Census, OtherPlaces, StoreScan, UserSearch
from memory_core.model.past import Change, ChangeReceipt
from memory_core.model.records import (
    AuditReport,
    Event,
    MemoryRecord,
    RebuildReport,
    Receipt,
    SavedMemories,
    SearchResult,
    Status,
)
from memory_core.model.user_id import UserId
from memory_core.redeploy_test.report import Report
from memory_core.render import (
    activity_log,
    audit_report,
    diagnosis,
    memory_records,
    redeploy_test,
    storage_status,
    user_tables,
)
from memory_core.render import transfer as render_transfer
from memory_core.render.text import to_json
from memory_core.settings import Settings
from memory_core.storage.objects import LocalObjects
from memory_core.transfer.reports import ExportReport, ImportReport
from memory_core.watch import Proof
from tests.support.filled import filled

ANN = UserId("ann")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PRINTED: dict[str, Any] = json.loads(Path(__file__).with_name("documents.json").read_bytes())
DOCUMENTS: dict[str, Callable[[], Any]] = {
    "status": lambda: storage_status.status_document(filled(Status)),
    "save": lambda: memory_records.saved_document(
        ANN, "chroma", SavedMemories([filled(MemoryRecord)], ["2 comments"])
    ),
    "query": lambda: memory_records.search_document(ANN, filled(SearchResult)),
    "list": lambda: memory_records.list_document(ANN, [filled(MemoryRecord)]),
    "get": lambda: memory_records.record_document(filled(MemoryRecord)),
    "history": lambda: memory_records.history_document(ANN, [filled(Event)]),
    "history at": lambda: memory_records.state_document(
        PastMemories(Ledger(LocalObjects(Path("none"))), UserView(ANN, (), {}, frozenset()), NOON)
    ),
    "changes": lambda: memory_records.changes_document(
        ANN, [filled(Change)], since="7d", until=None
    ),
    "restore": lambda: memory_records.change_document(filled(ChangeReceipt)),
    "delete": lambda: memory_records.receipt_document(filled(Receipt)),
    "audit": lambda: audit_report.audit_document(filled(AuditReport)),
    "rebuild": lambda: audit_report.rebuild_document(filled(RebuildReport)),
    "scan": lambda: audit_report.scan_document(filled(StoreScan)),
    "elsewhere": lambda: audit_report.other_places_document(filled(OtherPlaces)),
    "users": lambda: user_tables.users_document(filled(Census)),
    "find": lambda: user_tables.user_search_document(filled(UserSearch)),
    "taken up": lambda: user_tables.adoption_document(filled(Adoption)),
    "traces": lambda: user_tables.erasure_proof_document(filled(Traces)),
    "explain": lambda: memory_records.recall_document(filled(Recall)),
    "activity": lambda: activity_log.page_document(filled(Page)),
    "activity check": lambda: activity_log.check_document(filled(ChainReport)),
    "redeploy-test": lambda: redeploy_test.report_document(filled(Report)),
    "proof": lambda: redeploy_test.proof_document(filled(Proof)),
    "export": lambda: render_transfer.export_document(filled(ExportReport)),
    "import": lambda: render_transfer.import_document(filled(ImportReport)),
    "migrate plan": lambda: render_transfer.plan_document(filled(transfer.reports.MigrationPlan)),
    "migrate apply": lambda: render_transfer.report_document(
        filled(transfer.reports.MigrationReport)
    ),
    "migrate verify": lambda: render_transfer.verification_document(
        filled(transfer.reports.Verification)
    ),
    "migrate receipt": lambda: transfer.make_receipt(
        replace(filled(transfer.reports.Verification), as_of=NOON), Settings(receipt_key="secret")
    ),
    "reunion plan": lambda: user_tables.merge_plan_document(filled(MergePlan)),
    "reunion": lambda: user_tables.merged_document(filled(Merge), "undo.json"),
    "doctor": lambda: diagnosis.diagnosis_document(filled(Diagnosis)),
    "support bundle": lambda: json.loads(
        make_bundle(replace(filled(Diagnosis), taken_at=NOON), personal=True)
    ),
}


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_document_is_printed_as_ever(command: str) -> None:
    printed = json.loads(to_json(DOCUMENTS[command]()))
    # As text: the order of the keys is what people see.
    assert json.dumps(printed, indent=1) == json.dumps(PRINTED[command], indent=1)


def test_every_document_is_pinned() -> None:
    assert PRINTED.keys() == DOCUMENTS.keys()
