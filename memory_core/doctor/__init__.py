"""The doctor: why memories are not persistent or missing, and what to do about it.

Checks change nothing, except with the tag `live`, which writes two probes and removes them.
"""

from .findings import (
    SUBJECTS,
    Check,
    CheckRun,
    CheckState,
    Diagnosis,
    Evidence,
    Finding,
    FindingKind,
    Fix,
    Level,
    OnProgress,
    SettingSource,
    Silenced,
    Tag,
)
from .redact import Masker
from .run import CHECKS, KINDS, diagnose
from .support_bundle import make_bundle

__all__ = [
    "CHECKS",
    "KINDS",
    "SUBJECTS",
    "Check",
    "CheckRun",
    "CheckState",
    "Diagnosis",
    "Evidence",
    "Finding",
    "FindingKind",
    "Fix",
    "Level",
    "Masker",
    "OnProgress",
    "SettingSource",
    "Silenced",
    "Tag",
    "diagnose",
    "make_bundle",
]
