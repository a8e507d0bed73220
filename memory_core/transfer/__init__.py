"""Memories in and out: export, import and migration, each with a proof that nothing is missing."""

from .exporter import export_bytes, export_memories, export_stream
from .importer import import_memories
from .migrate import apply, plan
from .migration_source import LOCAL, Address, address_of, parse
from .verify import check_receipt, make_receipt, verify

__all__ = [
    "LOCAL",
    "Address",
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
