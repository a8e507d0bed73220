"""What an export says of itself, and what came of an export or an import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ..encoder import encode
from ..errors import InvalidMemory
from ..intake import IntakeReport

FORMAT = 1
Kind = Literal["jsonl", "csv"]


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of an export. `user_id` is None where it has every user."""

    version: str
    as_of: datetime
    user_id: str | None
    vectors: bool
    embedder: str
    dimensions: int

    def document(self) -> dict[str, Any]:
        return {
            "holdfast": "memories",
            "format": FORMAT,
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "user_id": self.user_id,
            "vectors": self.vectors,
            "embedder": {"name": self.embedder, "dimensions": self.dimensions},
        }


@dataclass(frozen=True, slots=True)
class Trailer:
    """The last line of a whole export; the checksum is that of all bytes before it."""

    memories: int
    users: int
    sha256: str

    def document(self) -> dict[str, Any]:
        return {"holdfast": "end", **encode(self)}


@dataclass(frozen=True, slots=True)
class UserPart:
    """What an export has of one user; the digest is that of `memory_core.intake.Digest`."""

    memories: int
    digest: str


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written, and where; `path` and `manifest` are None for a stream.

    `resumed` counts the memories that an earlier, interrupted call had written.
    """

    path: Path | None
    manifest: Path | None
    kind: Kind
    header: Header
    memories: int
    bytes: int
    sha256: str
    resumed: int
    users: Mapping[str, UserPart] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file. `whole` says that nothing of it is missing or was changed.

    It is None for a file that cannot say so: lines of JSON that are no export of ours.
    """

    path: Path
    kind: Kind
    header: Header | None
    whole: bool | None
    intake: IntakeReport

    @property
    def ok(self) -> bool:
        """Whether all of it was taken in as told, and read back."""
        return not self.intake.refused and self.intake.verified is not False


def to_header(document: Mapping[str, Any], name: str) -> Header:
    """Read what the first line of an export says.

    Raises:
        InvalidMemory: of another format, or damaged.
    """
    made = document.get("format")
    if made != FORMAT:
        raise InvalidMemory(
            f'"{name}" is of export format {str(made)[:20]!r}, this version of Holdfast reads '
            f"format {FORMAT}; import it with version {str(document.get('version'))[:20]!r}, which "
            "made it"
        )
    try:
        embedder = document["embedder"]
        return Header(
            version=str(document["version"]),
            as_of=datetime.fromisoformat(document["as_of"]),
            user_id=document["user_id"],
            vectors=bool(document["vectors"]),
            embedder=str(embedder["name"]),
            dimensions=int(embedder["dimensions"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidMemory(
            f'the first line of "{name}" is damaged ({exc!r}); export it again'
        ) from exc


def to_trailer(document: Mapping[str, Any]) -> Trailer | None:
    """Read what the last line says, None where it is none."""
    try:
        if document["holdfast"] != "end":
            return None
        return Trailer(int(document["memories"]), int(document["users"]), str(document["sha256"]))
    except (KeyError, TypeError, ValueError):
        return None
