"""Files -> texts -> chunks: one uploaded document becomes the memories in it.

Nothing is kept of a document that cannot be read as a whole: the first thing wrong is raised.
The libraries that read PDF, Word and unknown encodings are imported when a file needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from typing import BinaryIO

from ..errors import InvalidMemory
from ..model.child_process import ChildEnded, call_in_child
from ..model.counting import Progress
from ..model.limits import MAX_UPLOAD_BYTES
from .chunk import Chunk, clean_name, suffix_of
from .docx import read_docx
from .json_files import read_json, read_jsonl
from .pdf import read_pdf
from .prose import read_markdown, read_plain
from .tables import read_csv

__all__ = [
    "MAX_CHUNKS",
    "MAX_UPLOAD_BYTES",
    "SUPPORTED_SUFFIXES",
    "Chunk",
    "clean_name",
    "read_document",
]

MAX_CHUNKS = 20_000

_READERS: dict[str, Callable[[str, bytes], Iterator[Chunk]]] = {
    ".txt": read_plain,
    ".md": read_markdown,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_jsonl,
}

SUPPORTED_SUFFIXES = tuple(_READERS)


def read_document(
    name: str, content: bytes, *, isolate: bool = True, on_progress: Progress | None = None
) -> list[Chunk]:
    """Cut a document into chunks of whole sentences, in reading order.

    The suffix of `name` decides how the bytes are read. Prose is cut into chunks of about 300
    to 900 characters; a row, a listed memory or a chat message is a chunk of its own.

    Unless told not to `isolate`, a child process reads it, with 30 seconds and 200 MB. Meanwhile
    `on_progress` is called with zeros about four times a second; where it raises, the child ends.

    Raises:
        InvalidMemory: the file is empty, too large, of an unknown type, encrypted, broken,
            without text, or takes too much to read; one sentence that names the file.
    """
    name = clean_name(name)
    if suffix_of(name) not in _READERS:
        raise InvalidMemory(
            f'"{name}" is of a type that cannot be read; '
            f"upload one of {', '.join(SUPPORTED_SUFFIXES)}"
        )
    _check_size(name, len(content))
    source = BytesIO(content)
    if not isolate:
        return _read(source, name, len(content))
    beat: Progress | None = (lambda _done, _total: on_progress(0, 0)) if on_progress else None
    try:
        return call_in_child(_read, source, name, len(content), on_progress=beat)
    except ChildEnded as exc:
        raise InvalidMemory(
            f'"{name}" {exc}; split it, or save its text as .txt, and upload that'
        ) from exc


def _read(source: BinaryIO, name: str, size_bytes: int) -> list[Chunk]:
    reader = _READERS[suffix_of(name)]
    chunks = list(islice(reader(name, source.read(size_bytes)), MAX_CHUNKS + 1))
    _check_count(name, len(chunks))
    return chunks


def _check_size(name: str, size_bytes: int) -> None:
    if not size_bytes:
        raise InvalidMemory(f'"{name}" is empty (0 bytes); check the file and upload it again')
    if size_bytes > MAX_UPLOAD_BYTES:
        raise InvalidMemory(
            f'"{name}" has {size_bytes:,} bytes, the limit is {MAX_UPLOAD_BYTES:,} '
            f"({MAX_UPLOAD_BYTES // 1024**2} MB); split it and upload the parts"
        )


def _check_count(name: str, chunks: int) -> None:
    if not chunks:
        raise InvalidMemory(f'"{name}" holds no text; upload a file with something to remember')
    if chunks > MAX_CHUNKS:
        raise InvalidMemory(
            f'"{name}" gives more than {MAX_CHUNKS:,} memories, the limit for one document; '
            "split it and upload the parts"
        )
