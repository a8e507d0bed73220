"""Audits, rebuilds, and scans of the store and of other places, as JSON and as text."""

from typing import Any

from ..model.census import ComparedUser, OtherPlaces, StoredForm, StoreScan, scope
from ..model.counting import counted
from ..model.encoder import encode
from ..model.records import AuditReport, RebuildReport
from .text import fields, first_of, one_line, table, utc, visible, visible_id

_REPAIR = "python -m memory_core audit --repair"
_REMEDIES = (
    "Missing: `audit --repair` restores them.",
    "Unexpected: `users adopt USER` records those that never were.",
)
_SHOWN_USERS = 50


def audit_document(report: AuditReport) -> dict[str, Any]:
    return fields(
        report,
        "missing unexpected altered undeleted repaired clean checked users left_out damaged",
    )


def audit_text(report: AuditReport) -> str:
    lines = [_audit_sentence(report), *first_of(_differences(report))]
    if report.left_out:
        lines.append(f"Users: {one_line(scope(report.left_out))}.")
    return "\n".join(lines)


def rebuild_document(report: RebuildReport) -> dict[str, Any]:
    return {
        **fields(report, "index memories users embedded"),
        "seconds": round(report.seconds, 3),
        **{key: val for key, val in audit_document(report.audit).items() if key != "checked"},
    }


def rebuild_text(report: RebuildReport) -> str:
    index, clean = one_line(report.index), report.audit.clean
    sentence = (
        f"Index {index} holds {_total(report.audit)}{' as recorded' if clean else ''}; "
        f"{report.embedded:,} embedded now, in {report.seconds:.1f} s."
    )
    if not report.memories:
        sentence = f"Nothing is recorded, so index {index} is empty."
    return sentence if clean else f"{sentence}\n{audit_text(report.audit)}"


def scan_document(scan: StoreScan, *, users: bool = True) -> dict[str, Any]:
    """Return the result of a scan, optionally with the users that differ."""
    document: dict[str, Any] = {
        **fields(scan, "complete left_out as_of clean vectors recorded probes"),
        "users": len(scan.users),
        "unowned": encode(scan.unowned),
        "odd": [fields(form, "raw vectors") for form in scan.odd],
    }
    if users:
        document["differing"] = [compared_document(user) for user in scan.differing]
    return document


def compared_document(user: ComparedUser) -> dict[str, Any]:
    return {
        **fields(user, "user_id recorded stored missing unexpected"),
        "forms": [
            {
                "raw": form.raw,
                "code_points": visible_id(form.raw),
                **fields(form, "canonical vectors recorded"),
            }
            for form in user.forms
        ],
    }


def scan_text(scan: StoreScan) -> str:
    """Return whether store and record agree, then each difference."""
    lines = [
        f"{counted(scan.vectors, 'memory')} in the store, {scan.recorded:,} on record, of "
        f"{counted(len(scan.users), 'user')}, {one_line(scan.scope)}, as of {utc(scan.as_of)}"
    ]
    if scan.probes:
        lines.append(f"  and {counted(scan.probes, 'probe')} of redeploy tests, not counted")
    if scan.clean:
        return "\n".join([*lines, "The store holds exactly what is on record."])
    rows: list[tuple[int | str, ...]] = []
    for user in scan.differing[:_SHOWN_USERS]:
        counts = (user.recorded, user.stored, user.missing, user.unexpected)
        rows.append((*counts, visible(user.user_id)))
        rows += [("", "", "", "", form_text(form)) for form in user.forms if not form.canonical]
    header = ("on record", "in store", "missing", "unexpected", "user")
    lines += ["", *table(rows, header)] if rows else []
    if (left := len(scan.differing) - _SHOWN_USERS) > 0:
        lines.append(f"  and {counted(left, 'more user')}; --json lists all")
    return "\n".join([*lines, *ownerless_lines(scan), "", *_REMEDIES])


