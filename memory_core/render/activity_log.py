"""The activity log as sentences, JSON, CSV and text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..activity import ActivityEntry, ChainReport, Named, Page, verb_of
from ..model.encoder import pick
from ..model.words import counted
from ..transfer.format import BOM, cells_line, defused
from .text import printable, utc, visible

FORGOTTEN: Final = "a forgotten user"
COLUMNS: Final = (
    "at", "who", "role", "address", "via", "action", "user", "other", "detail", "outcome", "entry",
)  # fmt: skip


def entry_sentence(entry: ActivityEntry) -> str:
    """Return an entry as a sentence: ann@example.com revealed a memory of bob@example.com."""
    verb = verb_of(entry.action)
    names = {"user": _name(entry.user), "other": _name(entry.other)}

    def said(words: str) -> str:
        # One pass: what is put in may have braces itself.
        parts = words.replace("{other}", "{user}\0").split("{user}")
        text = parts[0]
        for part in parts[1:]:
            text += names["other"] + part[1:] if part[:1] == "\0" else names["user"] + part
        return _flat(text)

    who = _flat(entry.actor.name) or "somebody"
    detail = f": {_flat(entry.detail)}" if entry.detail else ""
    if entry.outcome == "done":
        return f"{who} {said(verb.past)}{detail}"
    if entry.outcome == "begun":
        return f"{who} began to {said(verb.infinitive)}"
    if entry.outcome == "refused":
        return f"{who} was not allowed to {said(verb.infinitive)}{detail}"
    return f"{who} tried to {said(verb.infinitive)} and it failed{detail}"


def entry_document(entry: ActivityEntry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "who": entry.actor.name,
        "role": entry.actor.role,
        "address": entry.actor.address,
        "via": entry.actor.via,
        "action": entry.action,
        "user": _plain(entry.user),
        "other": _plain(entry.other),
        "detail": entry.detail,
        "outcome": entry.outcome,
        "entry": f"{entry.number}.{entry.line}",
    }


def page_document(page: Page) -> dict[str, Any]:
    return {
        "complete": page.before is None,
        "back_to": page.back_to,
        "entries": [
            {**entry_document(one), "sentence": entry_sentence(one)} for one in page.entries
        ],
    }


def page_text(page: Page) -> str:
    lines = [f"{utc(one.at)}  {entry_sentence(one)}" for one in page.entries]
    if page.before is not None:
        lines.append(f"older entries are left out; looked back to {_when(page.back_to)}")
    return "\n".join(lines or ["No activity."])


def check_document(check: ChainReport) -> dict[str, Any]:
    return {
        **pick(check, "whole", "segments", "entries", "oldest", "newest"),
        "head": head_text(check),
        **pick(check, "removed", "removed_until", "sealed", "problems", "as_of"),
    }


def head_text(check: ChainReport) -> str:
    """Return the head in the form that `--known` takes."""
    return f"{check.head[0]}:{check.head[1]}"


def check_sentences(check: ChainReport) -> list[str]:
    """Return what was checked, what retention took away, and what the check cannot see."""
    told = [
        f"{counted(check.entries, 'entry')} in {counted(check.segments, 'segment')}"
        + (f", from {_when(check.oldest)} to {_when(check.newest)}." if check.oldest else ".")
    ]
    if check.removed_until:
        told.append(
            f"{counted(check.removed, 'entry')} up to {utc(check.removed_until)} "
            f"{'was' if check.removed == 1 else 'were'} removed, as MEMORY_ACTIVITY_DAYS says."
        )
    if not check.sealed:
        told.append(
            "Not all of it is sealed with MEMORY_ACTIVITY_KEY: who can write to the storage could "
            "have written all of it anew."
        )
    return told


def check_text(check: ChainReport) -> str:
    verdict = "The chain is whole." if check.whole else "The chain is not whole:"
    lines = [verdict, *(f"  {_flat(problem)}" for problem in check.problems)]
    return "\n".join([*lines, *check_sentences(check), f"head {head_text(check)}"])


def entries_csv(entries: Iterable[ActivityEntry]) -> bytes:
    """Return the entries as CSV of which no spreadsheet takes a cell for a formula."""
    lines = [BOM + cells_line(COLUMNS)]
    for entry in entries:
        document = entry_document(entry)
        document["at"] = entry.at.isoformat()
        lines.append(cells_line([defused(str(document[name] or "")) for name in COLUMNS]))
    return b"".join(lines)


def entries_jsonl(entries: Iterable[ActivityEntry]) -> bytes:
    """Return the entries as a line of JSON each."""

    def lines() -> Iterator[bytes]:
        for entry in entries:
            document = {**entry_document(entry), "at": entry.at.isoformat()}
            yield json.dumps(document, ensure_ascii=False).encode() + b"\n"

    return b"".join(lines())


def _flat(text: str) -> str:
    return " ".join(printable(text).split())


def _name(user: Named | None) -> str:
    if user is None:
        return "users"
    return visible(user.user_id) if user.user_id else f"{FORGOTTEN} ({user.mark[-6:]})"


def _plain(user: Named | None) -> str | None:
    return (user.user_id or f"{FORGOTTEN} ({user.mark[-6:]})") if user else None


def _when(at: Any) -> str:
    return utc(at) if at else "the beginning"
