"""All memories of a user in a table, the one that the address names in detail beside it."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.records import MemoryRecord
from memory_core.model.user_id import UserId

from ...auth.roles import Role
from ...auth.visitor import may
from ...services import memory_calls, privacy
from ...ui import tables
from .. import widgets
from . import bulk_change, choose, detail

PAGE: Final = 20
_TIME_PX: Final = 120
_BESIDE_DETAIL_PX: Final = 300
_SHOWN: Final = "browse.shown"
_REVEAL: Final = "browse.reveal"
_START: Final = "browse.start"
_RESET: Final = "browse.reset"
_ORDERS: Final[dict[str, tuple[Callable[[MemoryRecord], Any], bool]]] = {
    "Newest first": (lambda record: record.created_at, True),
    "Oldest first": (lambda record: record.created_at, False),
    "Changed last": (lambda record: record.updated_at, True),
    "A to Z": (lambda record: record.memory.casefold(), False),
    "Longest first": (lambda record: len(record.memory), True),
}


def select(memory_id: str) -> None:
    """Open the details of this memory. For callbacks."""
    user = st.query_params["user"]
    st.query_params.from_dict({"user": user, "view": "Memories", detail.MEMORY: memory_id})
    st.session_state[_REVEAL] = st.session_state.get(_REVEAL, 0) + 1
    st.session_state.pop(_START, None)


def draw(user_id: UserId) -> None:
    """Draw the table, and the selected memory beside it."""
    with st.skeleton(height=320):
        records = memory_calls.memories(user_id)
    detail.draw_outcome()
    bulk_change.draw(user_id)
    if not records:
        st.markdown("**No memories yet.**")
        return
    if not privacy.reads_all():
        st.caption("Texts are hidden; select a memory to reveal it, with a reason.")
    memory_id = st.query_params.get(detail.MEMORY)
    if st.session_state.get(_SHOWN) != memory_id:
        # Back or a link has changed it, so that the table's selection is outdated.
        st.session_state[_SHOWN] = memory_id
        st.session_state[_RESET] = st.session_state.get(_RESET, 0) + 1
    selected = next((record for record in records if record.id == memory_id), None)
    if selected is None:
        if memory_id:
            st.warning("This memory no longer exists.", icon=":material/search_off:")
        _draw_table(user_id, records, None)
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _draw_table(user_id, records, selected)
    with right:
        detail.draw(selected)


def _draw_table(
    user_id: UserId, records: list[MemoryRecord], selected: MemoryRecord | None
) -> None:
    where = choose.draw_filters(user_id)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    order = left.selectbox("Order", list(_ORDERS), key="browse.order", persist_state="page")
    several = may(Role.OPERATOR) and right.toggle("Choose several", key="browse.several")
    kept = [*filter(where.matches, records)]
    key, descending = _ORDERS[order]
    kept.sort(key=key, reverse=descending)
    if several and kept:
        choose.draw_chosen(user_id, kept)
        return
    pages = max(1, -(-len(kept) // PAGE))
    slot = st.container()
    number = _draw_pages(pages, kept, selected)
    shown = kept[(number - 1) * PAGE : number * PAGE]
    with slot:
        st.caption(_count(len(kept), len(records), shown, number))
        if shown:
            _draw_rows(shown, selected)


def _draw_pages(pages: int, kept: list[MemoryRecord], selected: MemoryRecord | None) -> int:
    """Draw the page numbers and return the current page; `select` turns to its memory's page."""
    if pages == 1:
        return 1
    if _START not in st.session_state:
        place = kept.index(selected) if selected in kept else 0
        st.session_state[_START] = place // PAGE + 1
    return st.pagination(
        pages,
        default=min(st.session_state[_START], pages),
        key=f"browse.page.{st.session_state.get(_REVEAL, 0)}",
    )


def _draw_rows(shown: list[MemoryRecord], selected: MemoryRecord | None) -> None:
    ids = [record.id for record in shown]
    # A selection is a position: other rows, or closed details, need a table with a new key.
    key = f"browse.table.{st.session_state.get(_RESET, 0)}.{hash(tuple(ids))}"
    rows = [ids.index(selected.id)] if selected and selected.id in ids else []
    st.dataframe(
        tables.memory_frame(shown),
        key=key,
        hide_index=True,
        row_height=tables.ROW_PX,
        placeholder="",
        on_select=lambda: _pick(key, ids),
        selection_mode=tables.CLICKS,
        selection_default={"selection": {"rows": rows}},
        height=tables.HEADER_PX + tables.ROW_PX * len(shown),
        alt="Memories of this user, one per row",
        column_config={
            "Memory": st.column_config.TextColumn(width=_BESIDE_DETAIL_PX if selected else None),
            "Saved": {**widgets.AGO, "width": _TIME_PX},
            "Changed": {**widgets.AGO, "width": _TIME_PX},
        },
    )


def _pick(key: str, ids: list[str]) -> None:
    row = widgets.selected_row(key, len(ids))
    st.session_state[_SHOWN] = None if row is None else ids[row]
    if row is None:
        st.query_params.pop(detail.MEMORY, None)
    else:
        st.query_params[detail.MEMORY] = ids[row]


def _count(kept: int, total: int, shown: list[MemoryRecord], number: int) -> str:
    first = (number - 1) * PAGE + 1
    part = f"{first:,} to {first + len(shown) - 1:,} of " if len(shown) < kept else ""
    if kept == total:
        return f"{part}{counted(total, 'memory')}, complete. Click one to see it in full."
    return f"{part}{kept:,} of {counted(total, 'memory')} that match the filter"
