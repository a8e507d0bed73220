"""The append-only record of what should be stored, as objects that are written once.

    ledger/v1/<percent-encoded user id>/<ulid>.<ADD|UPDATE|DELETE|FORGET>.<memory id>.json
    ledger/v1/<percent-encoded user id>/<ulid>.BATCH.<n>.jsonl

The keys alone tell who, when, what and which; only a BATCH has to be read, once. The vector store
says what is there, the ledger says what should be: whenever the two differ, the ledger is right.
"""

from .entries import ALL, ROOT, EventDraft, LedgerEntry
from .ledger import Ledger
from .user_index import UserIndex
from .view import Live, UserView

__all__ = ["ALL", "ROOT", "EventDraft", "Ledger", "LedgerEntry", "Live", "UserIndex", "UserView"]
