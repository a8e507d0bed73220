"""Memories in and out: export, import and migration, each with a proof that nothing is missing."""

from .exporter import export_bytes, export_memories, export_stream
from .format import Kind
from .importer import import_memories
from .migrate import apply, plan
from .migration_source import LOCAL, Address, address_of, parse
from .reports import (
    COPIED,
    FAILED,
    SKIPPED,
    Conflict,
    Existing,
    ExportReport,
    ImportReport,
    IntakeReport,
    MigrationPlan,
    MigrationReport,
    Outcome,
    RefusedMemory,
    SourceSurvey,
    UserPlan,
    Verdict,
    Verdicts,
    Verification,
)
from .verify import check_receipt, make_receipt, verify

__all__ = [
    "COPIED",
    "FAILED",
    "LOCAL",
    "SKIPPED",
    "Address",
    "Conflict",
    "Existing",
    "ExportReport",
    "ImportReport",
    "IntakeReport",
    "Kind",
    "MigrationPlan",
    "MigrationReport",
    "Outcome",
    "RefusedMemory",
    "SourceSurvey",
    "UserPlan",
    "Verdict",
    "Verdicts",
    "Verification",
    "address_of",
    "apply",
    "check_receipt",
    "export_bytes",
    "export_memories",
    "export_stream",
    "import_memories",
    "make_receipt",
    "parse",
    "plan",
    "verify",
]
