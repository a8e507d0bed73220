"""Messages: errors and refusals as people read them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import streamlit as st

from memory_core.errors import MemoryCoreError

from ..auth import visitor
from ..auth.roles import Role
from ..connection import Trouble
from .text import sentence, show

_HEADLINES: Final = {
    "SettingsError": "A setting is missing or wrong",
    "InvalidUserId": "This user id cannot be used",
    "InvalidLog": "This cannot be read as a log",
    "InvalidMemory": "This text cannot be stored",
    "InvalidMove": "These memories cannot be moved",
    "MigrationError": "This cannot be migrated",
    "MemoryNotFound": "This memory no longer exists",
    "NotIndexed": "Recorded, but not searchable yet",
    "BackendError": "The storage cannot be used as it is configured",
    "BackendUnavailable": "The storage is busy or did not answer; try again later",
    "AccessDenied": "The storage refused access",
    "IndexMismatch": "The index does not fit these memories",
    "IndexDamaged": "The files of the index are damaged; memories are safe on record",
    "LedgerCorrupt": "An entry of the record cannot be read",
    "InvalidReceipt": "This receipt cannot be used",
    "RedeployTestFailed": "The test itself could not be completed",
    "NotAllowed": "Your role does not allow this",
    "SignedOut": "You are signed out",
    "TooBusy": "Too much is waiting already",
    "Unexpected": "Something went wrong on our side",
}


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Show errors of Holdfast as sentences; let all others pass."""
    try:
        yield
    except MemoryCoreError as error:
        show_trouble(Trouble.of(error))


def show_trouble(trouble: Trouble) -> None:
    """Draw an error: its headline, then its sentence as plain text."""
    with st.container(gap="small"):
        st.error(headline(trouble), icon=":material/error:")
        show(sentence(trouble.sentence))


def headline(trouble: Trouble) -> str:
    """Return the constant headline for this kind of error."""
    return _HEADLINES.get(trouble.kind, "This could not be done")


def draw_unless(role: Role) -> bool:
    """Return whether the visitor has the role; if not, draw whom to ask."""
    if visitor.may(role):
        return True
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(":gray[:material/lock:]", width="content")
        st.caption(f"Ask {role.with_article}: your role does not allow this.")
    return False
