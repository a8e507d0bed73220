"""The append-only record of the memories that should be stored, in objects written once.

    ledger/v1/<percent-encoded user id>/<ulid>.<ADD|UPDATE|DELETE|FORGET>.<memory id>.json
    ledger/v1/<percent-encoded user id>/<ulid>.BATCH.<n>.jsonl

The keys alone give user, time, kind and memory; only a BATCH has to be read, once. Where vector
store and ledger differ, the ledger is right.
"""

from .entries import ALL, ROOT, EventDraft, LedgerEntry
from .ledger import Ledger
from .user_index import UserIndex
from .view import Live, UserView

__all__ = ["ALL", "ROOT", "EventDraft", "Ledger", "LedgerEntry", "Live", "UserIndex", "UserView"]
