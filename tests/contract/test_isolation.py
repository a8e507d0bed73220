"""No call for one user ever returns, counts, changes or deletes anything of another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memory_core import MemoryService, Settings, normalize_user_id, open_service
from memory_core.embedders import Embedder
from memory_core.errors import InvalidUserId, MemoryNotFound
from memory_core.model.records import Event, MemoryRecord
from tests.support.factories import STORES, build_service
from tests.support.openai_server import openai_server

SHARED = "likes tea"
"""A text that both users save, so that ids that follow from texts alone would meet."""

# Ids that a folder, a pattern, a filter or a percent-decoder could take for another's.
_PARTS = st.one_of(
    st.sampled_from(["a", "ann", "@x.com", "%", "%2F", "%2e", "%25", "%~", "/", "\\", ".", ".."]),
    st.sampled_from(["*", "?", "[a]", "~", "\n", " ", "\x00", "'", '"', "$ne", "{}", "\u202e"]),
    st.sampled_from(["é", "e\u0301", "İ", "ß", "ss", "x" * 120, "🙂" * 40, "ledger", "v1"]),
    st.sampled_from(["01M81W4QFVW3QJHBPE3ZD4XPVV", ".ADD.", ".BATCH.2.jsonl", ".json"]),
)
ids = (
    st.lists(_PARTS, min_size=1, max_size=4).map("".join).filter(lambda raw: bool(_canonical(raw)))
)


def _canonical(raw: str) -> str:
    try:
        return normalize_user_id(raw)
    except InvalidUserId:
        return ""


def _look_alikes(raw: str) -> st.SearchStrategy[str]:
    """Return ids that differ from `raw` by something a careless layer would lose."""
    own = _canonical(raw)
    return st.sampled_from(
        [
            quote(own, safe=""),
            quote(quote(own, safe=""), safe=""),
            own + "/",
            "/" + own,
            own + "/..",
            "./" + own,
            "../" + own,
            own + "*",
            own + "%",
            own + ".",
            "." + own,
            own + "a",
            own[:-1],
            own[:1] + "*",
            own.replace("a", "%61"),
            own.replace("é", "e"),
            own + "\uff0e",
            f"{own}&agent_id=x",
            f'["{own}"]',
            *(own[:at] + "_" + own[at + 1 :] for at in range(min(2, len(own)))),
        ]
    ).filter(lambda other: bool(_canonical(other)))


pairs = ids.flatmap(lambda one: st.tuples(st.just(one), st.one_of(_look_alikes(one), ids))).filter(
    lambda pair: _canonical(pair[0]) != _canonical(pair[1])
)

State = tuple[list[MemoryRecord], list[Event], list[tuple[str, float]], object]


def state(service: MemoryService, user: str) -> State:
    """Return all that can be seen of one user."""
    return (
        service.list_memories(user),
        service.history(user),
        [(hit.memory.id, hit.score) for hit in service.query_memories(user, SHARED, limit=99)],
        next((one for one in service.users() if one.user_id == _canonical(user)), None),
    )


def use_everything(service: MemoryService, user: str, foreign: list[str]) -> Iterator[str]:
    """Make every call for a user, also with another's memory ids; say after which."""
    (shared,) = service.add_text_memory(user, SHARED, verify=True)
    yield "save"
    service.add_messages(user, [{"role": "user", "content": "likes rye"}], infer=False)
    lines = b'{"memory": "likes oats"}\n{"memory": "likes figs"}'
    service.add_document(user, "a.jsonl", lines, isolate=False)
    yield "document"
    service.update_memory(user, shared.id, "likes cocoa")
    for one in foreign:
        for call in (
            lambda one=one: service.get_memory(user, one),
            lambda one=one: service.update_memory(user, one, "stolen"),
            lambda one=one: service.delete_memory(user, one),
        ):
            with pytest.raises(MemoryNotFound):
                call()
        assert service.history(user, one) == []
    yield "another's ids"
    mine = service.list_memories(user)
    assert {one.user_id for one in mine} == {_canonical(user)}
    assert not {one.id for one in mine} & set(foreign)
    for mode in ("exact", "index"):
        hits = service.search(user, SHARED, limit=99, mode=mode).hits
        assert {hit.memory.id for hit in hits} == {one.id for one in mine}
    yield "search"
    service.delete_memory(user, shared.id)
    yield "delete"
    assert service.delete_user(user).removed == 3
    yield "delete user"
    service.add_text_memory(user, SHARED)
    assert service.forget_user(user).removed == 1
    yield "forget user"
    assert state(service, user)[0] == []


