"""Folders that published releases of mem0 and ChromaDB made, and what they said was in them."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from memory_core import MemoryService, normalize_user_id
from memory_core.storage.vectors.chroma import open_folder
from tests.support.paths import ROOT


def plain_collection(path: Path, name: str, rows: dict[str, dict[str, Any]]) -> None:
    """Write what another program would, through ChromaDB itself."""
    with open_folder(path).client("test", writes=True) as client:
        collection = client.create_collection(name, embedding_function=None)
        collection.upsert(
            ids=[*rows],
            embeddings=np.eye(len(rows), 8, dtype=np.float32),
            metadatas=[*rows.values()],
        )
    open_folder(path).close()


SOURCES = ROOT / "tests" / "transfer" / "sources"
RELEASES = sorted(path.name.removesuffix(".tar.xz") for path in SOURCES.glob("*.tar.xz"))


@dataclass(frozen=True)
class Old:
    """One folder of mem0: ChromaDB with two collections, and the history."""

    folder: Path

    @property
    def chroma(self) -> str:
        return f"chroma:{self.folder / 'chroma'}"

    @property
    def history(self) -> Path:
        return self.folder / "history.db"

    @cached_property
    def live(self) -> dict[str, dict[str, Any]]:
        """Every memory by its id, as mem0 itself returned it."""
        found: dict[str, dict[str, Any]] = json.loads((self.folder / "manifest.json").read_text())[
            "live"
        ]
        return found


def unpack(release: str, folder: Path) -> Old:
    """Lay a folder of a release out, as it was made."""
    with tarfile.open(SOURCES / f"{release}.tar.xz") as archive:
        # Python before 3.11.4 has no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    return Old(folder / release)


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return everything below a folder: its names, times and content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }


def contents(service: MemoryService) -> dict[str, tuple[Any, ...]]:
    """Return everybody's memories by id: user, text, times, scope and metadata."""
    return {
        one.id: (
            one.user_id,
            one.memory,
            one.created_at,
            one.updated_at,
            one.agent_id,
            one.run_id,
            dict(one.metadata),
        )
        for user in service.users()
        for one in service.list_memories(user.user_id)
    }


def expected(old: Old) -> dict[str, tuple[Any, ...]]:
    """Return the same of what mem0 said of a folder."""
    from memory_core.model.payload import parse_time

    return {
        one: (
            normalize_user_id(said["user_id"]),
            said["memory"],
            parse_time(said["created_at"]),
            parse_time(said["updated_at"] or said["created_at"]),
            said.get("agent_id"),
            said.get("run_id"),
            {key: value for key, value in (said.get("metadata") or {}).items() if key != "role"},
        )
        for one, said in old.live.items()
    }
