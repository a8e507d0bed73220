"""The one way in for memories that keep their ids: from an export, or from another store.

Their ids, texts, metadata and times stay as they are; the ledger records where they came from. A
memory of another user is never touched, what was deleted or forgotten here does not come back
unless told, and whoever repeats a call that was cut off writes nothing twice.
"""

from .checking import Checked, check
from .deciding import Decision
from .taking import Intake
from .values import (
    Carried,
    Digest,
    Existing,
    IntakeReport,
    Outcome,
    Problem,
    UserResult,
    Verdict,
    Verdicts,
    mark_of,
)

__all__ = [
    "Carried",
    "Checked",
    "Decision",
    "Digest",
    "Existing",
    "Intake",
    "IntakeReport",
    "Outcome",
    "Problem",
    "UserResult",
    "Verdict",
    "Verdicts",
    "check",
    "mark_of",
]
