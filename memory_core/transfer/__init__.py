"""Export and import: memories as a file, and back, with the proof that none is missing."""

from .exporting import export_bytes, export_memories, export_stream
from .importing import import_memories
from .values import FORMAT, ExportReport, Header, ImportReport, Kind, UserPart

__all__ = [
    "FORMAT",
    "ExportReport",
    "Header",
    "ImportReport",
    "Kind",
    "UserPart",
    "export_bytes",
    "export_memories",
    "export_stream",
    "import_memories",
]
