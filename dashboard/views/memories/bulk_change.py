"""A bulk change of memories: its preview to confirm, its progress, its receipt with Undo."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import streamlit as st

from memory_core.model.counting import counted
from memory_core.model.past import Change, ChangeReceipt
from memory_core.model.records import MemoryRecord
from memory_core.model.user_id import UserId

from ...auth.roles import Role
from ...auth.visitor import may
from ...services import time_machine
from ...services.time_machine import BulkChange
from ...ui import actions, text
from ...ui.messages import friendly_errors, show_trouble
from ...ui.progress import watch
from ...ui.tables import CELL
from ...ui.text import one_line
from .. import widgets

_ASKED: Final = "many.asked"
_CLOSED: Final = "many.closed"
_ACTION: Final = "many"
_SHOWN: Final = 10
_DONE: Final = {
    ("restore", "added"): "brought back",
    ("restore", "changed"): "changed back",
    ("restore", "deleted"): "deleted, as saved since",
    ("expire", "changed"): "given the date",
}


def ask(change: BulkChange) -> None:
    """Show what the change would do, to be confirmed. For callbacks."""
    st.session_state[_ASKED] = change


def draw(user_id: UserId) -> None:
    """Draw the change to confirm, the one under way, or the receipt of the last."""
    widgets.outcome(_ACTION)
    job = time_machine.latest(user_id)
    if job and not job.finished:
        watch(job.id, "memory", doing="Changing", stop="")
    elif job and job.id != st.session_state.get(_CLOSED):
        if job.trouble:
            show_trouble(job.trouble)
        elif job.result:
            _draw_receipt(job.id, job.result)
    change = st.session_state.get(_ASKED)
    if change and change.user_id == user_id:
        _confirm(change)


def sentence(receipt: ChangeReceipt) -> str:
    """Return how many memories were changed, or would be, and how; as constant Markdown."""
    kinds = Counter(change.kind for change in receipt.changes)
    words = (
        f"{counted(count, 'memory')} {_DONE.get((receipt.call, kind), 'deleted')}"
        for kind, count in kinds.items()
    )
    failed = f"; {len(receipt.failed):,} not changed" if receipt.failed else ""
    return f"{', '.join(words) or 'Nothing to change'}{failed}"


def frame(changes: Sequence[Change]) -> dict[str, list[str]]:
    """Return the texts before and after, as columns."""
    return {
        "Before": [_cell(change.before) for change in changes],
        "After": [_cell(change.after) for change in changes],
    }


def _cell(record: MemoryRecord | None) -> str:
    expires = f" (expires {text.expiry(record)})" if record and record.expires else ""
    return f"{one_line(record.memory, CELL)}{expires}" if record else ""


def _draw_receipt(job_id: str, receipt: ChangeReceipt) -> None:
    with st.container(border=True, key="many-receipt", gap="small"):
        icon = (
            ":orange[:material/warning:]" if receipt.failed else ":green[:material/check_circle:]"
        )
        read_back = f"; {receipt.verified:,} read back from the index" if receipt.verified else ""
        st.markdown(f"{icon} **{sentence(receipt)}**{read_back}")
        st.caption(text.both(receipt.at))
        _draw_failed(receipt)
        with widgets.row():
            if receipt.changes and may(Role.OPERATOR):
                options = {"at": receipt.before, "where": receipt.undo}
                undo = BulkChange(receipt.user_id, "restore_user", options)
                widgets.button("Undo", "many.undo", ask, undo, icon="undo")
            widgets.button("Close", "many.close", _close, job_id, icon="close", kind="tertiary")


def _draw_failed(receipt: ChangeReceipt) -> None:
    if receipt.failed:
        columns = {
            "Not changed": [memory_id for memory_id, _ in receipt.failed],
            "Why": [one_line(reason, 300) for _, reason in receipt.failed],
        }
        widgets.table(columns, "Memories that were not changed, and why", at_most=_SHOWN)


@st.dialog("Change these memories", icon=":material/checklist:", width="medium",
           on_dismiss=lambda: _stop_asking())  # fmt: skip
def _confirm(change: BulkChange) -> None:
    if st.session_state.get(_ASKED) != change:
        st.rerun()
    with friendly_errors():
        preview = time_machine.preview(change)
        st.markdown(f"Preview: **{sentence(preview)}**. The receipt can undo it.")
        if preview.changes:
            widgets.table(frame(preview.changes), "Each memory before and after", at_most=_SHOWN)
        _draw_failed(preview)
        with st.container(horizontal=True, gap="small"):
            if preview.changes:
                verb = "Delete" if change.options.get("delete") else "Change"
                label = f":red[{verb} {counted(len(preview.changes), 'memory')}]"
                widgets.button(label, "many.do", _start, change)
            widgets.button("Keep as it is", "many.leave", _stop_asking)


def _start(change: BulkChange) -> None:
    _stop_asking()
    actions.action(_ACTION).do(lambda: time_machine.start(change))


def _stop_asking() -> None:
    st.session_state.pop(_ASKED, None)


def _close(job_id: str) -> None:
    st.session_state[_CLOSED] = job_id
