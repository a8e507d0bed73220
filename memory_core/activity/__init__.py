"""The activity log: who did what with whose memories, when, from where, and how it ended.

    activity/v1/log/<number>.jsonl          segments; each links to the one before by its digest
    activity/v1/anchors/<number>.json       the beginning of the chain after retention
    activity/v1/users/<user id>/<mark>      the meaning of the marks of users; erased by `forget`

It is append-only, and holds no text of a memory and no question.
"""

from .entries import (
    MUST_BE_WRITTEN,
    VERBS,
    ActivityEntry,
    Actor,
    ChainReport,
    Named,
    Outcome,
    Page,
    Wanted,
    acting,
    current_actor,
    verb_of,
)
from .log import ActivityLog
from .recalls import RecallLog, RecallReceipt
from .recorder import current_author, noted, open_log, recording, removed, unnoted

__all__ = [
    "MUST_BE_WRITTEN",
    "VERBS",
    "ActivityEntry",
    "ActivityLog",
    "Actor",
    "ChainReport",
    "Named",
    "Outcome",
    "Page",
    "RecallLog",
    "RecallReceipt",
    "Wanted",
    "acting",
    "current_actor",
    "current_author",
    "noted",
    "open_log",
    "recording",
    "removed",
    "unnoted",
    "verb_of",
]
