"""ChromaDB folders whose vectors lie in files from the first on, and damage to these files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory_core import MemoryService, Settings, open_service
from memory_core.storage.vectors.chroma import open_folder

INDEX = "mem0-wordllama-256"
SOLDIERS = 60
SAVED = SOLDIERS + 5
TEXTS = ["likes tea", "likes rye", "likes oats", "plays the oboe"]


def make_collection(folder: Path, name: str = INDEX, every: int = 2) -> None:
    """Make the collection so that ChromaDB writes its files after so many vectors, not 1,000."""
    hnsw = {"space": "cosine", "batch_size": 2, "sync_threshold": every}
    with open_folder(folder).client("make", writes=True) as client:
        configuration: Any = {"hnsw": hnsw}
        client.create_collection(name, configuration=configuration, embedding_function=None)
    open_folder(folder).close()


def open_on(data_dir: Path) -> MemoryService:
    return open_service(Settings.from_env({"MEMORY_DATA_DIR": str(data_dir)}))


def fill_files(data_dir: Path) -> None:
    """Save the texts for ann and some for bob, in vector files."""
    # Vectors that wait beside the files are put into the graph on opening: damage ends the process.
    make_collection(data_dir / "chroma", every=SOLDIERS)
    with open_on(data_dir) as service:
        for text in TEXTS:
            service.add_text_memory("ann", text)
        others = [{"role": "user", "content": f"owns {n} tin soldiers"} for n in range(SOLDIERS)]
        service.add_messages("bob", others, infer=False)
        service.add_text_memory("bob", "owns a drum")
        assert service.audit().clean


def overwrite(
    data_dir: Path,
    name: str = "data_level0.bin",
    damage: Callable[[bytes], bytes] = lambda content: b"\xff" * len(content),
) -> None:
    """Write other bytes over the files of a name; each of them is there."""
    files = [*(data_dir / "chroma").glob(f"*/{name}")]
    assert files
    for file in files:
        file.write_bytes(damage(file.read_bytes()))
