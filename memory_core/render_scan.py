"""What a scan of the store and a look elsewhere found, as JSON and as text for a terminal."""

from __future__ import annotations

import unicodedata
from typing import Any

from .encoder import encode, pick
from .people import ComparedUser, Elsewhere, StoredForm, StoreScan
from .render import counted, utc

_SHOWN = 50
_WHAT_TO_DO = (
    "Missing: `audit --repair` puts them back.",
    "Unexpected: `users take-up USER` records those that never were.",
)


def scan_document(scan: StoreScan, *, users: bool = True) -> dict[str, Any]:
    """Return what was found; of the users those that differ, unless they are not wanted."""
    document: dict[str, Any] = {
        **pick(scan, "complete", "as_of", "clean", "vectors", "recorded", "probes"),
        "users": len(scan.users),
        "unowned": encode(scan.unowned),
        "odd": [pick(one, "raw", "vectors") for one in scan.odd],
    }
    if users:
        document["differing"] = [compared_document(one) for one in scan.differing]
    return document


def compared_document(user: ComparedUser) -> dict[str, Any]:
    return {
        **pick(user, "user_id", "recorded", "stored", "missing", "unexpected"),
        "forms": [
            {
                "raw": one.raw,
                "code_points": visible_id(one.raw),
                **pick(one, "canonical", "vectors", "recorded"),
            }
            for one in user.forms
        ],
    }


def elsewhere_document(elsewhere: Elsewhere) -> dict[str, Any]:
    return {
        **pick(elsewhere, "as_of", "missing"),
        "places": [
            {
                **pick(place, "backend", "where", "looked", "note", "memories", "missing"),
                "users": encode([one for one in place.users if one.missing]),
            }
            for place in elsewhere.places
        ],
    }


def scan_text(scan: StoreScan) -> str:
    """Say whether store and record agree, then where not."""
    lines = [
        f"{counted(scan.vectors, 'memory')} in the store, {scan.recorded:,} on record, of "
        f"{counted(len(scan.users), 'user')}, complete, as of {utc(scan.as_of)}"
    ]
    if scan.probes:
        lines.append(f"  and {counted(scan.probes, 'probe')} of redeploy tests, left out")
    if scan.clean:
        return "\n".join([*lines, "The store holds what is on record, and nothing else."])
    if scan.differing:
        lines += ["", "  on record  in store   missing  unexpected  user"]
    for one in scan.differing[:_SHOWN]:
        lines.append(
            f"  {one.recorded:>9,}  {one.stored:>8,}  {one.missing:>8,}  {one.unexpected:>10,}  "
            f"{visible(one.user_id)}"
        )
        lines += [f"{'':46}{form_text(form)}" for form in one.forms if not form.canonical]
    if len(scan.differing) > _SHOWN:
        lines.append(f"  and {counted(len(scan.differing) - _SHOWN, 'more user')}; --json has all")
    return "\n".join([*lines, *nobody_lines(scan), "", *_WHAT_TO_DO])


def nobody_lines(scan: StoreScan) -> list[str]:
    """Say what nobody can reach by an id."""
    unowned = [
        f"  {counted(one.vectors, 'memory')} {owner_text(one.agent_id, one.run_id)}"
        for one in scan.unowned
    ]
    return unowned + [
        f"  {counted(one.vectors, 'memory')} under {visible_id(one.raw)}, which can be no id"
        for one in scan.odd
    ]


def elsewhere_text(elsewhere: Elsewhere) -> str:
    if not elsewhere.places:
        return "No other place with memories is known from the settings."
    lines = []
    for place in elsewhere.places:
        if not place.looked:
            lines.append(f"{place.where}: not read; {place.note}")
            continue
        lines.append(
            f"{place.where}: {counted(place.memories, 'memory')}, of which {place.missing:,} "
            f"{'is' if place.missing == 1 else 'are'} not here"
            + (f"; {place.note}" if place.note else "")
        )
        for one in [one for one in place.users if one.missing][:_SHOWN]:
            name = "under no user" if one.user_id is None else visible(one.user_id)
            deleted = f", {one.deleted:,} of them deleted here" if one.deleted else ""
            lines.append(f"  {one.missing:>8,} of {one.memories:,}{deleted}  {name}")
    return "\n".join(lines)


def form_text(form: StoredForm) -> str:
    """Say what stands under an id that the application does not ask for."""
    return f"{form.vectors:,} as {visible_id(form.raw)}, for which the application does not ask"


def owner_text(agent_id: str | None, run_id: str | None) -> str:
    """Say what a memory without a user is under."""
    named = [("agent", agent_id), ("run", run_id)]
    parts = [f"{what} {visible(one)}" for what, one in named if one is not None]
    return f"without a user, under {' and '.join(parts)} only" if parts else "without any user"


def visible_id(text: str) -> str:
    """Show an id as it stands, its spaces by their code point as well: no id has one."""
    return visible(text).replace(" ", "<U+0020>")


def visible(text: str) -> str:
    """Show what cannot be seen, and what looks like ASCII and is not, by its code point."""
    return "".join(
        char
        if char.isascii() and char.isprintable()
        else f"<U+{ord(char):04X}>"
        if unicodedata.category(char)[0] in "CZ"
        else f"{char}<U+{ord(char):04X}>"
        for char in text[:300]
    )
