"""Holdfast: an assistant's memories, kept through every deployment.

with open_service() as service:
    service.add_text_memory("Alice@Example.com ", "Alice is allergic to cashews.")
    service.query_memories("alice@example.com", "Which nuts must she avoid?")
"""

from typing import TYPE_CHECKING, Any

from .errors import (
    AccessDenied,
    BackendError,
    BackendUnavailable,
    EntryExists,
    IndexMismatch,
    InvalidLog,
    InvalidMemory,
    InvalidMove,
    InvalidSelection,
    InvalidUserId,
    LedgerCorrupt,
    LedgerError,
    MemoryCoreError,
    MemoryNotFound,
    MigrationConflict,
    MigrationError,
    NotIndexed,
    ServiceBusy,
    SettingsError,
    VerificationFailed,
    http_status,
)
from .memories.repair import rebuild_index
from .model.past import Change, ChangeReceipt, MemoryFilter
from .model.records import (
    AuditItem,
    AuditReport,
    Event,
    Hit,
    IndexInfo,
    Kind,
    MemoryRecord,
    MigrationStatus,
    RebuildReport,
    Receipt,
    SavedMemories,
    SearchResult,
    Status,
    Step,
    UserSummary,
)
from .model.user_id import UserId, describe_changes, get_user_id_from_request, normalize_user_id
from .service import MemoryService, open_service
from .settings import Settings
from .storage.starts import ServiceStart

if TYPE_CHECKING:
    from .aio import AsyncMemoryService

__all__ = [
    "AccessDenied",
    "AsyncMemoryService",
    "AuditItem",
    "AuditReport",
    "BackendError",
    "BackendUnavailable",
    "Change",
    "ChangeReceipt",
    "EntryExists",
    "Event",
    "Hit",
    "IndexInfo",
    "IndexMismatch",
    "InvalidLog",
    "InvalidMemory",
    "InvalidMove",
    "InvalidSelection",
    "InvalidUserId",
    "Kind",
    "LedgerCorrupt",
    "LedgerError",
    "MemoryCoreError",
    "MemoryFilter",
    "MemoryNotFound",
    "MemoryRecord",
    "MemoryService",
    "MigrationConflict",
    "MigrationError",
    "MigrationStatus",
    "NotIndexed",
    "RebuildReport",
    "Receipt",
    "SavedMemories",
    "SearchResult",
    "ServiceBusy",
    "ServiceStart",
    "Settings",
    "SettingsError",
    "Status",
    "Step",
    "UserId",
    "UserSummary",
    "VerificationFailed",
    "describe_changes",
    "get_user_id_from_request",
    "http_status",
    "normalize_user_id",
    "open_service",
    "rebuild_index",
]


def __getattr__(name: str) -> Any:
    """Load the asynchronous service when it is asked for: asyncio would double the import time."""
    if name == "AsyncMemoryService":
        from .aio import AsyncMemoryService

        return AsyncMemoryService
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
