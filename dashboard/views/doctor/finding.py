"""One finding: what, why it matters, by what it is known, and what to do."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from dashboard.ui import actions, tables
from dashboard.ui.text import one_line, sentence, show
from memory_core.doctor import Evidence, Finding, FindingKind, Fix, Level
from memory_core.render.diagnosis import finding_text

from ...services import diagnosis

# Per level: colour and icon, as constant Markdown.
MARKS: Final = {
    Level.ERROR: ("red", ":material/error:"),
    Level.WARNING: ("orange", ":material/warning:"),
    Level.INFO: ("blue", ":material/info:"),
    Level.OK: ("green", ":material/check_circle:"),
}
_ROWS: Final = 4


def draw(one: Finding, number: int) -> None:
    """Draw a finding as a card; `number` tells it from others of its kind."""
    key = f"{one.id.replace('.', '-')}-{number}"
    with st.container(border=True, key=f"finding-{key}", gap="small"):
        _draw_head(one.level, one.title, one.id)
        show(one.detail)
        if one.level.rank > Level.INFO.rank:
            _draw_consequence(one.consequence)
        _draw_evidence(one.evidence, key)
        draw_fixes(one.fixes)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if one.check:
                st.button(
                    "Run this check again",
                    key=f"doctor.again.{key}",
                    type="tertiary",
                    icon=":material/refresh:",
                    disabled=not diagnosis.can_start(),
                    on_click=start_check,
                    args=(one.check,),
                )
            copied = st.popover(
                "Copy as text",
                key=f"doctor.copy.{key}",
                type="tertiary",
                icon=":material/content_copy:",
                on_change="rerun",
            )
            if copied.open:
                copied.code(finding_text(one), language=None, wrap_lines=True)


def start_check(name: str) -> None:
    """Start one check, by its name or that of a finding. For callbacks."""
    actions.action("doctor").do(lambda: diagnosis.start(only=(name,)))


def draw_kind(kind: FindingKind) -> None:
    """Draw what is known of a kind of finding that was not looked for."""
    _draw_head(kind.level, kind.title, kind.id)
    _draw_consequence(kind.consequence)
    draw_fixes(kind.fixes)


def draw_fixes(fixes: tuple[Fix, ...]) -> None:
    """Draw what to do, and what can be copied of it."""
    if not fixes:
        return
    with st.container(gap="xsmall"):
        st.caption("What to do")
        for fix in fixes:
            see = f" See {fix.link}." if fix.link else ""
            show(f"{sentence(fix.text)}{see}")
            if copied := fix.command or fix.variable:
                # A code block has a button that copies it.
                st.code(one_line(copied, 400), language=None, wrap_lines=True)


def _draw_head(level: Level, title: str, finding_id: str) -> None:
    colour, icon = MARKS[level]
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(f":{colour}[{icon}]", width="content")
        st.markdown(f"**{title}**", width="stretch")
        st.caption(finding_id, width="content")


def _draw_consequence(text: str) -> None:
    with st.container(gap=None):
        st.caption("For the customer")
        show(text)


def _draw_evidence(evidence: tuple[Evidence, ...], key: str) -> None:
    if evidence:
        with st.container(gap=None):
            st.caption("How it is known")
            for piece in evidence[:_ROWS]:
                source = f" ({one_line(piece.source, 60)})" if piece.source else ""
                show(f"{one_line(piece.name, 60)}: {one_line(piece.value, 300)}{source}")
    if len(evidence) > _ROWS:
        more = st.expander(
            f"All {len(evidence)} pieces of evidence",
            key=f"doctor.evidence.{key}",
            on_change="rerun",
            type="compact",
        )
        if more.open:
            more.dataframe(
                pd.DataFrame(
                    {
                        "What": [one_line(piece.name) for piece in evidence],
                        "Value": [one_line(piece.value, 300) for piece in evidence],
                        "From": [one_line(piece.source) for piece in evidence],
                    }
                ),
                hide_index=True,
                height=tables.whole_height(len(evidence), 12),
                alt="The evidence with where each piece comes from",
            )
