"""Steps 3 and 4: how far the run is, what it did, and the receipt."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from memory_core.render.text import to_json
from memory_core.transfer import Verification

from ...services.migration import Migrated
from ...ui import tables
from ...ui import text as times
from ...ui import text as words
from ...ui.text import one_line

_SHOWN: Final = 12


def draw(made: Migrated) -> None:
    """Draw the verdict, what was done, the users, and the receipt to download."""
    proof, report = made.proof, made.report
    with st.container(border=True, key="receipt"):
        if proof.verified:
            st.markdown(
                f":green[:material/verified: **All {words.counted(proof.expected, 'memory')} of "
                "the source are here**], compared one by one by id and content."
            )
        else:
            st.markdown(
                f":orange[:material/difference: **{proof.found:,} of "
                f"{words.counted(proof.expected, 'memory')} are here as in the source**]; "
                f"{proof.differing:,} differ, {proof.failed:,} could not be copied."
            )
        st.caption(
            f"This run copied {words.counted(report.copied, 'memory')} and left out "
            f"{report.skipped:,}."
        )
        st.caption(times.both(proof.as_of))
        st.download_button(
            "Download the receipt",
            lambda: to_json(made.receipt),
            file_name=f"migration-{proof.as_of:%Y%m%dT%H%M%SZ}.json",
            mime="application/json",
            icon=":material/download:",
        )
    _draw_users(proof)
    if proof.differences:
        st.subheader("Not as in the source", anchor=False)
        for one in proof.differences[:_SHOWN]:
            st.text(one_line(f"{one.user_id}  {one.id or ''}: {one.detail}", 300))


def _draw_users(proof: Verification) -> None:
    if not proof.users:
        return
    st.dataframe(
        pd.DataFrame(
            {
                "User": [one_line(one.user_id, 100) for one in proof.users],
                "Has to be here": [one.expected for one in proof.users],
                "Is here": [one.found for one in proof.users],
                "Left out": [one.left_out for one in proof.users],
                "The same": [one.expected_digest == one.found_digest for one in proof.users],
            }
        ),
        hide_index=True,
        height=tables.whole_height(len(proof.users), _SHOWN),
        alt="Every user of the source, what has to be here, and what is",
    )
