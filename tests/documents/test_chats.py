"""Exported chats are read as conversations: who said what and when, and what is left out."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory_core.documents import Document, parse_chat
from memory_core.errors import InvalidMemory
from tests.support.document_files import read_here

CHATS = Path(__file__).parent / "chats"


def read(name: str, content: Any) -> Document:
    if isinstance(content, str):
        return read_here(name, content.encode())
    return read_here(name, json.dumps(content).encode())


def said(document: Document) -> list[tuple[str, str, str]]:
    """Return the speaker, the time and the text of each message."""
    return [
        (chunk.metadata["speaker"], chunk.metadata["time"], chunk.text) for chunk in document.chunks
    ]


def zipped(files: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in files.items():
            archive.writestr(name, value if isinstance(value, str) else json.dumps(value))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "messages", "left_out"),
    [
        (
            "telegram_result.json",
            [
                ("Alice", "2025-07-11T15:36:12", "See you in Porto"),
                (
                    "Bob",
                    "2025-07-11T15:37:12",
                    "Book at https://hotel.example for the 12th of May",
                ),
            ],
            ("1 service message", "1 media file"),
        ),
        (
            "slack_2025-06-01.json",
            [
                ("Alice", "2025-06-01T09:26:41+00:00", "The offsite is on May 12 & 13"),
                ("bot", "2025-06-01T09:26:42+00:00", "Deploy finished"),
            ],
            ("1 service message", "1 media file"),
        ),
        (
            "whatsapp_android.txt",
            [
                ("Alice", "2019-08-08T13:25:00", "Hi"),
                ("Bob", "2019-08-08T13:32:00", "My flat is in Rua do Souto 12"),
                ("Alice", "2019-08-08T13:32:00", "How are u"),
            ],
            ("1 media file",),
        ),
        (
            "conversations.json",
            [
                ("user", "2024-06-10T06:13:20+00:00", "I am allergic to cashews. What can I cook?"),
                ("assistant", "2024-06-10T06:13:20+00:00", "A lentil curry is safe."),
                ("user", "2024-06-10T06:13:20+00:00", "My daughter Ruth is vegan too."),
            ]
            * 2,
            ("2 media files",),
        ),
    ],
)
def test_an_export_becomes_one_memory_a_message(
    name: str, messages: list[tuple[str, str, str]], left_out: tuple[str, ...]
) -> None:
    document = read_here(name, (CHATS / name).read_bytes())
    assert said(document) == messages
    assert document.left_out == left_out


def test_a_conversation_is_named_in_each_of_its_messages() -> None:
    chunks = read_here("c.json", (CHATS / "conversations.json").read_bytes()).chunks
    assert [chunk.metadata["conversation"] for chunk in chunks] == ["Nut allergy"] * 3 + [
        "Second"
    ] * 3
    assert chunks[-1].place == "conversation 2, message 4"
    assert [chunk.role for chunk in chunks[:2]] == ["user", "assistant"]


# ChatGPT and Claude


def node(parent: str | None, role: str, text: str, **message: Any) -> dict[str, Any]:
    content = {"content_type": "text", "parts": [text]}
    made = {"author": {"role": role}, "content": content, "create_time": 1718000000, **message}
    return {"parent": parent, "message": made}


def test_only_the_last_version_of_an_answer_is_read() -> None:
    mapping = {
        "root": {"parent": None, "message": None},
        "a": node("root", "user", "Where is Porto?"),
        "b": node("a", "assistant", "In Spain."),
        "b2": node("a", "assistant", "In Portugal. \ue200cite\ue202turn0\ue201"),
        "c": node("b", "user", "Are you sure?"),
        "d": node("b2", "assistant", "search('x')", recipient="browser"),
        "e": node("d", "tool", "a page of the web"),
        "f": node("e", "user", "about me", metadata={"is_visually_hidden_from_conversation": True}),
    }
    document = read("c.json", [{"title": "Porto", "mapping": mapping, "current_node": "f"}])
    assert [chunk.text.strip() for chunk in document.chunks] == ["Where is Porto?", "In Portugal."]
    assert document.left_out == (
        "2 messages of a replaced version",
        "1 call of a tool",
        "1 tool result",
        "1 hidden message",
    )
    without_leaf = read("c.json", {"title": "Porto", "mapping": mapping})
    assert without_leaf.chunks == document.chunks


def claude(uuid: str, sender: str, text: str, **others: Any) -> dict[str, Any]:
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": text}]
    return {
        "uuid": uuid,
        "sender": sender,
        "content": content,
        "created_at": "2025-03-04T05:06:07Z",
        **others,
    }


def test_a_claude_export_is_read_with_its_branches_and_attachments() -> None:
    flat = [claude("1", "human", "I like figs."), claude("2", "assistant", "Noted.", files=[{}])]
    flat[0] |= {"content": [], "text": "I like figs."}
    document = read("conversations.json", [{"name": "Figs", "chat_messages": flat}])
    assert said(document) == [
        ("user", "2025-03-04T05:06:07+00:00", "I like figs."),
        ("assistant", "2025-03-04T05:06:07+00:00", "Noted."),
    ]
    assert document.left_out == ("1 media file",)
    tree = [
        claude("1", "human", "Where is Braga?", parent_message_uuid="0"),
        claude("2", "assistant", "In Spain.", parent_message_uuid="1"),
        claude("3", "assistant", "In Portugal.", parent_message_uuid="1"),
    ]
    branched = read("conversations.json", [{"name": "", "chat_messages": tree}])
    assert [chunk.text for chunk in branched.chunks] == ["Where is Braga?", "In Portugal."]
    assert branched.left_out == ("1 message of a replaced version",)
    edited = [claude("0a", "human", "Where is Brga?", parent_message_uuid="0"), *tree]
    lost = [claude("9", "human", "I live in Porto.", parent_message_uuid="8"), *edited]
    document = read("conversations.json", [{"name": "", "chat_messages": lost}])
    assert [chunk.text for chunk in document.chunks] == [
        "I live in Porto.",
        "Where is Braga?",
        "In Portugal.",
    ]
    assert document.left_out == ("2 messages of a replaced version",)


# Telegram, Slack and Google Chat


def test_all_chats_of_telegram_are_read_and_times_are_those_of_the_world() -> None:
    message = {"type": "message", "date": "2025-07-11T15:36:12", "date_unixtime": "1752240972"}
    chats = [
        {"name": "Ann", "messages": [{**message, "from": "Ann", "text": "Likes figs"}]},
        {"name": None, "messages": [{**message, "from": None, "from_id": "u7", "text": "Gone"}]},
    ]
    document = read("result.json", {"about": "x", "chats": {"list": chats}, "left_chats": {}})
    time = "2025-07-11T13:36:12+00:00"
    assert said(document) == [("Ann", time, "Likes figs"), ("u7", time, "Gone")]
    assert [chunk.place for chunk in document.chunks] == [
        "conversation 1, message 1",
        "conversation 2, message 1",
    ]


def test_a_caption_is_kept_and_its_photo_counted() -> None:
    message = {"type": "message", "date": "2025-07-11T15:36:12", "from": "Ann", "photo": "x.jpg"}
    document = read("result.json", {"messages": [{**message, "text": "My new flat"}]})
    assert said(document) == [("Ann", "2025-07-11T15:36:12", "My new flat")]
    assert document.left_out == ("1 media file",)
    contact = {**message, "text": "", "contact_information": {"first_name": "Bob"}}
    del contact["photo"]
    sent = read("result.json", {"messages": [{**message, "text": "See Bob"}, contact]})
    assert sent.left_out == ("2 media files",)


def test_what_programs_write_on_slack_is_read_from_their_blocks() -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "Deploy &amp; test"}}
    line = [{"type": "text", "text": "see "}, {"type": "link", "url": "https://a.example"}]
    rich = {"type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": line}]}  # fmt: skip
    message = {"type": "message", "ts": "1748770001.0", "bot_id": "B1", "username": "Bot"}
    written = {"blocks": [section, {"type": "divider"}, rich, 7]}
    document = read("day.json", [{**message, **written}, {**message, "text": ""}])
    time = "2025-06-01T09:26:41+00:00"
    assert said(document) == [("Bot", time, "Deploy & test see  https://a.example")]


def test_a_zip_of_slack_names_its_people() -> None:
    text = (
        "Ask <@U2> in <#C1|garden>, see <https://a.example|the plan> &lt;now&gt; "
        "<mailto:a@b.c|a@b.c>"
    )
    files = {
        "users.json": [{"id": "U1", "profile": {"real_name": "Alice"}}, {"id": "U2", "name": "x"}],
        "channels.json": [{"id": "C1", "name": "garden"}],
        "garden/2025-06-01.json": [{"type": "message", "user": "U1", "ts": "1748770001.0",
                                    "text": text}],
        "garden/canvas.html": "<p>",
    }  # fmt: skip
    document = read_here("slack.zip", zipped(files))
    assert said(document) == [
        (
            "Alice",
            "2025-06-01T09:26:41+00:00",
            "Ask @U2 in #garden, see the plan (https://a.example) <now> a@b.c",
        )
    ]
    assert document.chunks[0].place == "garden/2025-06-01.json, message 1"
    assert document.left_out == ("1 file without a conversation",)


def test_no_more_than_slack_escapes_is_undone() -> None:
    written = f"&amp;lt; &lt;b&gt; &copy; &#{'9' * 5_000};"
    message = {"type": "message", "ts": "1748770001", "text": written, "user": "U1"}
    ((_, _, text),) = said(read("a.json", [message]))
    assert text == f"&lt; <b> &copy; &#{'9' * 5_000};"


def test_a_zip_without_a_conversation_is_refused() -> None:
    with pytest.raises(InvalidMemory, match=r'"a\.zip" holds no conversation of ChatGPT'):
        read_here("a.zip", zipped({"notes.txt": "Likes tea.", "a.json": ["x"]}))


def test_google_chat_is_read() -> None:
    google = {"creator": {"name": "Ann"}, "text": "Likes figs",
              "created_date": "Tuesday, August 9, 2022 at 1:25:03\u202fPM UTC"}  # fmt: skip
    assert said(read("messages.json", {"messages": [google]})) == [
        ("Ann", "2022-08-09T13:25:03+00:00", "Likes figs")
    ]


# WhatsApp


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("31/12/2019, 13:25 - ", "2019-12-31T13:25:00"),
        ("12/31/19, 1:25\u202fPM - ", "2019-12-31T13:25:00"),
        ("31.12.19, 13:25 - ", "2019-12-31T13:25:00"),
        ("31.12.2019 klo 13.25 - ", "2019-12-31T13:25:00"),
        ("31/12/2019 à 13:25 - ", "2019-12-31T13:25:00"),
        ("31/12/2019, 1:25 p. m. - ", "2019-12-31T13:25:00"),
        ("31/12/19, 12:05 am - ", "2019-12-31T00:05:00"),
        ("31.12.19 г., 13:25 - ", "2019-12-31T13:25:00"),
        ("2019-12-31 13:25 - ", "2019-12-31T13:25:00"),
        ("2019. 12. 31. 오후 1:25, ", "2019-12-31T13:25:00"),
        ("2019年12月31日 下午1:25 - ", "2019-12-31T13:25:00"),
        ("31/12/2562 13:25 - ", "2019-12-31T13:25:00"),
        ("\u0663\u0661\u200f/\u0661\u0662\u200f/\u0662\u0660\u0661\u0669, \u0661:\u0662\u0665 م - ",
         "2019-12-31T13:25:00"),
        ("[31.12.19, 13:25:33] ", "2019-12-31T13:25:33"),
        ("\u200e[12/31/19, 1:25:33 PM] ", "2019-12-31T13:25:33"),
        ("[2019/12/31 下午1:25:33] ", "2019-12-31T13:25:33"),
        ("[31.12.2019 klo 13.25.33] ", "2019-12-31T13:25:33"),
        ("۱۴۰۲/۵/۱۷, ۱۳:۲۵ - ", "۱۴۰۲/۵/۱۷, ۱۳:۲۵"),
    ],
)  # fmt: skip
def test_the_times_of_whatsapp_are_read_in_any_language(stamp: str, time: str) -> None:
    colon = " : " if "오후" in stamp else ": "
    chat = f"{stamp}Ann{colon}Likes figs\nand nuts: all of them\n{stamp}Bob{colon}Ok"
    document = read("_chat.txt", chat)
    assert said(document) == [
        ("Ann", time, "Likes figs\nand nuts: all of them"),
        ("Bob", time, "Ok"),
    ]
    assert [chunk.place for chunk in document.chunks] == ["line 1", "line 3"]


@pytest.mark.parametrize(
    ("stamps", "days"),
    [
        (["3/4/19, 1:25 PM - ", "3/13/19, 1:25 PM - "], ["03-04", "03-13"]),
        (["3/4/19, 13:25 - ", "13/4/19, 13:25 - "], ["04-03", "04-13"]),
        (["3/4/19, 13:25 - ", "4/3/19, 13:25 - "], ["03-04", "04-03"]),
        (["03/04/2019, 13:25 - ", "04/04/2019, 13:25 - "], ["04-03", "04-04"]),
        (["3/4/19, 1:25 PM - ", "3/5/19, 1:25 PM - "], ["03-04", "03-05"]),
        (["03/04/19, 1:25 pm - ", "03/05/19, 1:25 pm - "], ["04-03", "05-03"]),
    ],
)
def test_day_and_month_are_told_apart_by_the_whole_chat(stamps: list[str], days: list[str]) -> None:
    document = read("chat.txt", "\n".join(f"{stamp}Ann: text {stamp}" for stamp in stamps))
    assert [time[5:10] for _, time, _ in said(document)] == days


@pytest.mark.parametrize(
    ("text", "kept", "left_out"),
    [
        ("Ann: <Medien ausgeschlossen>", None, "1 media file"),
        ("Ann: null", None, "1 media file"),
        ("Ann: <Medya dahil edilmedi>", None, "1 media file"),
        ("Ann: IMG-20190808-WA0001.jpg (file attached)", None, "1 media file"),
        ("Ann: plan.pdf (Datei angehängt)\nfor the flat", "for the flat", "1 media file"),
        ("Ann: \u200e<attached: 00000012-PHOTO-2019-08-08.jpg>", None, "1 media file"),
        ("Ann: The flat \u200e<attached: 1.jpg>", "The flat", "1 media file"),
        ("Ann: \u200eimage omitted", None, "1 media file"),
        ("Ann: \u200eBild weggelassen", None, "1 media file"),
        ("Ann: \u200eThis message was deleted.", None, "1 service message"),
        ("Ann: Diese Nachricht wurde gelöscht.", None, "1 service message"),
        ("Ann added Bob", None, "1 service message"),
        ("Ann changed the subject to “Trip: Rome”", None, "1 service message"),
        ("Ann: I use <b> for bold", "I use <b> for bold", None),
        ("Ann: Moved to Porto <This message was edited>", "Moved to Porto", None),
        ("~\u202fAnn: read notes.txt (old)", "read notes.txt (old)", None),
    ],
)
def test_media_and_service_messages_of_whatsapp_are_counted(
    text: str, kept: str | None, left_out: str | None
) -> None:
    document = read("chat.txt", f"1/1/20, 09:00 - Bob: first\n1/1/20, 09:01 - {text}\n")
    assert [chunk.text for chunk in document.chunks[1:]] == ([kept] if kept else [])
    assert document.left_out == ((left_out,) if left_out else ())
    assert {chunk.name for chunk in document.chunks} <= {"Ann", "Bob"}


def test_notes_with_times_are_no_chat() -> None:
    notes = "Plan for 1/1/20, 09:00 - breakfast: figs\n10:30 - dentist: bring the card"
    assert [chunk.text for chunk in read("a.txt", notes).chunks] == [notes]


# Messages of chat APIs

CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
PARTS = {
    "role": "user",
    "content": [
        {"type": "text", "text": "My flat:"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "text", "text": "second floor"},
    ],
}
MESSAGES = [
    {"role": "System", "content": "Be kind."},
    {"role": "developer", "content": None},
    PARTS,
    CALL,
    {"role": "assistant", "tool_calls": []},
    {"role": "tool", "content": "{}", "tool_call_id": "1"},
    {"role": "user", "parts": [{"text": "I like figs"}]},
    {"role": "assistant", "content": ["a", {"type": "reasoning", "text": "hm"}, "b"]},
]


@pytest.mark.parametrize("shape", [MESSAGES, {"messages": MESSAGES}])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_calls_of_tools_are_skipped_and_parts_joined(name: str, shape: object) -> None:
    if name == "a.jsonl" and isinstance(shape, list):
        document = read(name, "\n".join(map(json.dumps, shape)))
    else:
        document = read(name, shape)
    assert [(chunk.role, chunk.text) for chunk in document.chunks] == [
        ("user", "My flat:\nsecond floor"),
        ("user", "I like figs"),
        ("assistant", "a\nb"),
    ]
    assert document.left_out == ("1 system message", "1 media file", "1 tool result")


def test_a_message_keeps_the_time_it_was_written() -> None:
    entry = {"role": "user", "content": "Likes figs", "created_at": 1718000000123}
    (chunk,) = read("a.json", [entry]).chunks
    assert chunk.metadata == {"time": "2024-06-10T06:13:20+00:00"}


def test_typed_lines_in_a_text_file_are_a_chat() -> None:
    document = read("a.txt", "user: I like figs\nand nuts\nAssistant: Noted.\nsystem: Be kind.")
    assert [(chunk.role, chunk.text) for chunk in document.chunks] == [
        ("user", "I like figs\nand nuts"),
        ("assistant", "Noted."),
    ]
    assert document.left_out == ("1 system message",)
    assert len(read("a.txt", "user: the owner of an account\nadmin: who runs it").chunks) == 1


def test_messages_pasted_as_json_are_passed_on() -> None:
    assert parse_chat(json.dumps({"messages": [PARTS, CALL]})) == [PARTS, CALL]
    for broken in ("[1]", "[{", '{"a": 1}'):
        with pytest.raises(InvalidMemory, match="not a JSON list of messages"):
            parse_chat(broken)


def variants(value: Any) -> Iterator[Any]:
    """Yield the value with each of its parts replaced by something of another kind."""
    yield from (None, 7, "x", [], {}, ["x"], {"x": [None]}, 1e999)
    items = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else items:
        for variant in variants(inner):
            copy = value.copy()
            copy[key] = variant
            yield copy


@pytest.mark.parametrize("name", ["telegram_result.json", "slack_2025-06-01.json"])
def test_an_export_of_another_shape_is_read_or_refused(name: str) -> None:
    assert_read_or_refused(json.loads((CHATS / name).read_bytes()))


@pytest.mark.parametrize(
    "value",
    [
        {"mapping": {"a": node(None, "user", "x")}, "current_node": "a"},
        {"chat_messages": [claude("1", "human", "x"), claude("2", "human", "y")]},
        {"messages": [{"creator": {"name": "Ann"}, "created_date": "x", "text": "y"}]},
    ],
)
def test_a_conversation_of_another_shape_is_read_or_refused(value: Any) -> None:
    assert_read_or_refused(value)


def assert_read_or_refused(value: Any) -> None:
    for variant in variants(value):
        try:
            is_read = bool(read("a.json", variant).chunks)
        except InvalidMemory as exc:
            is_read = str(exc).startswith('"a.json"')
        assert is_read, variant
