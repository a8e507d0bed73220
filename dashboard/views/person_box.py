"""The box that finds a person: who is meant, who is similar, what to do next.

It takes an id in any form, `Name <address>`, a name, a domain, a memory's id, or words of a memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import streamlit as st

from memory_core.model.census import CloseUser, ComparedUser, UserSearch
from memory_core.model.counting import counted
from memory_core.model.user_id import UserId
from memory_core.render.text import visible, visible_id
from memory_core.render.user_tables import search_sentence

from .. import routes
from ..auth.roles import Role
from ..auth.visitor import may
from ..services import memory_calls, privacy, user_actions
from ..ui import tables, text
from ..ui.actions import wanted
from ..ui.messages import draw_unless, friendly_errors, show_trouble
from ..ui.progress import watch
from ..ui.text import draw_changes, one_line, sentence, show
from . import widgets

_AT_ONCE: Final = 8
_LEFT_SHOWN: Final = 12
_SAMPLES: Final = 2


def draw(key: str, *, opens: bool = False, into: UserId | None = None, **options: Any) -> bool:
    """Draw the field and the answer to its text; return whether there is a text.

    Args:
        opens: open a user at once if their exact id is typed and they have memories.
        into: the user to merge others into; if None, the user meant, or the likeliest.
        options: further options of the field, such as `bind`.
    """
    if st.session_state.pop(f"{key}.empty", False):
        st.session_state[key] = ""
    asked = st.text_input(
        "Find a person",
        key=key,
        type="search",
        persist_state=None if options else "session",
        placeholder="Any id, a name, a memory's id, or a word they said",
        icon=":material/person_search:",
        max_chars=300,
        **options,
    )
    if not asked:
        return False
    with friendly_errors():
        answer = user_actions.find(asked)
        if not answer.answered and may(Role.OPERATOR) and _texts_wanted(key, asked):
            answer = replace(answer, mentions=user_actions.mentions(asked))
        # The field is emptied once a user is chosen, so that the text does not stay above them.
        st.session_state[f"{key}.empties"] = opens or into is not None
        if opens and answer.user and answer.user.memories:
            # Keeps the view, so that somebody asking questions goes on with the next person.
            _open(key, answer.user.user_id, view=st.query_params.get("view", ""))
        _draw_answer(key, asked, answer, into)
    return True


def draw_similar(
    key: str, similar: Sequence[CloseUser], into: UserId | None, first: int = 0
) -> None:
    """Draw the likeliest of similar users, with counts and texts, numbered from `first`."""
    for number, close in enumerate(similar[:_AT_ONCE], first):
        _draw_user(key, number, close, into)
    if (others := len(similar) - _AT_ONCE) > 0:
        st.caption(f"And {others:,} more; type more of the id or the name to see them.")


def draw_samples(user_id: UserId) -> None:
    """Draw the newest texts of a user, for those who may read them."""
    for record in memory_calls.memories(user_id)[:_SAMPLES] if privacy.reads_all() else ():
        st.text(f"“{one_line(record.memory, 160)}”", width="stretch")


def _draw_answer(key: str, asked: str, answer: UserSearch, into: UserId | None) -> None:
    with st.container(border=True, key="answer"):
        st.text(search_sentence(answer), width="stretch")
        if answer.user_id is None:
            show(sentence(answer.problem))
        else:
            _draw_meant(key, asked, answer, answer.user_id, into)
    for memory in answer.memories:
        with widgets.row():
            state = "is a memory of" if memory.live else "was a memory, deleted since, of"
            st.text(f"{memory.id} {state} {one_line(memory.user_id)}")
            if memory.live and _button(key, "Open", f"memory.{memory.user_id}"):
                _open(key, memory.user_id, memory=memory.id)
    for mention in (answer.mentions or ())[:_AT_ONCE]:
        with widgets.row():
            st.text(f"{visible(mention.user_id)}  ·  {counted(mention.memories, 'memory')}")
            if _button(key, "Open", f"mention.{mention.user_id}"):
                _open(key, mention.user_id, view="Ask", q=asked)
    if answer.close:
        others = [close for close in answer.close if close.user_id not in answer.named]
        named = [close for close in answer.close if close not in others]
        draw_similar(key, named, into or _likeliest(answer))
        if others:
            st.header("Similar ids", anchor=False)
            draw_similar(key, others, into or _likeliest(answer), len(named))
            st.caption("Whether two ids are one person is for you to decide.")
    if answer.elsewhere:
        with st.container(border=True, key="elsewhere"):
            st.markdown(":orange[:material/call_split:] **Only in another place**")
            for place, user in answer.elsewhere:
                missing = counted(user.missing, "memory")
                show(one_line(f"{visible(user.user_id or '')}: {missing} in {place.where}", 400))
    _draw_depth(key, answer)
    if answer.placeholders and not answer.named:
        st.header("Under a placeholder id", anchor=False)
        st.markdown(
            "Programs write such ids for unknown users; memories of several people may be mixed."
        )
        if chosen := tables.pick_user(answer.placeholders, f"{key}.placeholders"):
            _open(key, chosen)


def _texts_wanted(key: str, asked: str) -> bool:
    """Return whether to search all texts: at once, or once a button is pressed if they are many."""
    memories = memory_calls.census().memories
    return memories <= memory_calls.COUNTED_UP_TO or wanted(
        f"Search the texts of {counted(memories, 'memory')}", f"{key}.texts", asked
    )


def _likeliest(answer: UserSearch) -> UserId:
    """Return the user to merge others into: the one meant, or else the one with most memories."""
    if answer.user:
        return answer.user.user_id
    largest = max(answer.close, key=lambda close: close.user.memories if close.user else 0)
    return largest.user_id


def _draw_meant(
    key: str, asked: str, answer: UserSearch, user_id: UserId, into: UserId | None
) -> None:
    """Draw what is known of the typed id, and what can be done with it."""
    if answer.user:
        st.caption(
            f"Last write {text.ago(answer.user.last_write)}. "
            "The assistant looks here and nowhere else."
        )
        draw_samples(user_id)
    if not answer.named:
        draw_changes(answer.changes)
    if not _draw_recovery(answer, user_id) and answer.stored:
        _draw_stored(answer.stored)
    someone = answer.user or answer.stored or answer.named or answer.mentions
    new = not someone and may(Role.OPERATOR)
    with widgets.row():
        if answer.user and _button(key, "Open", "asked"):
            _open(key, user_id)
        if new and _button(key, "Save under this new id", "new", icon="person_add"):
            _open(key, asked, new="1")
        if answer.user:
            _draw_merge(key, "merge", user_id, into)


def _draw_user(key: str, number: int, close: CloseUser, into: UserId | None) -> None:
    memories = close.user.memories if close.user else 0
    with st.container(border=True, gap="small", key=f"similar-{number}"):
        with widgets.row():
            st.text(f"{visible(close.user_id)}  ·  {counted(memories, 'memory')}")
            st.caption("; ".join(close.reasons), width="content")
            if _button(key, "Open", f"open.{number}"):
                _open(key, close.user_id)
            if memories:
                _draw_merge(key, f"merge.{number}", close.user_id, into)
        draw_samples(close.user_id)


def _draw_merge(key: str, name: str, former: UserId, into: UserId | None) -> None:
    """Draw the button that leads to the merge of one user into another, for an admin."""
    if not into or into == former or not may(Role.ADMIN):
        return
    if _button(key, "Merge", name, icon="merge"):
        _open(key, into, view="Similar ids", former=former)


def _draw_stored(user: ComparedUser) -> None:
    """Draw what the store holds for the user, form by form."""
    st.caption(
        f"In storage: {user.stored:,}, of which {user.unexpected:,} not registered (orphans); "
        f"{user.missing:,} on record and missing."
    )
    for form in user.forms:
        if not form.canonical:
            verb = "is" if form.vectors == 1 else "are"
            st.text(f"{form.vectors:,} {verb} stored under {visible_id(form.raw)}")


def _draw_recovery(answer: UserSearch, user_id: UserId) -> bool:
    """Draw the recovery of orphans and its result; return whether it is newer than the scan."""
    job = user_actions.adoption(user_id)
    if job and not job.finished:
        watch(job.id, "memory")
    elif job and job.trouble:
        show_trouble(job.trouble)
    elif job and job.result and answer.scan and job.result.at > answer.scan.as_of:
        recovered = job.result
        left = counted(len(recovered.left), "memory")
        st.success(
            f"Recovered {counted(recovered.taken, 'memory')}, not recovered: {left}.",
            icon=":material/check_circle:",
        )
        for item in recovered.left[:_LEFT_SHOWN]:
            show(f"{item.id}: {item.detail}")
        return True
    elif answer.stored and answer.stored.unexpected and draw_unless(Role.OPERATOR):
        with st.popover("Recover", icon=":material/move_to_inbox:"):
            st.markdown(
                f"{counted(answer.stored.unexpected, 'orphan')} in storage, under this id or one "
                "that differs in case, whitespace or invisible characters only. Those that were "
                "never registered become this user's memories; deleted ones stay deleted."
            )
            widgets.button(
                "Recover orphans",
                "users.adopt",
                user_actions.start_adoption,
                user_id,
                kind="primary",
            )
    return False


def _draw_depth(key: str, answer: UserSearch) -> None:
    """Draw the extent of the search, and the check of the storage if there was none."""
    depth = f"The store as of {text.utc(answer.scan.as_of)}." if answer.scan else ""
    st.caption(f"Searched {counted(answer.users, 'user')}, complete. {depth}")
    job = user_actions.comparison()
    if job and not job.finished:
        watch(job.id, "memory")
    elif not answer.scan and may(Role.OPERATOR):
        widgets.button(
            "Check storage against the record",
            f"{key}.compare",
            user_actions.start_comparison,
            icon="compare_arrows",
            kind="tertiary",
        )


def _button(key: str, label: str, name: str, icon: str = "open_in_new") -> bool:
    return st.button(label, key=f"{key}.{name}", type="tertiary", icon=f":material/{icon}:")


def _open(key: str, user_id: str, **parameters: str) -> None:
    if st.session_state.get(f"{key}.empties"):
        st.session_state[f"{key}.empty"] = True
    routes.open_user(user_id, **parameters)
