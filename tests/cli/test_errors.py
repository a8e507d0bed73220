"""What goes wrong on the command line is one sentence on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, CommandsHere, Result
from tests.support.ports import held_port
from tests.support.zygote import Zygote

NO_ID = "357a4830-eabc-51fb-b856-0c194d19d9e4"


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> CommandsHere:
    made = CommandsHere(tmp_path_factory.mktemp("cli"))
    assert made.run("save", "ann", "likes tea").code == 0
    return made


def refused(result: Result, code: int, *words: str) -> None:
    """Assert that a command said one sentence on stderr, with these words, and nothing else."""
    assert (result.code, result.out) == (code, ""), result
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1
    assert len(result.err) < 500
    for word in words:
        assert word in result.err


def misused(result: Result, *words: str) -> None:
    """Assert that a command was told how to be used."""
    assert (result.code, result.out) == (2, ""), result
    assert result.err.startswith("Usage: python -m memory_core")
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err


BAD_INPUT: dict[str, tuple[list[str], str]] = {
    "a user id of nothing": (["list", " \u200b"], "no visible character"),
    "an empty user id": (["save", "", "text"], "no visible character"),
    "an empty text": (["save", "ann", " "], "memory is empty"),
    "a text too long": (["save", "ann", "x" * 32769], "32,768"),
    "an empty question": (["query", "ann", ""], "question is empty"),
    "a limit of none": (["query", "ann", "tea", "--limit", "0"], "limit is 0"),
    "a limit below none": (["query", "ann", "tea", "--limit=-3"], "limit is -3"),
    "an unknown id": (["get", "ann", NO_ID], NO_ID),
    "another's id": (["update", "bob", NO_ID, "text"], "bob"),
    "a deletion of nothing": (["delete", "ann", NO_ID], "list"),
    "metadata without a value": (["save", "ann", "text", "--meta", "topic"], "KEY=VALUE"),
    "reserved metadata": (["save", "ann", "text", "--meta", "user_id=bob"], "reserved"),
    "an agent with spaces": (["save", "ann", "text", "--agent", "a b"], "agent_id"),
    "extraction without a model": (["save", "ann", "text", "--infer"], "MEMORY_LLM"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_sentence_and_code_2(commands: CommandsHere, case: str) -> None:
    arguments, word = BAD_INPUT[case]
    refused(commands.run(*arguments), 2, word)


@pytest.mark.parametrize("case", ["an empty text", "an unknown id", "a limit of none"])
def test_with_json_an_error_is_the_same_sentence(commands: CommandsHere, case: str) -> None:
    arguments, word = BAD_INPUT[case]
    refused(commands.run(*arguments, "--json"), 2, word)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["remember", "ann"], "No such command"),
        (["search", "ann", "tea"], "No such command 'search'. Did you mean 'query'?"),
        (["save", "ann"], "TEXT"),
        (["list"], "USER"),
        (["query", "ann", "tea", "--limit", "many"], "--limit"),
        (["query", "ann", "tea", "--mode", "psychic"], "--mode"),
        (["list", "ann", "--xml"], "--xml"),
        (["upload", "ann", "/no/such/file.txt"], "does not exist"),
        (["upload", "ann", "/tmp"], "is a directory"),
    ],
)
def test_wrong_usage_is_explained_and_code_2(
    commands: CommandsHere, arguments: list[str], word: str
) -> None:
    misused(commands.run(*arguments), word)


def test_files_that_cannot_become_memories_are_refused_with_code_2(
    commands: CommandsHere, tmp_path: Path
) -> None:
    def write(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    cases = {
        write("big.txt", b"x" * (21 * 1024 * 1024)): "20 MB",
        write("empty.txt", b""): "empty",
        write("program.exe", b"MZ"): ".docx",
        write("broken.pdf", b"%PDF-1.4 oops"): "broken.pdf",
        write("noise.txt", bytes(range(256)) * 4): "noise.txt",
    }
    for path, word in cases.items():
        refused(commands.run("upload", "ann", path), 2, word)
    assert len(commands.run("list", "ann", "--json").document["memories"]) == 1


def test_a_file_that_cannot_be_read_is_one_sentence(commands: CommandsHere) -> None:
    # Its first page cannot be read, not even by root.
    result = commands.run("upload", "ann", "/proc/self/mem")
    refused(result, 2, "/proc/self/mem")


AWS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_S3_BUCKET": "some-bucket",
    "AWS_REGION": "eu-central-1",
}


@pytest.mark.parametrize(
    ("environ", "code", "word"),
    [
        ({"MEMORY_BACKEND": "foo"}, 2, "MEMORY_BACKEND is 'foo'"),
        ({"MEMORY_EMBEDDER": "foo"}, 2, "MEMORY_EMBEDDER is 'foo'"),
        ({"MEMORY_EMBEDDER": "openai"}, 2, "OPENAI_API_KEY"),
        ({"MEMORY_REQUIRE_PERSISTENT": "maybe"}, 2, "MEMORY_REQUIRE_PERSISTENT"),
        ({"MEMORY_REQUIRE_PERSISTENT": "1"}, 2, "AWS_S3_BUCKET"),
        ({"MEMORY_BACKEND": "s3_vectors"}, 2, "AWS_S3_BUCKET"),
        ({"AWS_S3_BUCKET": "'quoted'"}, 2, "quotation marks"),
        ({"MEMORY_INDEX": "no/such index"}, 2, "MEMORY_INDEX"),
    ],
)
def test_a_broken_configuration_is_one_sentence_that_names_the_variable(
    commands: CommandsHere, environ: dict[str, str], code: int, word: str
) -> None:
    refused(commands.run("status", "--json", **environ), code, word)


def test_aws_that_does_not_answer_is_an_error_and_never_a_fallback(commands: CommandsHere) -> None:
    with held_port() as port:
        endpoint = f"http://127.0.0.1:{port}"
        environ = {**AWS, "AWS_ENDPOINT_URL_S3": endpoint, "AWS_ENDPOINT_URL_S3VECTORS": endpoint}
        result = commands.run("save", "ann", "likes figs", **environ)
    refused(result, 3, "some-bucket")
    assert AWS["AWS_SECRET_ACCESS_KEY"] not in result.err
    assert len(commands.run("list", "ann", "--json").document["memories"]) == 1


def make_file(path: Path) -> Path:
    path.write_text("mine")
    return path


def make_loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


PLACES: dict[str, Callable[[Path], Path]] = {
    "a file": lambda folder: make_file(folder / "file"),
    "below a file": lambda folder: make_file(folder / "file") / "data",
    "a folder of the kernel": lambda folder: Path("/proc/holdfast"),
    # Nobody can write there, not even root.
    "a link to itself": lambda folder: make_loop(folder / "loop"),
    "below a link to itself": lambda folder: make_loop(folder / "loop") / "data",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_data_folder_that_cannot_be_written_is_one_sentence_and_code_3(
    commands: CommandsHere, tmp_path: Path, place: str
) -> None:
    data_dir = str(PLACES[place](tmp_path))
    for arguments in (["save", "ann", "likes figs"], ["users", "--json"]):
        refused(commands.run(*arguments, MEMORY_DATA_DIR=data_dir), 3, data_dir)


def test_a_damaged_database_and_a_damaged_ledger_are_one_sentence_and_code_3(
    zygote: Zygote, tmp_path: Path
) -> None:
    commands = CommandLine(zygote, tmp_path)
    assert commands.run("save", "ann", "likes tea").code == 0
    database = commands.data_dir / "chroma" / "chroma.sqlite3"
    good = database.read_bytes()
    database.write_bytes(b"garbage" * 999)
    refused(commands.run("list", "ann"), 3, "chroma")
    database.write_bytes(good)
    (entry,) = (commands.data_dir / "ledger" / "v1" / "ann").iterdir()
    entry.write_bytes(b"{")
    refused(commands.run("history", "ann"), 3, entry.name, "damaged")
