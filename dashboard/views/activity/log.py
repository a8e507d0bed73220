"""The activity log: filters, entries as sentences, their export, and the check of the chain."""

import datetime as dt
from functools import partial
from typing import Final

import streamlit as st

from memory_core.activity import VERBS, ActivityEntry, ChainReport, Page, Wanted
from memory_core.model.counting import counted
from memory_core.render.activity_log import check_sentences, entry_sentence, head_text

from ...auth.roles import Role
from ...auth.visitor import may
from ...services import activity_log, jobs
from ...ui import text
from ...ui.progress import watch
from ...ui.text import one_line, sentence, show
from .. import widgets

_LIMITS: Final = (100, 500, 2_000)
_SHOWN: Final = 16
_CHECK: Final = "activity/check"
_ANYTHING: Final = "Anything"
_ACTIONS: Final = {_ANYTHING: "", **{
    verb.infinitive.format(user="a user", other="another").capitalize(): action
    for action, verb in VERBS.items()
}}  # fmt: skip


def draw() -> None:
    """Draw the filters, the newest entries that match, and the check of the chain."""
    wanted, limit = _draw_filters()
    page = activity_log.page(wanted, limit)
    if page.entries:
        _draw_table(page.entries)
    else:
        _draw_nothing(wanted, page)
    _draw_extent(page)
    if page.entries and may(Role.ADMIN):
        name = f"activity-{dt.datetime.now(dt.UTC):%Y%m%d}"
        with st.container(horizontal=True, gap="small", key="export"):
            for label, kind in (("Export as CSV", "csv"), ("Export as JSON Lines", "jsonl")):
                make = partial(activity_log.export, wanted, kind)
                widgets.download(label, make, f"{name}.{kind}", f"activity.export.{kind}")
    _draw_chain()


def _draw_filters() -> tuple[Wanted, int]:
    """Draw the filters and the number of entries; dates are UTC days, both included."""
    with st.container(horizontal=True, gap="small", key="filters"):
        user = st.text_input(
            "User",
            key="activity.user",
            bind="query-params",
            placeholder="An id in any form",
            max_chars=300,
        )
        who = st.text_input("Who", key="activity.who", placeholder="Part of a name", max_chars=100)
        action = st.selectbox("Action", list(_ACTIONS), key="activity.what")
        first = st.date_input("From", value=None, key="activity.from", format="YYYY-MM-DD")
        last = st.date_input("To", value=None, key="activity.to", format="YYYY-MM-DD")
        limit = st.selectbox("Entries", _LIMITS, key="activity.limit")
    until = last + dt.timedelta(days=1) if last else None
    times = _midnight(first), _midnight(until)
    return Wanted(who.strip(), _ACTIONS[action], user.strip(), *times), limit


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return dt.datetime.combine(day, dt.time(), dt.UTC) if day else None


def _draw_table(entries: tuple[ActivityEntry, ...]) -> None:
    widgets.table(
        {
            "When": [entry.at for entry in entries],
            "What": [one_line(entry_sentence(entry), 400) for entry in entries],
            "From": [one_line(entry.actor.address) for entry in entries],
            "As": [_role(entry) for entry in entries],
        },
        "Who did what, newest first",
        at_most=_SHOWN,
        key="activity.table",
        column_config={
            "When": {**widgets.EXACT, "width": 175},
            "What": st.column_config.TextColumn(width="large"),
            "From": st.column_config.TextColumn(width=115),
            "As": st.column_config.TextColumn(width=100),
        },
    )


def _role(entry: ActivityEntry) -> str:
    actor = entry.actor
    return one_line(actor.role if actor.via == "dashboard" else actor.via)


def _draw_nothing(wanted: Wanted, page: Page) -> None:
    with st.container(border=True, key="empty"):
        if wanted == Wanted() and page.before is None:
            st.header("No activity yet", anchor=False)
            st.markdown("Whatever is done from now on is listed here, such as opening a user.")
        else:
            st.header("No matching entries", anchor=False)
            st.markdown("Remove a filter, or look further back.")


def _draw_extent(page: Page) -> None:
    """Draw how many entries are shown, and whether there are older ones."""
    count = counted(len(page.entries), "entry")
    if page.before is None:
        st.caption(f"{count}, complete, newest first; times are UTC.")
        return
    since = f", back to {text.utc(page.back_to)}" if page.back_to else ""
    st.caption(f"{count}{since}; there are older entries: show more, or narrow the dates.")


def _draw_chain() -> None:
    """Draw the check of the chain of digests, while it runs and with its result."""
    with st.container(key="chain"):
        st.header("Check that the log is unchanged", anchor=False)
        job = jobs.board().latest(_CHECK)
        if job and not job.finished:
            watch(job.id, "segment")
            return
        st.caption(
            "Each part of the log holds the digest of the one before. The check reads all of it "
            "and lists what was removed, changed or inserted. It changes nothing."
        )
        widgets.draw_failure(job, "The last check was cancelled.")
        widgets.button("Check the chain", "activity.check", _start, icon="link")
        if checked := jobs.board().latest(_CHECK, "done"):
            _draw_check(checked.result)


def _start() -> None:
    jobs.board().submit(activity_log.check, subject="Activity log", fingerprint=_CHECK)


def _draw_check(check: ChainReport) -> None:
    with st.container(border=True, key="checked"):
        if check.whole:
            st.markdown(":green[:material/check_circle:] **The chain is whole.**")
        else:
            problems = counted(len(check.problems), "problem")
            st.markdown(f":red[:material/link_off:] **The chain is not whole:** {problems}.")
            for problem in check.problems:
                show(sentence(problem))
        for line in check_sentences(check):
            show(line)
        st.caption(f"As of {text.utc(check.as_of)}. The newest part, to compare with later:")
        st.code(head_text(check), language=None, wrap_lines=True)
