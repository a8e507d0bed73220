"""Who did what with whose memories, when, from where and how it ended: append-only, and chained.

    activity/v1/log/<number>.jsonl          segments; each links to the one before by its digest
    activity/v1/anchors/<number>.json       where the chain begins since retention removed the rest
    activity/v1/users/<user id>/<mark>      what the marks of users stand for; erased by `forget`

No memory text and no question is in it.
"""

from .drafts import LONGEST_DETAIL
from .log import FLUSH_S, SAME_LOOK_S, ActivityLog, Operation
from .values import (
    MUST_BE_WRITTEN,
    VERBS,
    Actor,
    Check,
    Entry,
    Named,
    Outcome,
    Page,
    Verb,
    Wanted,
    verb_of,
)

__all__ = [
    "FLUSH_S",
    "LONGEST_DETAIL",
    "MUST_BE_WRITTEN",
    "SAME_LOOK_S",
    "VERBS",
    "ActivityLog",
    "Actor",
    "Check",
    "Entry",
    "Named",
    "Operation",
    "Outcome",
    "Page",
    "Verb",
    "Wanted",
    "verb_of",
]