def check_apart(service: MemoryService, mine: str, theirs: str) -> None:
    service.add_text_memory(theirs, SHARED, metadata={"whose": "theirs"}, agent_id="x")
    service.add_text_memory(theirs, SHARED)
    before = state(service, theirs)
    foreign = [one.id for one in before[0]]
    assert len(foreign) == 2
    for step in use_everything(service, mine, foreign):
        assert state(service, theirs) == before, step
    total = sum(one.memories for one in service.users())
    assert (total, service.status().memories) == (2, 2)
    assert sum(service.memories_per_day().values()) == 2
    assert [*service.storage().values()] == [2, 0]


LOOK_ALIKES = [
    (".", "ann"),
    ("..", "ann"),
    ("...", ".."),
    ("ann", "ann."),
    ("*", "ann"),
    ("%", "%25"),
    ("a/b", "a%2Fb"),
    ("a/b", "a"),
    ("a", "a/b"),
    ("../v1/ann", "ann"),
    ("an", "ann"),
    ("%~" + "0" * 64, "x" * 250),
    ("🙂" * 100, "🙂" * 101),
    ("e\u0301" * 200, "e" * 200),
]


@pytest.mark.parametrize(("mine", "theirs"), LOOK_ALIKES)
def test_look_alike_users_are_apart_on_disk(
    data_dir: Path, embedder: Embedder, mine: str, theirs: str
) -> None:
    store = STORES["in_memory"](data_dir, embedder.dimensions)
    check_apart(build_service(data_dir, embedder, store), mine, theirs)


@pytest.mark.parametrize(("mine", "theirs"), [LOOK_ALIKES[0], LOOK_ALIKES[6], LOOK_ALIKES[-1]])
def test_look_alike_users_are_apart_in_chromadb(
    service: MemoryService, mine: str, theirs: str
) -> None:
    check_apart(service, mine, theirs)


def test_any_two_users_are_apart(tmp_path: Path, embedder: Embedder) -> None:
    numbers = count()

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @example((".", "a"))
    @given(pairs)
    def apart(pair: tuple[str, str]) -> None:
        folder = tmp_path / str(next(numbers))
        store = STORES["in_memory"](folder, embedder.dimensions)
        check_apart(build_service(folder, embedder, store), *pair)

    apart()


def test_extraction_for_one_user_never_shows_the_model_what_another_said(data_dir: Path) -> None:
    with openai_server() as server:
        environ = {
            "MEMORY_DATA_DIR": str(data_dir),
            "MEMORY_EMBEDDER": "local",
            "MEMORY_LLM": "openai:some-model",
            "OPENAI_API_KEY": "key",
            "OPENAI_BASE_URL": server.url,
        }
        server.answer = '{"memory": [{"id": "0", "text": "Keeps a zebrafish"}]}'
        with open_service(Settings.from_env(environ)) as service:
            for user in ("ann", "ann&user_id=bob", "bo"):
                service.add_text_memory(user, "I keep a zebrafish", infer=True, agent_id="x")
                service.add_text_memory(user, "The zebrafish is called Otto")
            server.answer = '{"memory": []}'
            service.add_text_memory("bob", "Do I keep a fish?", infer=True, agent_id="x")
        prompts = [request.prompt for request in server.asked("/chat/completions")]
        assert "zebrafish" in prompts[0]
        assert "Do I keep a fish?" in prompts[-1]
        assert "zebrafish" not in prompts[-1]


def test_spellings_of_one_user_are_one(service: MemoryService) -> None:
    spellings = ["Ann@X.com", " ann@x.com ", "ann\u200b@x.com", "ANN@X.COM\n", "a\u00adnn@x.com"]
    for number, spelling in enumerate(spellings):
        service.add_text_memory(spelling, f"number {number}")
    for spelling in spellings:
        assert len(service.list_memories(spelling)) == len(spellings)
    assert [one.user_id for one in service.users()] == ["ann@x.com"]
