"""What the pages ask about one user, and what they do for one: a call each into `memory_core`."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from dashboard import data
from memory_core.explaining import Recall
from memory_core.people import Found
from memory_core.records import Event, Kind, Receipt, UserId
from memory_core.reuniting import Reunion, ReunionPlan
from memory_core.traces import Traces
from memory_core.transfer import Kind as ExportKind
from memory_core.transfer import export_bytes


def known(user_id: UserId) -> Found:
    """Return what is known of an id, as the users were counted last."""
    return data.connection().service().find(user_id, counted=data.census())


def recall(user_id: UserId, question: str, limit: int) -> Recall:
    """Return what the assistant would remember, and why not the rest."""
    service = data.connection().service()
    return service.explain(user_id, question, limit=limit, counted=data.census())


def events_per_day(user_id: UserId) -> dict[dt.date, Counter[Kind]]:
    """Return how many events of which kind the user had on which UTC day."""
    return data.connection().service().events_per_day(user_id)


def events(user_id: UserId, last: int) -> list[Event]:
    """Return the user's newest events, oldest first."""
    return data.connection().service().history(user_id, last=last)


def reunions(user_id: UserId) -> list[Reunion]:
    """Return what moved to the user from others and is still there, oldest first."""
    return data.connection().service().reunions(user_id)


def plan_reunion(former: str, user_id: str) -> ReunionPlan:
    """Return what `reunite` would do."""
    return data.connection().service().plan_reunion(former, user_id)


def reunite(former: UserId, user_id: UserId) -> Reunion:
    """Move all memories of a user to another."""
    return data.write(lambda service: service.reunite(former, user_id))


def undo_reunion(reunion: Reunion) -> Reunion:
    """Give the memories of a reunion back."""
    return data.write(lambda service: service.undo_reunion(reunion))


def delete_user(user_id: UserId) -> Receipt:
    """Delete all memories of a user and count them again."""
    return data.write(lambda service: service.delete_user(user_id, verify=True))


def forget_user(user_id: UserId) -> Receipt:
    """Remove all memories of a user and their history for good."""
    return data.write(lambda service: service.forget_user(user_id))


def traces(user_id: UserId) -> Traces:
    """Look everywhere for what is left of a user."""
    return data.connection().service().traces(user_id)


def export(user_id: UserId, kind: ExportKind, vectors: bool) -> bytes:
    """Return a user's memories as a file."""
    return export_bytes(data.connection().service(), user_id, kind=kind, vectors=vectors)
