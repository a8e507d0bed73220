"""Tables: data frames with short, cleaned cells."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from memory_core.memories.log_lines import LogLine
from memory_core.model.counting import counted
from memory_core.model.records import Event, Kind, MemoryRecord, UserSummary
from memory_core.model.user_id import UserId

from .text import day, expiry, one_line

CELL = 200
CLICKS: Final = ("single-row", "single-cell")
"""Selection modes that together make a whole row react to a click."""
HEADER_PX = 38
ROW_PX = 35
_WHOLE_UP_TO = 1_000
_PER_PAGE = 500
KIND_WORDS: Final = {
    Kind.ADD: "Saved",
    Kind.UPDATE: "Changed",
    Kind.DELETE: "Deleted",
    Kind.FORGET: "Forgotten",
    Kind.RESTORE: "Brought back",
}


def memory_frame(records: Sequence[MemoryRecord]) -> pd.DataFrame:
    """Return one row per memory, in the order given."""
    columns: dict[str, list[Any]] = {
        "Memory": [one_line(record.memory, CELL) for record in records],
        "Saved": [record.created_at for record in records],
    }
    changed = [
        record.updated_at if record.updated_at > record.created_at else None for record in records
    ]
    if any(changed):
        columns["Changed"] = changed
    if any(record.expires for record in records):
        columns["Expires"] = [expiry(record) for record in records]
    return pd.DataFrame(columns)


def user_frame(users: Sequence[UserSummary]) -> pd.DataFrame:
    """Return one row per user, in the order given."""
    return pd.DataFrame(
        {
            "User": [one_line(user.user_id, CELL) for user in users],
            "Memories": [user.memories for user in users],
            "First write": [user.first_write for user in users],
            "Last write": [user.last_write for user in users],
            "Activity": [user.activity for user in users],
        }
    )


def pick_user(users: Sequence[UserSummary], key: str, at_most: int = 12) -> UserId | None:
    """Draw a table of users, beyond 1,000 page by page, and return the selected one."""
    if (count := len(users)) > _WHOLE_UP_TO:
        page = st.pagination(-(-count // _PER_PAGE), key=f"{key}.page")
        first = (page - 1) * _PER_PAGE
        users = users[first : first + _PER_PAGE]
        st.caption(
            f"Users {first + 1:,} to {first + len(users):,} of {count:,}, most memories first; a "
            "click on a heading sorts these."
        )
    picked = st.dataframe(
        user_frame(users),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode=CLICKS,
        height=whole_height(len(users), at_most),
        alt="Users with their number of memories, first and last write and recent activity",
        column_config={
            "First write": st.column_config.DatetimeColumn(format="distance"),
            "Last write": st.column_config.DatetimeColumn(format="distance"),
            "Activity": st.column_config.LineChartColumn(
                help="Memories created, changed or deleted in each of the last 12 weeks", y_min=0
            ),
        },
    )
    row = selected_row(picked.selection, len(users))
    return None if row is None else users[row].user_id


def selected_row(selection: Mapping[str, Any], rows: int) -> int | None:
    """Return the row selected by its checkbox or by a click on any of its cells."""
    clicked = [*selection.get("rows", ()), *(row for row, _ in selection.get("cells", ()))]
    return clicked[-1] if clicked and clicked[-1] < rows else None


def whole_height(rows: int, at_most: int) -> int | Literal["content"]:
    """Return the height of a table that shows all rows, or `at_most` of them: in pixels."""
    return "content" if rows <= at_most else HEADER_PX + ROW_PX * at_most


def event_frame(events: Sequence[Event]) -> pd.DataFrame:
    """Return one row per event, in the order given."""
    expires = [day(event.expires) if event.expires else "" for event in events]
    return pd.DataFrame(
        {
            "What": [_event_word(event) for event in events],
            "When": [event.at for event in events],
            "Text": [one_line(event.memory or "", CELL) for event in events],
            **({"Expires": expires} if any(expires) else {}),
            "User id as sent": [one_line(event.raw_user_id, CELL) for event in events],
        }
    )


def _event_word(event: Event) -> str:
    if event.came_from:
        return f"Came from {one_line(event.came_from, 60)}"
    if event.went_to:
        return f"Went to {one_line(event.went_to, 60)}"
    return KIND_WORDS[event.kind]


def log_text(lines: Sequence[LogLine]) -> str:
    """Return log lines newest first, the known ones marked."""
    return "\n".join(
        f"{line.at:%H:%M:%S} {'✓' if line.known else ' '} {one_line(line.text, 300)}"
        for line in reversed(lines)
    )


def known_sentence(lines: Sequence[LogLine]) -> str:
    """Return a sentence with the number of lines, and of known ones."""
    known = sum(line.known for line in lines)
    return f"{counted(len(lines), 'line')}, newest first; {known:,} marked"
