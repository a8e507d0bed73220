"""Export and import: memories as a file, and back, with the proof that none is missing."""

from .exporter import export_bytes, export_memories, export_stream
from .format import FORMAT, ExportReport, Header, ImportReport, Kind, UserPart
from .importer import import_memories
from .incoming import (
    Carried,
    Checked,
    Digest,
    Existing,
    IntakeReport,
    Outcome,
    RefusedMemory,
    UserResult,
    Verdict,
    Verdicts,
    check,
    mark_of,
)
from .ingest import Intake
from .lease import Lease, read_holder
from .migrate import apply, plan
from .migration_report import (
    Conflict,
    Estimate,
    MigrationDifference,
    MigrationPlan,
    MigrationReport,
    Part,
    SourceSurvey,
    UserPlan,
    Verification,
    VerifiedUser,
)
from .receipt import check_receipt, make_receipt
from .resolve import Decision
from .sources import address_of, parse
from .verify import verify

__all__ = [
    "FORMAT",
    "Carried",
    "Checked",
    "Conflict",
    "Decision",
    "Digest",
    "Estimate",
    "Existing",
    "ExportReport",
    "Header",
    "ImportReport",
    "Intake",
    "IntakeReport",
    "Kind",
    "Lease",
    "MigrationDifference",
    "MigrationPlan",
    "MigrationReport",
    "Outcome",
    "Part",
    "RefusedMemory",
    "SourceSurvey",
    "UserPart",
    "UserPlan",
    "UserResult",
    "Verdict",
    "Verdicts",
    "Verification",
    "VerifiedUser",
    "address_of",
    "apply",
    "check",
    "check_receipt",
    "export_bytes",
    "export_memories",
    "export_stream",
    "import_memories",
    "make_receipt",
    "mark_of",
    "parse",
    "plan",
    "read_holder",
    "verify",
]
