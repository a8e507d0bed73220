"""The tab Save: text, chat messages or a file."""

from __future__ import annotations

import hashlib
from typing import Final

import streamlit as st

from memory_core.documents import SUPPORTED_SUFFIXES, parse_chat
from memory_core.model.counting import counted
from memory_core.model.limits import MAX_MEMORY_BYTES, MAX_UPLOAD_BYTES

from ...connection import Saved
from ...services import jobs, memory_reads
from ...ui import actions, text
from ...ui.messages import show_trouble
from ...ui.progress import watch
from ...ui.text import one_line, show
from .. import widgets
from .choose_user import Person

_TEXT, _CHAT, _FILE = "Text", "Chat messages", "File"
KINDS: Final = (_TEXT, _CHAT, _FILE)
SHOWN: Final = 5
_CHAT_EXAMPLE: Final = (
    "user: I moved to Lisbon last month.\nassistant: Noted, your new city is Lisbon."
)
_KIND: Final = "save.kind"
_ACTION: Final = "save"
_UPLOAD: Final = "upload"
_FILES: Final = "save.files"


def draw(person: Person) -> None:
    """Draw the form of the chosen kind, then what was stored."""
    if "job" in st.query_params and _KIND not in st.session_state:
        st.session_state[_KIND] = _FILE
    kind = st.radio(
        "What to save",
        KINDS,
        horizontal=True,
        key=_KIND,
        persist_state="page",
        on_change=actions.forget_outcomes,
    )
    if kind == _FILE:
        _draw_file(person)
        return
    action = actions.action(_ACTION)
    if action.outcome and not action.outcome.trouble:
        _empty_once(action.outcome)
    _draw_form(person, action, chat=kind == _CHAT)
    action.run("Saving and reading back…")
    if saved := widgets.outcome(_ACTION):
        with st.container(border=True, key="saved"):
            _draw_saved(saved)


def _draw_form(person: Person, action: actions.Action, *, chat: bool) -> None:
    with st.form("save.form", border=False):
        st.text_area(
            _CHAT if chat else _TEXT,
            key="save.chat" if chat else "save.text",
            height=150,
            placeholder=_CHAT_EXAMPLE if chat else "Prefers e-mail to phone calls.",
        )
        if chat:
            st.caption(
                "One message per line, beginning with `user:` or `assistant:`; or a JSON list of "
                "messages with `role` and `content`."
            )
        _draw_extraction()
        st.form_submit_button(
            "Save",
            type="primary",
            icon=":material/save:",
            disabled=action.busy,
            on_click=_ask,
            args=(person, action, chat),
        )


def _draw_extraction() -> None:
    possible = memory_reads.language_model() is not None
    st.toggle("Extract facts with the language model", key="save.infer", disabled=not possible)
    st.caption(
        "On: the model keeps the facts it finds. Off: stored word for word."
        if possible
        else "Off, because no language model is set: texts are stored word for word. To switch it "
        "on, set `MEMORY_LLM` and restart."
    )


def _ask(person: Person, action: actions.Action, chat: bool) -> None:
    typed = st.session_state["save.chat" if chat else "save.text"]
    infer = bool(st.session_state.get("save.infer")) and memory_reads.language_model() is not None

    def save() -> Saved:
        if chat:
            return memory_reads.save_messages(person.raw, parse_chat(typed), infer=infer)
        return memory_reads.save_text(person.raw, typed, infer=infer)

    action.ask(save, person.id, typed, infer)


def _empty_once(outcome: actions.Outcome) -> None:
    if st.session_state.get("save.emptied") is not outcome:
        st.session_state["save.emptied"] = outcome
        st.session_state["save.text"] = st.session_state["save.chat"] = ""


def _draw_file(person: Person) -> None:
    key = f"save.file.{st.session_state.get(_FILES, 0)}"
    size = MAX_UPLOAD_BYTES // 1024**2
    types = [suffix[1:] for suffix in SUPPORTED_SUFFIXES]
    st.file_uploader("File", type=types, key=key, max_upload_size=size)
    st.caption(
        f"Up to {size} MB. The file is cut into passages of at most "
        f"{MAX_MEMORY_BYTES // 1024} KB, each stored word for word as one memory. Chats exported "
        "from ChatGPT, Claude, Telegram, WhatsApp or Slack become one memory for each message."
    )
    st.button(
        "Save file",
        type="primary",
        icon=":material/upload_file:",
        on_click=_submit,
        args=(person, key),
        disabled=st.session_state.get(key) is None,
    )
    widgets.outcome(_UPLOAD)
    if job_id := st.query_params.get("job"):
        _draw_job(job_id)


def _submit(person: Person, key: str) -> None:
    file = st.session_state.get(key)
    if file is None:
        return
    name, content = file.name, file.getvalue()
    digest = hashlib.sha256(content).hexdigest()

    def submit() -> str:
        return jobs.board().submit(
            lambda progress: memory_reads.save_document(person.raw, name, content, progress),
            subject=name,
            fingerprint=f"{person.id}/{name}/{digest}",
        )

    action = actions.action(_UPLOAD)
    action.do(submit)
    if action.outcome and action.outcome.value:
        st.query_params["job"] = action.outcome.value
        # A new key empties the field.
        st.session_state[_FILES] = st.session_state.get(_FILES, 0) + 1


def _draw_job(job_id: str) -> None:
    job = jobs.board().get(job_id)
    if job is None:
        st.info(
            "This upload is not known here any more; Browse shows what was stored.",
            icon=":material/history:",
        )
        return
    with st.container(border=True, key="job"):
        show(one_line(job.subject))
        if not job.finished:
            watch(job_id, "passage", doing="Reading the file", stop="")
        elif job.trouble:
            show_trouble(job.trouble)
        else:
            _draw_saved(job.result)


def _draw_saved(saved: Saved) -> None:
    st.markdown(_sentence(saved))
    for record in saved.records[:SHOWN]:
        with st.container(gap=None):
            show(record.memory, 300)
            st.caption(f"saved {text.both(record.created_at)}")
            if record.expired:
                st.warning(
                    "It is past its expiry date, so questions do not find it. Browse shows it.",
                    icon=":material/event_busy:",
                )
    if len(saved.records) > SHOWN:
        st.caption(f"and {len(saved.records) - SHOWN:,} more, all of them under Browse")
    if saved.left_out:
        show(f"Left out: {'; '.join(saved.left_out)}")


def _sentence(saved: Saved) -> str:
    known = sum(record.already_stored for record in saved.records)
    new = len(saved.records) - known
    if not saved.records:
        return ":gray[:material/info:] The model found nothing to remember."
    if not new:
        these = "It was" if known == 1 else f"All {known:,} were"
        return f":blue[:material/bookmark_added:] **{these} already stored**; nothing was added."
    checked = "verified" if all(record.verified for record in saved.records) else "not verified"
    also = f"; {known:,} more already stored" if known else ""
    return (
        f":green[:material/check_circle:] **Stored {counted(new, 'memory')}**, {checked}, "
        f"in {saved.ms:,} ms{also}."
    )
