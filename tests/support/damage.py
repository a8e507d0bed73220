"""Damage done by hand to a filled store, and what an audit must find of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from memory_core import AuditReport, MemoryService, normalize_user_id
from memory_core.ledger import ALL, EventDraft
from memory_core.model.records import Kind
from memory_core.storage.vectors import Vector

ANN, BOB = "ann@example.com", "bob@example.com"
Found = dict[str, set[str]]


def found_in(report: AuditReport) -> Found:
    kinds = ("missing", "unexpected", "altered", "undeleted", "damaged")
    found = {kind: {item.id for item in getattr(report, kind)} for kind in kinds}
    return {kind: ids for kind, ids in found.items() if ids}


def fill(service: MemoryService) -> dict[str, str]:
    """Save two memories of Ann, one of them updated, and two of Bob; return ids by text."""
    ids = {
        text: service.add_text_memory(user, text, metadata={"weight": 0.8474337369372327})[0].id
        for user, text in ((ANN, "tea"), (ANN, "oak"), (BOB, "tea of bob"), (BOB, "elm"))
    }
    service.update_memory(ANN, ids["oak"], "oak and ash")
    return ids


def stored(service: MemoryService, one: str) -> Vector:
    return service.parts.store.get([one], with_values=True)[one]


def overwrite(service: MemoryService, one: str, **payload: Any) -> None:
    before = stored(service, one)
    changed = {key: val for key, val in {**before.payload, **payload}.items() if val is not None}
    service.parts.store.put([replace(before, payload=changed)])


def put_stray(service: MemoryService, one: str, **payload: Any) -> None:
    values = np.eye(1, 256, dtype=np.float32)[0]
    service.parts.store.put([Vector(one, payload, values)])


def lose(service: MemoryService, ids: dict[str, str]) -> Found:
    service.parts.store.delete([ids["tea"], ids["elm"]])
    return {"missing": {ids["tea"], ids["elm"]}}


def change_text(service: MemoryService, ids: dict[str, str]) -> Found:
    overwrite(service, ids["tea"], data="coffee")
    return {"altered": {ids["tea"]}}


def change_owner(service: MemoryService, ids: dict[str, str]) -> Found:
    overwrite(service, ids["tea"], user_id=BOB)
    return {"altered": {ids["tea"]}}


def add_key(service: MemoryService, ids: dict[str, str]) -> Found:
    overwrite(service, ids["elm"], topic="trees")
    return {"altered": {ids["elm"]}}


def drop_key(service: MemoryService, ids: dict[str, str]) -> Found:
    overwrite(service, ids["elm"], weight=None)
    return {"altered": {ids["elm"]}}


def change_type(service: MemoryService, ids: dict[str, str]) -> Found:
    overwrite(service, ids["elm"], weight="0.8474337369372327")
    return {"altered": {ids["elm"]}}


def go_back(service: MemoryService, ids: dict[str, str]) -> Found:
    before = stored(service, ids["elm"])
    service.update_memory(BOB, ids["elm"], "elm and yew")
    service.parts.store.put([before])
    return {"altered": {ids["elm"]}}


def bring_back(service: MemoryService, ids: dict[str, str]) -> Found:
    before = stored(service, ids["tea"])
    service.delete_memory(ANN, ids["tea"])
    service.parts.store.put([before])
    return {"undeleted": {ids["tea"]}}


def bring_back_user(service: MemoryService, ids: dict[str, str]) -> Found:
    before = stored(service, ids["oak"])
    service.delete_user(ANN)
    service.parts.store.put([before])
    return {"undeleted": {ids["oak"]}}


def die_before_forgetting(service: MemoryService, ids: dict[str, str]) -> Found:
    view = service.parts.ledger.view(normalize_user_id(ANN))
    service.parts.ledger.append(view, [EventDraft(Kind.FORGET, ALL, ANN)])
    return {"undeleted": {ids["tea"], ids["oak"], ALL}}


def write_after_forgetting(service: MemoryService, ids: dict[str, str]) -> Found:
    late = stored(service, ids["tea"])
    service.forget_user(ANN)
    service.parts.store.put([late])
    return {"undeleted": {ids["tea"]}}


DAMAGES = (
    lose,
    change_text,
    change_owner,
    add_key,
    drop_key,
    change_type,
    go_back,
    bring_back,
    bring_back_user,
    die_before_forgetting,
    write_after_forgetting,
)
