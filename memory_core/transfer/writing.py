"""The lines of an export written and counted, and the manifest beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InvalidMemory
from ..intake import Digest
from .lines import BOM, COLUMNS, HEAD_CELL, TAIL_CELL, cells_line, csv_line, json_line
from .reading import open_export
from .values import ExportReport, Header, Kind, Trailer, UserPart


class Writer:
    """Writes lines and counts them."""

    def __init__(self, file: BinaryIO, kind: Kind, header: Header) -> None:
        self.users: dict[str, Digest] = {}
        self.memories = 0
        self._file = file
        self._kind = kind
        self._header = header
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    @property
    def with_vectors(self) -> bool:
        return self._header.vectors

    def go_on(self, part: Path) -> None:
        """Take over what an earlier call wrote, but for the last user, who may not be complete."""
        last, begins = "", 0
        # What was cut off within its first line, or had none, is begun again.
        if b"\n" in self._file.read(4096):
            with open_export(part) as reader:
                self._check_same(reader.header, reader.kind, part.name)
                for row in reader.rows():
                    if row.problem:
                        break
                    if row.document["user_id"] != last:
                        last, begins = row.document["user_id"], row.start
                    digest = self.users.setdefault(last, Digest())
                    digest.add(row.document["id"], row.document["memory"])
        self.users.pop(last, None)
        self._file.truncate(begins)
        self._file.seek(0)
        while chunk := self._file.read(1024**2):
            self._count(chunk)
        self.memories = sum(one.count for one in self.users.values())

    def begin(self) -> None:
        """Write what comes before the memories."""
        if self._bytes:
            return
        if self._kind == "jsonl":
            self._write(json_line(self._header.document()))
            return
        head = json.dumps(self._header.document(), ensure_ascii=False)
        self._write(BOM + cells_line([HEAD_CELL, head]) + cells_line(COLUMNS))

    def add(self, document: dict[str, Any], values: Any) -> None:
        """Write one memory."""
        line = csv_line(document) if self._kind == "csv" else json_line(document, values)
        self._write(line)
        self.users.setdefault(document["user_id"], Digest()).add(document["id"], document["memory"])
        self.memories += 1

    def end(self) -> None:
        """Write the line that makes it whole."""
        trailer = Trailer(self.memories, len(self.users), self._sha256.hexdigest()).document()
        if self._kind == "jsonl":
            self._write(json_line(trailer))
        else:
            self._write(cells_line([TAIL_CELL, json.dumps(trailer)]))
        self._file.flush()

    def report(self, path: Path | None, manifest: Path | None, resumed: int) -> ExportReport:
        return ExportReport(
            path=path,
            manifest=manifest,
            kind=self._kind,
            header=self._header,
            memories=self.memories,
            bytes=self._bytes,
            sha256=self._sha256.hexdigest(),
            resumed=resumed,
            users={user: UserPart(one.count, str(one)) for user, one in self.users.items()},
        )

    def _check_same(self, begun: Header | None, kind: Kind, name: str) -> None:
        asked = self._header
        same = (asked.user_id, asked.vectors, asked.embedder, asked.dimensions, self._kind)
        if begun is None or same != (
            begun.user_id, begun.vectors, begun.embedder, begun.dimensions, kind
        ):  # fmt: skip
            raise InvalidMemory(
                f'"{name}" was begun with other options; use the same ones, or export without '
                "--resume to begin again"
            )
        self._header = begun

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._count(data)

    def _count(self, data: bytes) -> None:
        self._sha256.update(data)
        self._bytes += len(data)


def write_manifest(report: ExportReport) -> None:
    """Write what the file has of each user beside it."""
    assert report.path is not None
    assert report.manifest is not None
    document = {
        **report.header.document(),
        "file": report.path.name,
        "kind": report.kind,
        "finished_at": datetime.now(UTC).isoformat(),
        "bytes": report.bytes,
        "sha256": report.sha256,
        "memories": report.memories,
        "users": len(report.users),
        "per_user": {user: asdict(one) for user, one in report.users.items()},
    }
    part = report.manifest.with_name(f"{report.manifest.name}.part")
    part.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    part.chmod(0o600)
    part.replace(report.manifest)
