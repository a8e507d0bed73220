"""What the logs of a backend say: the known lines, the storage over time, ids, and errors."""

from .analyzing import analyze_log
from .values import (
    ErrorGroup,
    FoundNothing,
    KnownLine,
    LogReport,
    OtherId,
    Problem,
    Run,
    Seen,
    Span,
    Spot,
)

__all__ = [
    "ErrorGroup",
    "FoundNothing",
    "KnownLine",
    "LogReport",
    "OtherId",
    "Problem",
    "Run",
    "Seen",
    "Span",
    "Spot",
    "analyze_log",
]
