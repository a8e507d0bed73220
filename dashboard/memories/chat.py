"""Chat messages as people paste them."""

from __future__ import annotations

import re

from memory_core.errors import InvalidMemory

_START = re.compile(r"\s*(user|assistant|system)\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)


def parse_chat(text: str) -> list[dict[str, str]]:
    """Return the messages of lines that begin with a role; other lines continue a message.

    Raises:
        InvalidMemory: there is no message, or the first line has no role.
    """
    messages: list[dict[str, str]] = []
    for line in text.splitlines():
        if match := _START.fullmatch(line):
            messages.append({"role": match[1].lower(), "content": match[2]})
        elif messages:
            messages[-1]["content"] += f"\n{line}"
        elif line.strip():
            raise InvalidMemory(
                "the first line of the conversation does not say who speaks; "
                "begin it with user: or assistant:"
            )
    spoken = [{**message, "content": message["content"].strip()} for message in messages]
    spoken = [message for message in spoken if message["content"]]
    if not spoken:
        raise InvalidMemory(
            "the conversation is empty; write at least one line such as user: hello"
        )
    return spoken
