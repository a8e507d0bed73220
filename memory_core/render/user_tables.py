"""Users and what was found of one, as JSON and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..memories.erasure_proof import State, Traces
from ..memories.merge_users import Reunion, ReunionPlan, reunion_document
from ..model.census import Census, ComparedUser, StoredForm, TakenUp, UserSearch
from ..model.encoder import encode, pick
from ..model.records import UserSummary
from ..model.words import counted
from .audit_report import compared_document, form_text, nobody_lines, scan_document
from .text import one_line, utc, visible, visible_id

_LEFT_SHOWN = 20


def users_document(census: Census) -> dict[str, Any]:
    return pick(census, "complete", "as_of", "users")


def users_text(census: Census) -> str:
    users = census.users
    lines = [f"{one.memories:>8,}  {utc(one.last_write)}  {one_line(one.user_id)}" for one in users]
    sums = f"{counted(census.memories, 'memory')} of {counted(len(users), 'user')}"
    return "\n".join([*lines, f"{sums}, complete, as of {utc(census.as_of)}"])


def found_document(found: UserSearch) -> dict[str, Any]:
    document = {
        **pick(found, "asked", "user_id", "changes", "problem", "user"),
        "close": [
            {
                "user_id": one.user_id,
                "memories": one.user.memories if one.user else 0,
                "first_write": one.user.first_write if one.user else None,
                "last_write": one.user.last_write if one.user else None,
                "reasons": list(one.reasons),
                **({"store": _compared(one.stored)} if found.scan else {}),
            }
            for one in found.close
        ],
        **pick(found, "placeholders", "memories", "users"),
        "complete": True,
    }
    if found.scan:
        document["store"] = _compared(found.stored)
        document["scan"] = scan_document(found.scan, users=False)
    if found.elsewhere:
        document["elsewhere"] = [
            {**pick(place, "backend", "where"), **pick(one, "user_id", "memories", "missing")}
            for place, one in found.elsewhere
        ]
    return document


def found_text(found: UserSearch) -> str:
    lines = [f"asked for   {visible(found.asked)}"]
    if found.user_id is None:
        lines.append(f"no id       {one_line(found.problem)}")
    else:
        lines.append(f"looked for  {visible(found.user_id)}")
        lines += [f"            {change}" for change in found.changes]
        lines.append(f"stored      {_count(found.user)}")
        lines.append("            the application asks for this id and for no other")
        if found.scan:
            lines.append(f"in store    {_in_store(found.stored)}")
            lines += [f"            {form_text(form)}" for form in _odd_forms(found.stored)]
    for one in found.memories:
        state = "is one of" if one.live else "was deleted by"
        lines.append(f"memory      {one.id} {state} {visible(one.user_id)}")
    if found.close:
        lines += ["", "close to it:"]
        for close in found.close:
            stored = f", {_in_store(close.stored)}" if found.scan else ""
            reasons = ", ".join(close.reasons)
            lines.append(f"  {visible(close.user_id)}  {_count(close.user)}{stored}: {reasons}")
            lines += [f"    {form_text(form)}" for form in _odd_forms(close.stored)]
    if found.placeholders:
        lines += ["", "under an id that names nobody:"]
        lines += [f"  {visible(user.user_id)}  {_count(user)}" for user in found.placeholders]
    lines += _of_nobody(found)
    if found.elsewhere:
        lines += ["", "in another place only:"]
        lines += [
            f"  {visible(one.user_id or '')}  {counted(one.missing, 'memory')} in {place.where}"
            for place, one in found.elsewhere
        ]
    return "\n".join([*lines, "", f"looked through {counted(found.users, 'user')}, complete"])


def taken_up_document(taken: TakenUp) -> dict[str, Any]:
    return {
        "user_id": taken.user_id,
        "preview": taken.preview,
        "found": len(taken.items),
        "taken": taken.taken,
        "forms": [pick(one, "raw", "vectors") for one in taken.forms],
        "left": [pick(one, "id", "detail", "memory") for one in taken.left if not taken.preview],
    }


def taken_up_text(taken: TakenUp) -> str:
    name = one_line(taken.user_id)
    if not taken.items:
        return f"Nothing lies in the store for {name} that is not on record."
    lines = [f"  {one.vectors:>6,}  as {visible_id(one.raw)}" for one in taken.forms]
    count = counted(len(taken.items), "memory")
    if taken.preview:
        return "\n".join(
            [f"Not on record, and would be taken up for {name}: {count}.", *lines,
             "Nothing was changed; add --yes to take them up."]
        )  # fmt: skip
    lines = [f"Taken up for {name}: {counted(taken.taken, 'memory')}.", *lines]
    if taken.left:
        lines.append(f"Left as they are: {counted(len(taken.left), 'memory')}.")
        lines += [f"  {one_line(one.id)}: {one.detail}" for one in taken.left[:_LEFT_SHOWN]]
    return "\n".join(lines)


def _of_nobody(found: UserSearch) -> Iterator[str]:
    scan = found.scan
    if scan and scan.nobodys:
        yield ""
        yield "in the store and nobody's:"
        yield from nobody_lines(scan)


def _compared(user: ComparedUser | None) -> dict[str, Any] | None:
    return compared_document(user) if user else None


def _odd_forms(user: ComparedUser | None) -> list[StoredForm]:
    return [form for form in user.forms if not form.canonical] if user else []


def _in_store(user: ComparedUser | None) -> str:
    if user is None or not user.stored:
        return "nothing in the store"
    return f"{user.stored:,} in the store"


def _count(user: UserSummary | None) -> str:
    if user is None:
        return "nothing, ever"
    return f"{counted(user.memories, 'memory')}, last write {utc(user.last_write)}"


SENTENCES: Final[dict[State, str]] = {
    "forgotten": "Nothing is left of this user but the fact that something was forgotten.",
    "never there": "Nothing was ever here under this id.",
    "deleted": "The memories are gone, but their texts can still be read in the history.",
    "there": "There are still memories of this user.",
}


def traces_document(traces: Traces) -> dict[str, Any]:
    return {
        **pick(traces, "user_id", "state", "clean", "as_of"),
        "record": {
            "memories": traces.memories,
            "texts_in_history": traces.texts,
            "events": traces.events,
            "last": traces.last,
        },
        "store": {
            "vectors_read": traces.vectors,
            "of_the_user": compared_document(traces.stored) if traces.stored else None,
        },
        "running_service": {"memories": traces.remembered},
        "elsewhere": [
            {**pick(place, "backend", "where"), "memories": one.memories}
            for place, one in traces.elsewhere
        ],
        "not_read": [{**pick(one, "backend", "where"), "why": one.note} for one in traces.unread],
        "moved_here_from": encode(traces.former),
        "close_ids": [
            {
                "user_id": one.user_id,
                "reasons": list(one.reasons),
                "memories": one.user.memories if one.user else 0,
                "vectors": one.stored.stored if one.stored else 0,
            }
            for one in traces.close
        ],
    }


def traces_text(traces: Traces) -> str:
    lines = [
        SENTENCES[traces.state],
        f"  record    {counted(traces.memories, 'memory')}, "
        f"{counted(traces.texts, 'text')} in the history, {counted(traces.events, 'event')}",
        f"  store     {traces.stored.stored if traces.stored else 0:,} of "
        f"{counted(traces.vectors, 'vector')}, all read",
        f"  service   {counted(traces.remembered, 'memory')} remembered",
    ]
    lines += [
        f"  elsewhere {counted(one.memories, 'memory')} in {one_line(place.where)}"
        for place, one in traces.elsewhere
    ]
    lines += [f"  not read  {one_line(one.where)}: {one_line(one.note)}" for one in traces.unread]
    lines += [
        f"  history   texts of {counted(one.memories, 'memory')} that moved here are on record "
        f"under {visible(one.user_id)}; forget that id too"
        for one in traces.former
    ]
    for one in traces.close:
        there = counted(one.user.memories if one.user else 0, "memory")
        lines.append(f"  close id  {visible(one.user_id)}, {there}: {', '.join(one.reasons)}")
    return "\n".join([*lines, f"as of {utc(traces.as_of)}"])


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
