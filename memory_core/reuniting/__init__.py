"""Memories of one person brought together: moved from one user id to another, and back.

Whether two ids are one person is for a human to decide. The record of the new owner comes first, in
one batch; then the vectors; then the record of the former owner. Cut off in between, both have the
memories on record and nothing is lost: a repetition, or a repair, finishes the move.
"""

from .moving import Reuniter, unfinished
from .values import Reunion, ReunionPlan, read_reunion, reunion_document

__all__ = [
    "Reunion",
    "ReunionPlan",
    "Reuniter",
    "read_reunion",
    "reunion_document",
    "unfinished",
]
