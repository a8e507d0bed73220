"""Reunions, planned and made, as JSON and as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .render import counted, one_line
from .render_scan import visible
from .reuniting import Reunion, ReunionPlan, reunion_document

_REFUSED_SHOWN = 20


def plan_document(plan: ReunionPlan) -> dict[str, Any]:
    return {
        "from": plan.former,
        "to": plan.user_id,
        "memories": plan.memories,
        "to_has": plan.theirs,
        "doubles": plan.doubles,
        "unfinished": plan.unfinished,
        "refused": _refused(plan.refused),
    }


def plan_text(plan: ReunionPlan) -> str:
    lines = [
        f"{counted(plan.memories, 'memory')} would move",
        f"  from  {visible(plan.former)}",
        f"  to    {visible(plan.user_id)}, who has {counted(plan.theirs, 'memory')}",
    ]
    if plan.doubles:
        lines.append(f"{plan.doubles:,} of them are there already, word for word; both are kept")
    if plan.unfinished:
        lines.append(f"{plan.unfinished:,} of them arrived before, by a move that was cut off")
    return "\n".join([*lines, *_refused_lines(plan.refused)])


def reunion_text(reunion: Reunion, undo_file: str) -> str:
    moved = f"Moved {counted(len(reunion.ids), 'memory')} from {one_line(reunion.former)} to "
    lines = [f"{moved}{one_line(reunion.user_id)}, {reunion.verified or 0:,} read back."]
    lines += _refused_lines(reunion.refused)
    if undo_file:
        lines.append(f"To take it back: python -m memory_core users undo {undo_file}")
    return "\n".join(lines)


def made_document(reunion: Reunion, undo_file: str) -> dict[str, Any]:
    return {**reunion_document(reunion), "undo_file": undo_file or None}


def _refused(refused: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"id": one, "why": why} for one, why in refused]


def _refused_lines(refused: Sequence[tuple[str, str]]) -> list[str]:
    if not refused:
        return []
    lines = [f"{counted(len(refused), 'memory')} cannot be moved and stay where they are:"]
    lines += [f"  {one}  {one_line(why)}" for one, why in refused[:_REFUSED_SHOWN]]
    more = len(refused) - _REFUSED_SHOWN
    return [*lines, f"  and {more:,} more"] if more > 0 else lines
