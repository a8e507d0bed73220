"""The doctor: why is it not persistent, why is it missing, and what to do.

Looking changes nothing, but for the tag `live`, which writes two probes and removes them.
"""

from .bundle import make_bundle
from .diagnosing import CHECKS, KINDS, diagnose
from .masking import Masker
from .registry import Check
from .values import (
    SUBJECTS,
    CheckRun,
    Diagnosis,
    Evidence,
    Finding,
    Fix,
    Kind,
    Level,
    OnProgress,
    Silenced,
    Source,
    State,
    Tag,
)

__all__ = [
    "CHECKS",
    "KINDS",
    "SUBJECTS",
    "Check",
    "CheckRun",
    "Diagnosis",
    "Evidence",
    "Finding",
    "Fix",
    "Kind",
    "Level",
    "Masker",
    "OnProgress",
    "Silenced",
    "Source",
    "State",
    "Tag",
    "diagnose",
    "make_bundle",
]
