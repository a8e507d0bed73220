"""Who did what with whose memories, when, from where and how it ended: append-only, and chained.

    activity/v1/log/<number>.jsonl          segments; each links to the one before by its digest
    activity/v1/anchors/<number>.json       where the chain begins since retention removed the rest
    activity/v1/users/<user id>/<mark>      what the marks of users stand for; erased by `forget`

No memory text and no question is in it.
"""

from .actor import LIBRARY, Actor, acting, current_actor
from .entries import (
    MUST_BE_WRITTEN,
    VERBS,
    ActivityEntry,
    ChainReport,
    Named,
    Outcome,
    Page,
    Verb,
    Wanted,
    verb_of,
)
from .log import BATCH_S, FLUSH_S, LONGEST_DETAIL, ActivityLog, Operation
from .recorder import Noting, memories, noted, open_log, recording, removed, unnoted
from .repeats import SAME_LOOK_S

__all__ = [
    "BATCH_S",
    "FLUSH_S",
    "LIBRARY",
    "LONGEST_DETAIL",
    "MUST_BE_WRITTEN",
    "SAME_LOOK_S",
    "VERBS",
    "ActivityEntry",
    "ActivityLog",
    "Actor",
    "ChainReport",
    "Named",
    "Noting",
    "Operation",
    "Outcome",
    "Page",
    "Verb",
    "Wanted",
    "acting",
    "current_actor",
    "memories",
    "noted",
    "open_log",
    "recording",
    "removed",
    "unnoted",
    "verb_of",
]