def ownerless_lines(scan: StoreScan) -> list[str]:
    """List the vectors that no id leads to."""
    unowned = [
        f"  {counted(group.vectors, 'memory')} {owner_text(group.agent_id, group.run_id)}"
        for group in scan.unowned
    ]
    return unowned + [
        f"  {counted(form.vectors, 'memory')} under {visible_id(form.raw)}, which is not a valid id"
        for form in scan.odd
    ]


def other_places_document(elsewhere: OtherPlaces) -> dict[str, Any]:
    return {
        **fields(elsewhere, "as_of missing"),
        "places": [
            {
                **fields(place, "backend where looked note memories missing"),
                "users": encode([user for user in place.users if user.missing]),
            }
            for place in elsewhere.places
        ],
    }


def other_places_text(elsewhere: OtherPlaces) -> str:
    if not elsewhere.places:
        return "The settings name no other place with memories."
    lines = []
    for place in elsewhere.places:
        if not place.looked:
            lines.append(f"{place.where}: not read; {place.note}")
            continue
        verb, note = "is" if place.missing == 1 else "are", f"; {place.note}" if place.note else ""
        total = counted(place.memories, "memory")
        lines.append(f"{place.where}: {total}, of which {place.missing:,} {verb} not here{note}")
        for user in [user for user in place.users if user.missing][:_SHOWN_USERS]:
            name = "under no user" if user.user_id is None else visible(user.user_id)
            deleted = f", {user.deleted:,} of them deleted here" if user.deleted else ""
            lines.append(f"  {user.missing:>8,} of {user.memories:,}{deleted}  {name}")
    return "\n".join(lines)


def form_text(form: StoredForm) -> str:
    """Describe the vectors under a form of an id for which the application never asks."""
    return f"{form.vectors:,} as {visible_id(form.raw)}, for which the application does not ask"


def owner_text(agent_id: str | None, run_id: str | None) -> str:
    """Describe the owner of a memory without a user."""
    owners = [
        f"{kind} {visible(owner)}"
        for kind, owner in (("agent", agent_id), ("run", run_id))
        if owner is not None
    ]
    return f"without a user, under {' and '.join(owners)} only" if owners else "without any user"


def _total(report: AuditReport) -> str:
    return f"{counted(report.checked, 'memory')} of {counted(report.users, 'user')}"


def _audit_sentence(report: AuditReport) -> str:
    repaired = f"Repaired {counted(report.repaired, 'difference')}; " if report.repaired else ""
    if report.clean and repaired:
        return f"{repaired}everything is as recorded now."
    if report.clean:
        return f"{_total(report)} {'is' if report.checked == 1 else 'are'} as recorded."
    left = {
        "recorded but not searchable": report.missing,
        "not as recorded": report.altered,
        "deleted but still there": report.undeleted,
        "stored but never recorded": report.unexpected,
        "on a record that is damaged": report.damaged,
    }
    counts = {words: sum(not item.repaired for item in items) for words, items in left.items()}
    parts = [
        f"{counted(count, 'memory')} {'is' if count == 1 else 'are'} {words}"
        for words, count in counts.items()
        if count
    ]
    remedy = f"repair with `{_REPAIR}`"
    if counts["stored but never recorded"] == sum(counts.values()):
        remedy = f"record or delete them with `{_REPAIR} --unexpected adopt` or `remove`"
    elif counts["on a record that is damaged"] == sum(counts.values()):
        remedy = f"`{_REPAIR}` rewrites what the store still has; restore the rest from a backup"
    return f"{repaired}{', '.join(parts)}; {remedy}."


def _differences(report: AuditReport) -> list[str]:
    return [
        f"{'repaired' if item.repaired else kind:<10}  {one_line(item.user_id or 'nobody')}  "
        f"{one_line(item.id)}  {one_line(item.detail)}"
        + (f": {one_line(item.memory)}" if item.memory else "")
        for kind in ("damaged", "missing", "altered", "undeleted", "unexpected")
        for item in getattr(report, kind)
    ]
