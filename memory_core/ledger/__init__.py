"""The append-only record of what should be stored, as objects that are written once.

    ledger/v1/<percent-encoded user id>/<ulid>.<ADD|UPDATE|DELETE|FORGET>.<memory id>.json
    ledger/v1/<percent-encoded user id>/<ulid>.BATCH.<n>.jsonl

The keys alone tell who, when, what and which; only a BATCH has to be read, once. The vector store
says what is there, the ledger says what should be: whenever the two differ, the ledger is right.
"""

from .book import Ledger
from .entries import ALL, ROOT, Draft, Entry
from .folding import Live, UserView
from .survey import Survey

__all__ = ["ALL", "ROOT", "Draft", "Entry", "Ledger", "Live", "Survey", "UserView"]
