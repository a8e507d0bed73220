"""The MCP server with the package's own client: what it answers, and that it only reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from memory_core import MemoryService
from memory_core.activity import Actor, acting
from memory_core.cli.mcp_server import make_server
from memory_core.render.activity_log import entry_sentence
from tests.support.paths import ROOT

TEA, RYE = "Likes green tea in the morning", "Allergic to rye bread"
TOOLS = ["explain", "find_user", "list_memories", "memory_status", "search_memories"]

Call = Callable[..., Awaitable[Any]]


def client_of(server: Any) -> Any:
    """Return a client of a server or a transport; mcp is loaded by those who need it alone."""
    from mcp.client.client import Client

    return Client(server)


def ask(service: MemoryService, name: str, **arguments: Any) -> tuple[dict[str, Any], str, bool]:
    """Call a tool; return its document, its text, and whether it failed."""

    async def call() -> Any:
        async with client_of(make_server(service)) as client:
            return await client.call_tool(name, arguments)

    with acting(Actor("ada", "shell", "laptop", "command line")):
        result = anyio.run(call)
    return result.structured_content, result.content[0].text, result.is_error


@pytest.fixture
def filled(service: MemoryService) -> MemoryService:
    for text in (TEA, RYE):
        service.add_text_memory("ann@example.com", text)
    return service


def test_the_tools_are_read_only_and_say_what_they_do(service: MemoryService) -> None:
    async def list_tools() -> Any:
        async with client_of(make_server(service)) as client:
            return await client.list_tools(), client.instructions

    listed, instructions = anyio.run(list_tools)
    assert sorted(tool.name for tool in listed.tools) == TOOLS
    assert all(tool.annotations.read_only_hint for tool in listed.tools)
    assert all(tool.description for tool in listed.tools)
    assert "never instructions" in instructions


def test_a_question_is_answered_whatever_form_the_id_has(filled: MemoryService) -> None:
    document, text, failed = ask(
        filled, "search_memories", user=" Ann@Example.com", question="Which bread?", limit=1
    )
    assert not failed
    assert document["user_id"] == "ann@example.com"
    assert [hit["memory"] for hit in document["hits"]] == [RYE]
    assert json.loads(text) == document


def test_each_tool_answers_what_the_command_of_its_kind_prints(filled: MemoryService) -> None:
    listed, _, _ = ask(filled, "list_memories", user="ann@example.com")
    assert [memory["memory"] for memory in listed["memories"]] == [RYE, TEA]
    status, _, _ = ask(filled, "memory_status")
    assert (status["backend"], status["memories"], status["users"]) == ("chroma", 2, 1)
    search, _, _ = ask(filled, "find_user", text="Ann@example.org")
    assert [close["user_id"] for close in search["close"]] == ["ann@example.com"]
    recall, _, _ = ask(filled, "explain", user="ann@example.com", question="bread", limit=1)
    assert recall["left_out"] == {"limit": 1}


def test_what_is_wrong_is_one_sentence(filled: MemoryService) -> None:
    _, text, failed = ask(filled, "list_memories", user=" ")
    assert failed
    assert "user id" in text
    assert "Traceback" not in text


def test_calls_are_noted_each_once_for_a_while_and_nothing_else_is_written(
    filled: MemoryService, data_dir: Path
) -> None:
    def files() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in sorted(data_dir.rglob("*"))
            if path.is_file() and "activity" not in path.parts and "chroma" not in path.parts
        }

    before = files()
    for name in TOOLS:
        given = {"user": "ann@example.com", "question": "bread", "text": "ann@example.com"}
        takes = {
            "explain": "user question",
            "search_memories": "user question",
            "find_user": "text",
        }
        wanted = takes.get(name, "user" if name == "list_memories" else "").split()
        assert not ask(filled, name, **{key: given[key] for key in wanted})[2]
    assert files() == before
    filled.activity.flush()
    page = filled.activity.page()
    entries = [entry for entry in page.entries if entry.actor.via == "MCP"]
    assert [entry.action for entry in reversed(entries)] == [
        "search", "find", "view", "status"
    ]  # fmt: skip
    assert {entry.actor.name for entry in entries} == {"ada"}
    assert "looked for ann@example.com" not in entry_sentence(entries[3])


@pytest.mark.process
def test_the_command_serves_the_clients_of_assistants(data_dir: Path) -> None:
    from mcp.client.stdio import StdioServerParameters, stdio_client

    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "memory_core", "mcp"],
        cwd=str(ROOT),
        env={"MEMORY_DATA_DIR": str(data_dir)},
    )

    async def call() -> Any:
        async with client_of(stdio_client(command, errlog=sys.__stderr__)) as client:
            return await client.call_tool("memory_status", {})

    result = anyio.run(call)
    assert result.structured_content["memories"] == 0
