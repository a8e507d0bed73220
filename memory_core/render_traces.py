"""What is left of a user, as JSON and as text for a terminal."""

from __future__ import annotations

from typing import Any, Final

from .encoder import encode, pick
from .render import counted, one_line, utc
from .render_scan import compared_document, visible
from .traces import State, Traces

SENTENCES: Final[dict[State, str]] = {
    "forgotten": "Nothing is left of this user but the fact that something was forgotten.",
    "never there": "Nothing was ever here under this id.",
    "deleted": "The memories are gone, but their texts can still be read in the history.",
    "there": "There are still memories of this user.",
}


def traces_document(traces: Traces) -> dict[str, Any]:
    return {
        **pick(traces, "user_id", "state", "clean", "as_of"),
        "record": {
            "memories": traces.memories,
            "texts_in_history": traces.texts,
            "events": traces.events,
            "last": traces.last,
        },
        "store": {
            "vectors_read": traces.vectors,
            "of_the_user": compared_document(traces.stored) if traces.stored else None,
        },
        "running_service": {"memories": traces.remembered},
        "elsewhere": [
            {**pick(place, "backend", "where"), "memories": one.memories}
            for place, one in traces.elsewhere
        ],
        "not_read": [{**pick(one, "backend", "where"), "why": one.note} for one in traces.unread],
        "moved_here_from": encode(traces.former),
        "close_ids": [
            {
                "user_id": one.user_id,
                "reasons": list(one.reasons),
                "memories": one.user.memories if one.user else 0,
                "vectors": one.stored.stored if one.stored else 0,
            }
            for one in traces.close
        ],
    }


def traces_text(traces: Traces) -> str:
    lines = [
        SENTENCES[traces.state],
        f"  record    {counted(traces.memories, 'memory')}, "
        f"{counted(traces.texts, 'text')} in the history, {counted(traces.events, 'event')}",
        f"  store     {traces.stored.stored if traces.stored else 0:,} of "
        f"{counted(traces.vectors, 'vector')}, all read",
        f"  service   {counted(traces.remembered, 'memory')} remembered",
    ]
    lines += [
        f"  elsewhere {counted(one.memories, 'memory')} in {one_line(place.where)}"
        for place, one in traces.elsewhere
    ]
    lines += [f"  not read  {one_line(one.where)}: {one_line(one.note)}" for one in traces.unread]
    lines += [
        f"  history   texts of {counted(one.memories, 'memory')} that moved here are on record "
        f"under {visible(one.user_id)}; forget that id too"
        for one in traces.former
    ]
    for one in traces.close:
        there = counted(one.user.memories if one.user else 0, "memory")
        lines.append(f"  close id  {visible(one.user_id)}, {there}: {', '.join(one.reasons)}")
    return "\n".join([*lines, f"as of {utc(traces.as_of)}"])
