"""Text for the screen: untrusted text made harmless, times and names in words.

Memory texts, user ids, file names, metadata, log lines and error sentences pass through here, and
then only into elements that render no markup: `st.text`, `st.code`, table cells, input values.
"""

import datetime as dt
import html
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import streamlit as st

from memory_core.memories.word_index import matched_words, matches
from memory_core.model.counting import counted
from memory_core.model.records import MemoryRecord

SHORT = 600
"""Characters of a memory shown at once; the rest is one click away."""

SHORT_LINES = 12
"""Lines of a memory shown at once."""

LONG = 40_000
"""Most characters ever sent; more than the 32 KB that one memory may have."""

# Zero-width (non-)joiner, which scripts and emoji sequences need. All other invisible format
# characters are removed, above all those that change the writing direction.
_KEPT_FORMAT_CHARACTERS = "\u200c\u200d"
_MARK = "[\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]"
_STACKED_MARKS = re.compile(f"({_MARK}{{3}}){_MARK}+")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9]+(?:(?:[ -]|(?<=\d)\.(?=\d))[A-Za-z0-9]+)*")
_UNITS = ((60, "minute", 60), (3600, "hour", 24), (86_400, "day", 30), (2_592_000, "month", 12))

# Text that stays plain text in Markdown once it is escaped: no address, no link, no icon.
_TAME = re.compile(
    r"(?!.*www\.)(?:[^\W_]|[ \n.,;!?'’‘“”\"()%€/–…]|(?<!-)-(?!-)|:(?=\s|\d|\Z))*", re.DOTALL | re.I
)

BACKENDS: Final = {
    "s3_vectors": "S3 Vectors",
    "chroma": "ChromaDB",
}


def clean(value: object, limit: int = LONG) -> str:
    """Return the text without control and format characters, at most `limit` long."""
    text = "".join(char for char in str(value)[: limit * 2] if _is_shown(char))
    text = _STACKED_MARKS.sub(r"\1", text).strip()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def one_line(value: object, limit: int = 120) -> str:
    """Return the text on one line, for table cells and options."""
    text = str(value)
    if len(text) <= limit and text.isascii() and text.isprintable() and " " not in text:
        # Most ids are like this, and tables have many.
        return text
    return clean(" ".join(clean(value, limit * 4).split()), limit)


def shorten(value: object) -> str:
    """Return an id without its middle."""
    text = one_line(value, 400)
    return text if len(text) <= 15 else f"{text[:6]}…{text[-6:]}"


def chart_label(value: object, limit: int = 28) -> str:
    """Return the text for a chart, where `<` would begin markup."""
    return html.escape(one_line(value, limit))


def plain_word(value: object, otherwise: str) -> str:
    """Return the value if it cannot be markup, else the given constant."""
    text = str(value)
    return text if len(text) <= 40 and _PLAIN_WORD.fullmatch(text) else otherwise


def sentence(value: object) -> str:
    """Return the sentence with a full stop, and with a capital if it begins with a word."""
    text = clean(value)
    ended = text if text.endswith((".", "?", "…")) else f"{text}."
    return ended[:1].upper() + ended[1:] if ended[:2].islower() else ended


def show(value: object, limit: int = LONG) -> None:
    """Draw untrusted text, line breaks kept."""
    st.text(clean(value, limit), width="stretch")


def show_memory(value: str, key: str, question: str = "") -> list[str]:
    """Draw a memory; of a long one the beginning, with the whole one click away.

    Marks the words of the question, and returns those that it could not mark.
    """
    text = clean(value)
    beginning = clean("\n".join(text.split("\n")[:SHORT_LINES]), SHORT)
    places = matches(question, beginning) if question else []
    marked = bool(places and _TAME.fullmatch(beginning))
    if marked:
        st.markdown(_marked(beginning, places), width="stretch")
    else:
        st.text(beginning, width="stretch")
    if beginning != text:
        _draw_whole(text, key)
    return matched_words(question, text) if question and not marked else []


def _draw_whole(text: str, key: str) -> None:
    whole = st.expander(
        f"All of {counted(len(text), 'character')}", key=key, on_change="rerun", type="compact"
    )
    if whole.open:
        whole.code(text, language=None, wrap_lines=True, height=320)


def _marked(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Return a `_TAME` text as Markdown that shows it unchanged, with these places marked."""
    parts, end = [], 0
    for start, stop in places:
        parts += [_escaped(text[end:start]), f":primary-background[{_escaped(text[start:stop])}]"]
        end = stop
    return "".join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return re.sub(r"([^\w\s]|_)", r"\\\1", text).replace("\n", "  \n")


def _is_shown(char: str) -> bool:
    if char in "\n\t" or char in _KEPT_FORMAT_CHARACTERS:
        return True
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def backend_name(name: str) -> str:
    """Return the proper name of a backend; for an unknown one a constant, never its raw text."""
    return BACKENDS.get(name, "Another store")


def ago(at: dt.datetime, now: dt.datetime | None = None) -> str:
    """Return the age of a time: just now, 2 minutes ago, 3 years ago."""
    seconds = ((now or dt.datetime.now(dt.UTC)) - at).total_seconds()
    if seconds < 45:
        return "just now"
    for size, unit, count in _UNITS:
        if (amount := round(seconds / size)) < count:
            return f"{counted(max(1, amount), unit)} ago"
    return f"{counted(max(1, round(seconds / 31_536_000)), 'year')} ago"


def parsed(text: str) -> dt.datetime | None:
    """Parse an ISO 8601 time, None if it is not one."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def utc(at: dt.datetime) -> str:
    """Return the exact time: 12 Nov 2025, 14:32:05 UTC."""
    return f"{day(at)}, {at.astimezone(dt.UTC):%H:%M:%S} UTC"


def day(at: dt.datetime | dt.date) -> str:
    """Return the UTC day: 12 Nov 2025."""
    date = at.astimezone(dt.UTC).date() if isinstance(at, dt.datetime) else at
    return f"{date.day} {date:%b %Y}"


def expiry(record: MemoryRecord) -> str:
    """Return the expiry date, and whether it is past; empty for a memory that does not expire."""
    return f"{day(record.expires)}{', past' if record.expired else ''}" if record.expires else ""


def both(at: dt.datetime) -> str:
    """Return the age and the exact time, for a caption."""
    return f"{ago(at)} · {utc(at)}"


def draw_changes(changes: Sequence[str]) -> None:
    """Draw the changes that normalized an id, if any."""
    if changes:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.badge("Normalized", color="blue", icon=":material/spellcheck:")
            st.text("; ".join(one_line(change) for change in changes))
