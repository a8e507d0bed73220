"""Audits and rebuilds -> text for a terminal, and JSON with fixed keys."""

from __future__ import annotations

from typing import Any

from ..model.census import ComparedUser, OtherPlaces, StoredForm, StoreScan
from ..model.encoder import encode, pick
from ..model.records import AuditReport, RebuildReport
from ..model.words import counted
from .text import one_line, utc, visible, visible_id

_COMMAND = "python -m memory_core audit --repair"
_SHOWN = 20


def audit_document(report: AuditReport) -> dict[str, Any]:
    differences = ("missing", "unexpected", "altered", "undeleted")
    return pick(report, *differences, "repaired", "clean", "checked", "users")


def audit_text(report: AuditReport) -> str:
    return "\n".join([_sentence(report), *_lines(report)])


def rebuild_document(report: RebuildReport) -> dict[str, Any]:
    return {
        **pick(report, "index", "memories", "users", "embedded"),
        "seconds": round(report.seconds, 3),
        **{key: val for key, val in audit_document(report.audit).items() if key != "checked"},
    }


def rebuild_text(report: RebuildReport) -> str:
    index, clean = one_line(report.index), report.audit.clean
    done = (
        f"Index {index} holds {_total(report.audit)}{' as recorded' if clean else ''}; "
        f"{report.embedded:,} embedded now, in {report.seconds:.1f} seconds."
    )
    if not report.memories:
        done = f"Nothing is recorded, so index {index} is empty."
    return done if clean else f"{done}\n{audit_text(report.audit)}"


def _total(report: AuditReport) -> str:
    return f"{counted(report.checked, 'memory')} of {counted(report.users, 'user')}"


def _sentence(report: AuditReport) -> str:
    done = f"Repaired {counted(report.repaired, 'difference')}; " if report.repaired else ""
    if report.clean and done:
        return f"{done}everything is as recorded now."
    if report.clean:
        verb = "is" if report.checked == 1 else "are"
        return f"{_total(report)} {verb} as recorded."
    left = {
        "recorded but not searchable": report.missing,
        "not as recorded": report.altered,
        "deleted but still there": report.undeleted,
        "stored but never recorded": report.unexpected,
    }
    counts = {words: sum(not one.repaired for one in items) for words, items in left.items()}
    parts = [
        f"{counted(count, 'memory')} {'is' if count == 1 else 'are'} {words}"
        for words, count in counts.items()
        if count
    ]
    remedy = f"repair with `{_COMMAND}`"
    if counts["stored but never recorded"] == sum(counts.values()):
        remedy = f"record or delete such with `{_COMMAND} --unexpected adopt` or `remove`"
    return f"{done}{', '.join(parts)}; {remedy}."


def _lines(report: AuditReport) -> list[str]:
    lines = [
        f"{'repaired' if one.repaired else word:<10}  {one_line(one.user_id or 'nobody')}  "
        f"{one_line(one.id)}  {one_line(one.detail)}"
        + (f": {one_line(one.memory)}" if one.memory else "")
        for word, items in (
            ("missing", report.missing),
            ("altered", report.altered),
            ("undeleted", report.undeleted),
            ("unexpected", report.unexpected),
        )
        for one in items
    ]
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"and {more:,} more; --json lists all"] if more > 0 else lines


_SHOWN_USERS = 50
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


def elsewhere_document(elsewhere: OtherPlaces) -> dict[str, Any]:
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
    for one in scan.differing[:_SHOWN_USERS]:
        lines.append(
            f"  {one.recorded:>9,}  {one.stored:>8,}  {one.missing:>8,}  {one.unexpected:>10,}  "
            f"{visible(one.user_id)}"
        )
        lines += [f"{'':46}{form_text(form)}" for form in one.forms if not form.canonical]
    if len(scan.differing) > _SHOWN_USERS:
        lines.append(
            f"  and {counted(len(scan.differing) - _SHOWN_USERS, 'more user')}; --json has all"
        )
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


def elsewhere_text(elsewhere: OtherPlaces) -> str:
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
        for one in [one for one in place.users if one.missing][:_SHOWN_USERS]:
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
