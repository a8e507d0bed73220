"""Saving for a user: text, chat messages or a file."""

import hashlib
from typing import Final

import streamlit as st

from memory_core.documents import SUPPORTED_SUFFIXES, parse_chat
from memory_core.model.counting import counted
from memory_core.model.limits import MAX_MEMORY_BYTES, MAX_UPLOAD_BYTES
from memory_core.model.records import SavedMemories
from memory_core.model.user_id import UserId

from ...connection import Timed
from ...services import jobs, memory_calls
from ...ui import actions, text
from ...ui.messages import show_trouble
from ...ui.progress import watch
from ...ui.text import one_line, show
from .. import widgets

_TEXT, _CHAT, _FILE = "Text", "Chat messages", "File"
KINDS: Final = (_TEXT, _CHAT, _FILE)
SHOWN: Final = 5
_CHAT_EXAMPLE: Final = (
    "user: I moved to Lisbon last month.\nassistant: Noted, your new city is Lisbon."
)
_DRAFTS: Final = ("save.text", "save.chat")
_KIND: Final = "save.kind"
_ACTION: Final = "save"
_UPLOAD: Final = "upload"
_FILES: Final = "save.files"


def draw(user_id: UserId, raw: str) -> None:
    """Draw what was stored, and the fields of the chosen kind, folded until they are needed."""
    wanted = "new" in st.query_params or st.query_params.get("tab") == "Save"
    drafted = any(st.session_state.get(name) for name in _DRAFTS)
    if saved := widgets.outcome(_ACTION):
        with st.container(border=True, key="saved"):
            _draw_saved(saved)
    with st.expander(
        "Save a memory",
        expanded=bool(wanted or drafted or "job" in st.query_params or saved),
        icon=":material/add:",
    ):
        _draw_kinds(user_id, raw)


def keep_drafts(user_id: UserId) -> None:
    """Put away the drafts and outcomes of the previous user, and restore the drafts of this one."""
    kept = st.session_state.setdefault("save.drafts", {})
    before = st.session_state.get("save.for")
    if before == user_id:
        return
    if before:
        kept[before] = {name: st.session_state.get(name, "") for name in _DRAFTS}
        actions.forget_outcomes()
        st.query_params.pop("job", None)
    st.session_state["save.for"] = user_id
    st.session_state.update(kept.pop(user_id, dict.fromkeys(_DRAFTS, "")))


def _draw_kinds(user_id: UserId, raw: str) -> None:
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
        _draw_file(user_id, raw)
        return
    action = actions.action(_ACTION)
    done = action.outcome
    if done and not done.trouble and st.session_state.get("save.emptied") is not done:
        st.session_state["save.emptied"] = done
        st.session_state.update(dict.fromkeys(_DRAFTS, ""))
    _draw_fields(user_id, raw, action, chat=kind == _CHAT)
    action.run("Saving and reading back…")


def _draw_fields(user_id: UserId, raw: str, action: actions.Action, *, chat: bool) -> None:
    # Not a form, which would lose what was typed when another tab or page is opened.
    st.text_area(
        _CHAT if chat else _TEXT,
        key=_DRAFTS[chat],
        height=150,
        placeholder=_CHAT_EXAMPLE if chat else "Prefers e-mail to phone calls.",
        persist_state="session",
    )
    if chat:
        st.caption(
            "One message per line, beginning with `user:` or `assistant:`; or a JSON list of "
            "messages with `role` and `content`."
        )
    _draw_extraction()
    st.button(
        "Save",
        type="primary",
        icon=":material/save:",
        disabled=action.busy,
        shortcut="Ctrl+Enter",
        on_click=_ask,
        args=(user_id, raw, action, chat),
    )


def _draw_extraction() -> None:
    possible = memory_calls.settings().llm is not None
    st.toggle("Extract facts with the language model", key="save.infer", disabled=not possible)
    st.caption(
        "On: the model keeps the facts it finds. Off: stored word for word."
        if possible
        else "Off, because no language model is set: texts are stored word for word. To switch it "
        "on, set `MEMORY_LLM` and restart."
    )


def _ask(user_id: UserId, raw: str, action: actions.Action, chat: bool) -> None:
    typed = st.session_state[_DRAFTS[chat]]
    infer = bool(st.session_state.get("save.infer")) and memory_calls.settings().llm is not None

    def save() -> Timed[SavedMemories]:
        if chat:
            return memory_calls.save_messages(raw, parse_chat(typed), infer=infer)
        return memory_calls.save_text(raw, typed, infer=infer)

    action.ask(save, user_id, typed, infer)


def _draw_file(user_id: UserId, raw: str) -> None:
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
        args=(user_id, raw, key),
        disabled=st.session_state.get(key) is None,
    )
    widgets.outcome(_UPLOAD)
    if job_id := st.query_params.get("job"):
        _draw_job(job_id)


def _submit(user_id: UserId, raw: str, key: str) -> None:
    file = st.session_state.get(key)
    if file is None:
        return
    name, content = file.name, file.getvalue()
    digest = hashlib.sha256(content).hexdigest()

    def submit() -> str:
        return jobs.board().submit(
            lambda progress: memory_calls.save_document(raw, name, content, progress),
            subject=name,
            fingerprint=f"{user_id}/{name}/{digest}",
        )

    if job_id := actions.action(_UPLOAD).do(submit):
        st.query_params["job"] = job_id
        # A new key empties the field.
        st.session_state[_FILES] = st.session_state.get(_FILES, 0) + 1


def _draw_job(job_id: str) -> None:
    job = jobs.board().get(job_id)
    if job is None:
        st.info(
            "This upload is no longer known here; the list shows what was stored.",
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


def _draw_saved(saved: Timed[SavedMemories]) -> None:
    records = saved.result
    _draw_sentence(records, saved.ms)
    for record in records[:SHOWN]:
        with st.container(gap=None):
            show(record.memory, 300)
            st.caption(f"saved {text.both(record.created_at)}")
            if record.expired:
                st.warning(
                    "It is past its expiry date, so questions do not find it. The list shows it.",
                    icon=":material/event_busy:",
                )
    if len(records) > SHOWN:
        st.caption(f"and {len(records) - SHOWN:,} more, all of them in the list")
    if records.left_out:
        show(f"Left out: {'; '.join(records.left_out)}")


def _draw_sentence(records: SavedMemories, ms: int) -> None:
    known = sum(record.already_stored for record in records)
    new = len(records) - known
    if not records:
        st.info("The model found nothing to remember.", icon=":material/info:")
    elif not new:
        these = "It was" if known == 1 else f"All {known:,} were"
        st.info(f"**{these} already stored**; nothing was added.", icon=":material/bookmark_added:")
    else:
        checked = "verified" if all(record.verified for record in records) else "not verified"
        also = f"; {known:,} more already stored" if known else ""
        st.success(
            f"**Stored {counted(new, 'memory')}**, {checked}, in {ms:,} ms{also}.",
            icon=":material/check_circle:",
        )
