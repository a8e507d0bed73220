"""All errors that Holdfast raises on purpose.

    MemoryCoreError
      SettingsError         a variable is missing, malformed or contradicts another
        MissingExtra        also an ImportError: packages of an extra are not installed
      InvalidUserId         also a ValueError
      InvalidMemory         also a ValueError: empty, too large, unreadable, bad metadata
      InvalidMove           also a ValueError: two users that cannot be merged, a bad undo file
      InvalidSelection      also a ValueError: a moment or a filter that cannot be read
      InvalidLog            also a ValueError: empty, compressed, or no text
      MemoryNotFound        also a KeyError; also when the memory belongs to someone else
      NotIndexed            recorded in the ledger, not yet searchable
      BackendError          a service or a disk we depend on failed
        BackendUnavailable  throttled or unreachable after retries; trying later helps
        AccessDenied        refused; names the permission or the variable to change
        IndexMismatch       the index cannot hold our memories, or is not ours
        IndexDamaged        the files of the index cannot be read; `rebuild` recreates them
      LedgerError           the append-only record
        EntryExists         another writer was first
        LedgerCorrupt       an entry cannot be read
      MigrationError        an unusable source, or a migration that was stopped
        MigrationConflict   ids with different texts here, and no decision; carries the report
        VerificationFailed  migrated memories are missing or differ; carries the report
      InvalidReceipt        of a redeploy test: unreadable, altered or of another installation
      RedeployTestFailed    the test itself could not be run
      DemoRefused           also a ValueError: a demo cannot, or must not, do this here
      UnknownCheck          also a ValueError: the doctor has no check or finding of that name
      ServiceBusy           too many calls wait for a thread; trying later helps

Every message is one sentence: what happened, to which thing, what to do.
"""

from collections.abc import Mapping
from typing import Final


class MemoryCoreError(Exception):
    """Base of every error that Holdfast raises on purpose."""


class SettingsError(MemoryCoreError):
    """A variable is missing, malformed or contradicts another; the message names it."""


class InvalidUserId(MemoryCoreError, ValueError):
    """The value cannot be a user id; the message shows `repr(raw)`."""


class InvalidLog(MemoryCoreError, ValueError):
    """The input cannot be read as a log: empty, compressed, or not text."""


class InvalidMemory(MemoryCoreError, ValueError):
    """The text, document or metadata cannot be stored; the message says the limit."""


class InvalidSelection(MemoryCoreError, ValueError):
    """A moment or a filter of memories cannot be read; the message lists the valid forms."""


class InvalidMove(MemoryCoreError, ValueError):
    """Memories cannot be moved between these users, or that move cannot be undone."""


class MemoryNotFound(MemoryCoreError, KeyError):
    """No such memory for this user, also when it exists but belongs to someone else."""

    # KeyError shows repr(args[0]); show the sentence instead.
    __str__ = Exception.__str__


class NotIndexed(MemoryCoreError):
    """The memory is recorded in the ledger and safe, but not searchable yet."""

    def __init__(self, message: str, memory_id: str) -> None:
        super().__init__(message)
        self.memory_id = memory_id


class BackendError(MemoryCoreError):
    """A service or a disk failed; the original error is kept as `__cause__`."""

    def __init__(self, message: str, *, backend: str, operation: str, code: str = "") -> None:
        super().__init__(message)
        self.backend = backend
        self.operation = operation
        self.code = code


class BackendUnavailable(BackendError):
    """Throttled or unreachable after retries; trying again later helps."""


class AccessDenied(BackendError):
    """Refused for lack of a permission, which the message names."""


class IndexMismatch(BackendError):
    """The index is missing, or differs in dimension, metric or non-filterable keys."""


class IndexDamaged(BackendError):
    """The files of the index cannot be read; its memories are on record, and can be listed."""


class LedgerError(MemoryCoreError):
    """The append-only record of the memories that should be stored could not be used."""


class EntryExists(LedgerError):
    """An object of that name exists already: another writer was first."""


class LedgerCorrupt(LedgerError):
    """An entry of the ledger cannot be read; `.key` names it."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class MigrationError(MemoryCoreError):
    """The source cannot be migrated; the message says why."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class MigrationConflict(MigrationError):
    """Some ids have different texts here and no decision; `.report` lists what was done."""


class VerificationFailed(MigrationError):
    """Migrated memories are missing or differ; `.report` is the comparison."""


class InvalidReceipt(MemoryCoreError, ValueError):
    """The receipt of a redeploy test cannot be read, was altered, or is of another installation."""


class RedeployTestFailed(MemoryCoreError):
    """The redeploy test itself could not be run; this says nothing about the memories."""


class DemoRefused(MemoryCoreError, ValueError):
    """A demo cannot break or load anything here, or not at this time."""


class UnknownCheck(MemoryCoreError, ValueError):
    """The doctor has no check, finding or subject of that name; the message shows the name."""


class ServiceBusy(MemoryCoreError):
    """Too many asynchronous calls wait for a thread; trying later helps."""


class MissingExtra(SettingsError, ImportError):
    """Packages of an extra are not installed; `.extra` is its name."""

    def __init__(self, message: str, extra: str) -> None:
        super().__init__(message)
        self.extra = extra


_HTTP_STATUS: Final[Mapping[type[BaseException], int]] = {
    **dict.fromkeys((InvalidUserId, InvalidMemory, InvalidMove, InvalidLog), 400),
    **dict.fromkeys((InvalidSelection, InvalidReceipt, UnknownCheck, DemoRefused), 400),
    MemoryNotFound: 404,
    MigrationConflict: 409,
    **dict.fromkeys((NotIndexed, BackendUnavailable, EntryExists, ServiceBusy), 503),
    TimeoutError: 504,
}


def http_status(error: BaseException) -> int:
    """Return the HTTP status with which a web backend answers an error.

    400: the request is wrong. 404: the user has no such memory. 409: it contradicts what is stored.
    503: the same request can succeed later; send `Retry-After`. 504: it exceeded its time limit.
    500: anything else. The messages of 500 and 503 are for the operator: they name buckets,
    permissions and variables.
    """
    return next((_HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in _HTTP_STATUS), 500)
