"""Users and what was found of one, as JSON and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .encoder import pick
from .people import Census, ComparedUser, Found, StoredForm, TakenUp
from .records import UserSummary
from .render import counted, one_line, utc
from .render_scan import (
    compared_document,
    form_text,
    nobody_lines,
    scan_document,
    visible,
    visible_id,
)

_LEFT_SHOWN = 20


def users_document(census: Census) -> dict[str, Any]:
    return pick(census, "complete", "as_of", "users")


def users_text(census: Census) -> str:
    users = census.users
    lines = [f"{one.memories:>8,}  {utc(one.last_write)}  {one_line(one.user_id)}" for one in users]
    sums = f"{counted(census.memories, 'memory')} of {counted(len(users), 'user')}"
    return "\n".join([*lines, f"{sums}, complete, as of {utc(census.as_of)}"])


def found_document(found: Found) -> dict[str, Any]:
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


def found_text(found: Found) -> str:
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


def _of_nobody(found: Found) -> Iterator[str]:
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
