"""The log analyser: known lines, storage over time, ids and errors in a backend's log."""

from .analyze import analyze_log
from .report import ErrorGroup, LogReport, Seen, Span, Spot

__all__ = ["ErrorGroup", "LogReport", "Seen", "Span", "Spot", "analyze_log"]
