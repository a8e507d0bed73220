"""The activity log as sentences, JSON, CSV and text for a terminal."""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from ..activity import ActivityEntry, ChainReport, Named, Page, verb_of
from ..model.counting import counted
from ..transfer.format import BOM, cells_line, defused
from .text import fields, flat, utc, visible

FORGOTTEN: Final = "a forgotten user"


def entry_sentence(entry: ActivityEntry) -> str:
    """Return an entry as a sentence: ann@example.com revealed a memory of bob@example.com."""
    verb = verb_of(entry.action)
    names = {
        "{user}": visible(_name(entry.user) or "users"),
        "{other}": visible(_name(entry.other) or "users"),
    }

    def filled(words: str) -> str:
        # One pass: the names may contain braces themselves.
        return flat(re.sub(r"\{(user|other)\}", lambda match: names[match[0]], words))

    who = flat(entry.actor.name) or "somebody"
    detail = f": {flat(entry.detail)}" if entry.detail else ""
    if entry.outcome == "done":
        return f"{who} {filled(verb.past)}{detail}"
    if entry.outcome == "begun":
        return f"{who} began to {filled(verb.infinitive)}"
    if entry.outcome == "refused":
        return f"{who} was not allowed to {filled(verb.infinitive)}{detail}"
    return f"{who} tried to {filled(verb.infinitive)} and it failed{detail}"


def entry_document(entry: ActivityEntry) -> dict[str, Any]:
    actor = "who=actor.name role=actor.role address=actor.address via=actor.via"
    return {
        **fields(entry, f"at {actor} action"),
        "user": _name(entry.user),
        "other": _name(entry.other),
        **fields(entry, "detail outcome"),
        "entry": f"{entry.number}.{entry.line}",
    }


def page_document(page: Page) -> dict[str, Any]:
    return {
        "complete": page.before is None,
        "back_to": page.back_to,
        "entries": [
            {**entry_document(entry), "sentence": entry_sentence(entry)} for entry in page.entries
        ],
    }


def page_text(page: Page) -> str:
    lines = [f"{utc(entry.at)}  {entry_sentence(entry)}" for entry in page.entries]
    if page.before is not None:
        lines.append(f"older entries are not shown; searched back to {_when(page.back_to)}")
    return "\n".join(lines or ["No activity."])


def check_document(check: ChainReport) -> dict[str, Any]:
    return {
        **fields(check, "whole segments entries oldest newest"),
        "head": head_text(check),
        **fields(check, "removed removed_until sealed problems as_of shared"),
    }


def head_text(check: ChainReport) -> str:
    """Return the head in the form that `--known` takes."""
    return f"{check.head[0]}:{check.head[1]}"


def check_sentences(check: ChainReport) -> list[str]:
    """Describe what was checked, what retention removed, and what the check cannot detect."""
    span = f", from {_when(check.oldest)} to {_when(check.newest)}" if check.oldest else ""
    sentences = [
        f"{counted(check.entries, 'entry')} in {counted(check.segments, 'segment')}{span}."
    ]
    if check.removed_until:
        sentences.append(
            f"{counted(check.removed, 'entry')} up to {utc(check.removed_until)} "
            f"{'was' if check.removed == 1 else 'were'} removed, as MEMORY_ACTIVITY_DAYS says."
        )
    if check.shared:
        verb = "has" if check.shared == 1 else "have"
        sentences.append(
            f"{counted(check.shared, 'segment')} {verb} the number of another: on this server "
            "several writers can take one, so each has a name of its own. If the last segment of a "
            "writer were removed, this check could not tell."
        )
    if not check.sealed:
        sentences.append(
            "Not all of it is sealed with MEMORY_ACTIVITY_KEY: anyone who can write to the storage "
            "could have rewritten the whole chain."
        )
    return sentences


def check_text(check: ChainReport) -> str:
    verdict = "The chain is whole." if check.whole else "The chain is not whole:"
    problems = (f"  {flat(problem)}" for problem in check.problems)
    return "\n".join([verdict, *problems, *check_sentences(check), f"head {head_text(check)}"])


def entries_csv(entries: Iterable[ActivityEntry]) -> bytes:
    """Return the entries as CSV whose cells no spreadsheet reads as formulas."""
    columns = "at who role address via action user other detail outcome entry".split()
    rows = (entry_document(entry) for entry in entries)
    lines = (cells_line([defused(str(row[name] or "")) for name in columns]) for row in rows)
    return BOM + cells_line(columns) + b"".join(lines)


def entries_jsonl(entries: Iterable[ActivityEntry]) -> bytes:
    """Return each entry as a line of JSON."""
    lines = (json.dumps(entry_document(entry), ensure_ascii=False) + "\n" for entry in entries)
    return "".join(lines).encode()


def _name(user: Named | None) -> str | None:
    return (user.user_id or f"{FORGOTTEN} ({user.mark[-6:]})") if user else None


def _when(at: datetime | None) -> str:
    return utc(at) if at else "the beginning"
