r"""Exported chats of WhatsApp: lines that begin with a time in the format of the phone's language.

Android writes `8/8/19, 1:25 PM - Alice: Hi`, iOS `[08.08.19, 13:25:33] Alice: Hi`, Korean phones
`2019. 8. 8. 오후 1:25, Alice : Hi`. Languages differ in the order of the date, the words around the
time and the digits. iOS puts U+200E before messages of the program itself.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from .chunk import Chunk, LeftOut
from .conversation import Utterance, say

_STAMP = re.compile(
    r"\u200e*(\[)?(\d{1,4})\s?[./\-\u5e74\ub144]\s?(\d{1,2})\s?[./\-\u6708\uc6d4]\s?(\d{1,4})"
    r"([^\d:\[\]\n]{1,14}?)(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?([^\d:\[\]\n-]{0,12}?)"
    r"(?(1)\]\s?|(?:\s[-\u2013]\s|,\s(?=[^:\n]{1,60} : )))"
)
_DIRECTIONS = dict.fromkeys([0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF])
_AFTERNOON = set("pm p م 오후 下午 午後 晚上 ch chiều μμ".split())
_MORNING = set("am a ص 오전 上午 午前 凌晨 早上 sa sáng πμ".split())
_AMERICAN = re.compile(r"\u200e*\[?(?:[1-9]\d?/){2}\d{2}, \d{1,2}:\d{2}(:\d{2})?\s[AP]M\b")
"""American phones write no leading zeros and two digits of the year."""

# "<Media omitted>" and "IMG-1.jpg (file attached)" in any language; the rest may be a caption.
_OMITTED = re.compile(r"<[^<>\n]+>|null")
_ATTACHED = re.compile(
    r"\u200e?(?:<[^<>\n]+>|(?:IMG|VID|PTT|AUD|STK|DOC)-\d{8}-WA\d+\.\w+[^\n]*|"
    r"[^\n]*\.\w{2,4} \(\w+ \w+\))(?=\n|$)"
)
_MARKED = re.compile(r"\u200e<[^<>\n]*>")
_EDITED = re.compile(r"(?<=[^\s\u200e])\s?\u200e?<\w+(?: \w+){2,}\.?>$")
_DELETED = re.compile(
    r"this message was deleted|you deleted this message|diese nachricht wurde gelöscht|"
    r"du hast diese nachricht gelöscht|se eliminó este mensaje|eliminaste este mensaje|"
    r"ce message a été supprimé|vous avez supprimé ce message|(esta mensagem foi|mensagem) apagada|"
    r"questo messaggio è stato eliminato|hai eliminato questo messaggio|dit bericht is verwijderd",
    re.I,
)
_QUOTES = set("\"“”„«»'‘’")
_HEAD_CHARS = 20_000
_MAX_NAME = 60
_MAX_MEDIA_WORDS = 3
_BUDDHIST_FROM = 2400
_SERVICE = "service message"


class _Line(NamedTuple):
    """A line that begins with a time, its stamp, and its text with the lines that follow."""

    number: int
    stamp: re.Match[str]
    text: str


def is_whatsapp(text: str) -> bool:
    """Return whether it is a chat: it begins with a time, and has a second one and a name."""
    head = text[:_HEAD_CHARS].strip()
    lines = _join(head)
    said = any(_speaker(line.text)[0] for line in lines)
    return len(lines) > 1 and said and _STAMP.match(_bare(head)) is not None


def read_whatsapp(text: str) -> Iterator[Chunk | LeftOut]:
    """Yield the messages; a place is the first line of one, times are those of the phone."""
    lines = _join(text)
    month_first = _is_month_first([line.stamp for line in lines])
    for line in lines:
        speaker, said = _speaker(line.text)
        time = _time(line.stamp, month_first)
        written = time.isoformat() if time else line.stamp[0].strip(" []-\u2013\u200e,")
        yield from say(_read(speaker, said, written), f"line {line.number}")


def _join(text: str) -> list[_Line]:
    messages: list[tuple[int, re.Match[str], list[str]]] = []
    for number, line in enumerate(text.split("\n"), 1):
        bare = _bare(line)
        if stamp := _STAMP.match(bare):
            messages.append((number, stamp, [bare[stamp.end() :]]))
        elif messages:
            messages[-1][2].append(bare)
    return [_Line(number, stamp, "\n".join(lines)) for number, stamp, lines in messages]


def _bare(line: str) -> str:
    return line.translate(_DIRECTIONS)


def _speaker(text: str) -> tuple[str | None, str]:
    """Return the speaker and the text; no speaker for messages of WhatsApp itself."""
    name, colon, said = text.partition(":")
    name = name.strip(" \u200e~\u202f\xa0")
    if not colon or not name or len(name) > _MAX_NAME or "\n" in name or _QUOTES & set(name):
        return None, text
    return name, said.removeprefix(" ")


def _read(speaker: str | None, text: str, time: str) -> Utterance:
    if speaker is None or _DELETED.fullmatch(text.strip(" .\u200e\n")):
        return Utterance(text, speaker, time, unsaid=_SERVICE)
    text, media = _MARKED.subn("", _EDITED.sub("", text.rstrip()))
    text = text.strip()
    if _OMITTED.fullmatch(text):
        return Utterance("", speaker, time, media=1)
    if attached := _ATTACHED.match(text):
        return Utterance(text[attached.end() :].strip(), speaker, time, media=media + 1)
    if text.startswith("\u200e"):
        # "image omitted" is short and not a sentence, in any language.
        is_media = len(text.split()) <= _MAX_MEDIA_WORDS and not text.endswith((".", "!"))
        return Utterance(
            "" if is_media else text, speaker, time, media=1, unsaid="" if is_media else _SERVICE
        )
    return Utterance(text, speaker, time, media=media)


def _is_month_first(stamps: Sequence[re.Match[str]]) -> bool:
    """Decide between 12/5 and 5/12: by numbers above 12, then by the order, then by the style."""
    short = [(int(stamp[2]), int(stamp[3])) for stamp in stamps if len(stamp[2]) < 3]
    if any(first > 12 for first, _ in short):
        return False
    if any(second > 12 for _, second in short):
        return True
    steps_back = []
    for month_first in (False, True):
        times = [time for stamp in stamps if (time := _time(stamp, month_first))]
        steps_back.append(sum(later < earlier for earlier, later in pairwise(times)))
    if steps_back[0] != steps_back[1]:
        return steps_back[1] < steps_back[0]
    return all(_AMERICAN.match(stamp[0]) for stamp in stamps)


def _time(stamp: re.Match[str], month_first: bool) -> datetime | None:
    """Return the time of a stamp, without a zone; None in another calendar."""
    first, second, third = (int(stamp[group]) for group in (2, 3, 4))
    if len(stamp[2]) > 2:
        year, month, day = first, second, third
    else:
        day, month = (second, first) if month_first else (first, second)
        year = third + 2000 if third < 100 else third
    year -= 543 if year > _BUDDHIST_FROM else 0
    words = {"".join(filter(str.isalpha, stamp[at])).casefold().strip("日일г") for at in (5, 9)}
    hour = int(stamp[6])
    if words & _AFTERNOON:
        hour = hour % 12 + 12
    elif words & _MORNING:
        hour %= 12
    try:
        time = datetime(year, month, day, hour, int(stamp[7]), int(stamp[8] or 0))
    except ValueError:
        return None
    return time if time.year > 2000 else None
