"""Make a folder of memories with a published mem0 and ChromaDB, as its users have them.

Run it with the Python of an environment that has them, and nothing of Holdfast:

    python -m venv old && old/bin/pip install "mem0ai==1.0.*" chromadb
    old/bin/python scripts/make-migration-sources.py mem0-1.0

The archive goes to tests/transfer/sources/NAME.tar.xz; its manifest says what is in it and which
versions made it. Vectors follow from the letters of a text (tests/support/intakes.py makes the
same), so that no model is needed.
"""

import hashlib
import json
import os
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

os.environ.update(MEM0_TELEMETRY="False", ANONYMIZED_TELEMETRY="False", OPENAI_API_KEY="unused")
TARGET = Path(__file__).resolve().parent.parent / "tests" / "migration" / "sources"
DIMENSIONS = 8
USERS = ("Ann@Example.com", "ann@example.com", "bob", "BOB", "zoë@example.org")
FILES = 40


class Letters:
    """An embedder that needs no model."""

    config = SimpleNamespace(embedding_dims=DIMENSIONS)

    def embed(self, text, memory_action=None):
        digest = hashlib.sha256(text.encode()).digest()
        row = [value - 127.5 for value in digest[:DIMENSIONS]]
        length = sum(value * value for value in row) ** 0.5
        return [value / length for value in row]

    def embed_batch(self, texts, memory_action=None):
        return [self.embed(text) for text in texts]


def open_memory(folder, collection):
    from mem0 import Memory

    memory = Memory.from_config(
        {
            "vector_store": {
                "provider": "chroma",
                "config": {"collection_name": collection, "path": str(folder / "chroma")},
            },
            "llm": {"provider": "openai", "config": {"api_key": "unused"}},
            "embedder": {"provider": "openai", "config": {"api_key": "unused"}},
            "history_db_path": str(folder / "history.db"),
            "version": "v1.1",
        }
    )
    memory.embedding_model = Letters()
    return memory


def add(memory, text, **more):
    """Add a text as it is; releases before 0.1.60 have no `infer`."""
    if "infer" in memory.add.__code__.co_varnames:
        (made,) = memory.add([{"role": "user", "content": text}], infer=False, **more)["results"]
        return made["id"]
    scope = {key: more.pop(key) for key in ("user_id", "agent_id", "run_id") if key in more}
    return memory._create_memory(text, {}, {**scope, **more.pop("metadata", {})})


def fill(memory):
    made = []
    for number in range(FILES):
        user = USERS[number % len(USERS)]
        more = {"metadata": {"topic": f"t{number % 3}", "weight": 0.1 * number, "kept": True}}
        if number % 4 == 0:
            more["agent_id"] = "chef"
        if number % 5 == 0:
            more["run_id"] = f"run-{number}"
        made.append(add(memory, f"memory {number} of somebody: größer, 東京", user_id=user, **more))
    for one in made[:3]:
        memory.update(one, "an updated text " + one[:4])
    memory.update(made[0], "updated twice")
    for one in made[-2:]:
        memory.delete(one)
    return made[:-2]


def main(name):
    import chromadb

    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, name)
        folder.mkdir()
        client = chromadb.PersistentClient(str(folder / "chroma"))
        client.create_collection(
            "cosine",
            metadata={"hnsw:space": "cosine", "hnsw:sync_threshold": 9, "hnsw:batch_size": 7},
            embedding_function=None,
        )
        live = {}
        for collection in ("mem0", "cosine"):
            memory = open_memory(folder, collection)
            for one in fill(memory):
                found = memory.get(one)
                raw = memory.vector_store.get(one).payload
                live[one] = {**found, "user_id": raw["user_id"], "collection": collection}
        manifest = {
            "versions": {one: version(one) for one in ("mem0ai", "chromadb")},
            "live": live,
        }
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, default=str))
        TARGET.mkdir(parents=True, exist_ok=True)
        del client, memory
        with tarfile.open(TARGET / f"{name}.tar.xz", "w:xz") as archive:
            archive.add(folder, name)
    sys.stdout.write(f"{name}: {len(live)} memories, {manifest['versions']}\n")


if __name__ == "__main__":
    main(sys.argv[1])
