"""The state of the storage, as JSON and as text."""

from typing import Any

from ..model.census import scope
from ..model.counting import counted
from ..model.encoder import encode
from ..model.records import MigrationStatus, Status
from ..model.server_card import ServerCard
from .text import fields, one_line, printable, table, utc


def status_document(status: Status) -> dict[str, Any]:
    migration = {**encode(status.migration), "rate": round(status.migration.rate, 1)}
    return {
        **fields(status, "backend persistent reason steps"),
        "embedder": {"name": status.embedder, "dimensions": status.dimensions},
        **fields(status, "location memories users since last_write as_of stand_in server"),
        "card": encode(status.card),
        "left_out": list(status.left_out),
        "damaged": list(status.damaged),
        "migration": migration,
        **fields(status, "missing_extras"),
    }


def status_text(status: Status) -> str:
    """Return the status; the local disk is mentioned only if it holds memories."""
    word = "Persistent" if status.persistent else "Temporary"
    marks = (">>" if step.deciding else "ok" if step.ok else "--" for step in status.steps)
    embedder = f"{status.embedder}, {counted(status.dimensions, 'dimension')}"
    rows = [
        ("embedder", embedder),
        *((key, printable(val)) for key, val in status.location.items()),
    ]
    total = f"{counted(status.memories, 'memory')} of {counted(status.users, 'user')}"
    whole = scope(status.left_out, status.damaged)
    return "\n".join(
        [
            f"{word}: {printable(status.reason)}.",
            "",
            *(
                f"  {mark}  {step.name}: {printable(step.detail)}"
                for mark, step in zip(marks, status.steps, strict=True)
            ),
            "",
            *table(rows),
            "",
            *card_lines(status.card),
            total
            + (f", {one_line(whole)}" if whole != "complete" else "")
            + (f", last write {utc(status.last_write)}" if status.last_write else ""),
            *_migration_lines(status.migration),
            *(f"not installed: {sentence}" for sentence in status.missing_extras.values()),
        ]
    )


def card_lines(card: ServerCard | None) -> list[str]:
    """Return what a server in Amazon's place cannot do, what is done instead, what is lost."""
    if card is None:
        return []
    lines = [f"{printable(card.sentence)} (tried {utc(card.taken_at)}):"]
    for lacking in card.lacking:
        detail = f": {one_line(lacking.detail)}" if lacking.detail else ""
        lines.append(f"  {lacking.answer:<7}  {lacking.title}{detail}")
        lines += [f"           instead: {text}" for text in [lacking.instead] if text]
        lines += [f"           lost: {text}" for text in [lacking.lost] if text]
    return [*lines, ""]


def migration_sentence(status: MigrationStatus) -> str:
    """Return the progress of the migration from the local disk, empty if there is none."""
    steps = f"{status.done:,} of {counted(status.total, 'memory')}"
    return {
        "none": "",
        "off": "Automatic migration from the local disk is off (MEMORY_AUTO_MIGRATE=0).",
        "waiting": "Migration from the local disk is about to begin.",
        "running": f"Migrating from the local disk: {steps}.",
        "elsewhere": f"Another process is migrating from the local disk: {steps}.",
        "done": f"The memories of the local disk are here; {status.copied:,} copied.",
        "incomplete": "The memories of the local disk are here, except those that need a decision "
        f"({status.failed:,}): plan it on the page Migrate.",
        "failed": "Migration from the local disk failed.",
        "stopped": "Migration from the local disk was stopped; the next start continues it.",
    }[status.state]


def _migration_lines(status: MigrationStatus) -> list[str]:
    ended = f" ({utc(status.finished_at)})" if status.finished_at else ""
    lines = [f"{migration_sentence(status)}{ended}", one_line(status.message)]
    return [line for line in lines if line] if status.state != "none" else []
