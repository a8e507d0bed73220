"""Files -> texts -> chunks: one uploaded document becomes the memories in it.

A document is kept in full or not at all: the first error is raised.
The libraries that read PDF, Word and unknown encodings are imported when a file needs them.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import BinaryIO

from ..errors import InvalidMemory
from ..extras import require
from ..model.child_process import ChildEnded, call_in_child
from ..model.counting import Progress
from ..model.foreign_record import names_users
from ..model.limits import MAX_UPLOAD_BYTES
from .archive import read_archive
from .chunk import Chunk, Document, LeftOut, add_up, clean_name, suffix_of
from .conversation import is_typed_chat, parse_chat, read_message, say
from .docx import read_docx
from .json_files import read_json, read_jsonl, refuse_export
from .pdf import read_pdf
from .prose import decode, read_markdown, read_plain
from .tables import read_csv
from .whatsapp import is_whatsapp, read_whatsapp

__all__ = [
    "MAX_CHUNKS",
    "SUPPORTED_SUFFIXES",
    "Chunk",
    "Document",
    "LeftOut",
    "add_up",
    "clean_name",
    "parse_chat",
    "read_document",
    "read_message",
]

MAX_CHUNKS = 20_000


def _read_text(name: str, content: bytes) -> Iterator[Chunk | LeftOut]:
    """Yield the messages of a chat, or the chunks of prose."""
    text = decode(name, content)
    if is_whatsapp(text):
        yield from read_whatsapp(text)
    elif is_typed_chat(text):
        for number, message in enumerate(parse_chat(text), 1):
            if read := read_message(message):
                yield from say(read, f"message {number}")
    else:
        yield from read_plain(text)


_READERS: dict[str, Callable[[str, bytes], Iterator[Chunk | LeftOut]]] = {
    ".txt": _read_text,
    ".md": read_markdown,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".zip": read_archive,
}

SUPPORTED_SUFFIXES = tuple(_READERS)
_EXPORTS = (b"#holdfast", b'{"holdfast": "memories"')


def read_document(
    name: str, content: bytes, *, isolate: bool = True, on_progress: Progress | None = None
) -> Document:
    """Cut a document into chunks of whole sentences, in reading order; list what is left out.

    The suffix of `name` decides how the bytes are read. Prose is cut into chunks of about 300
    to 900 characters; a row, a listed memory or a chat message is a chunk of its own.

    With `isolate`, a child process reads it within 30 seconds and 200 MB. Meanwhile `on_progress`
    is called with zeros about four times a second; if it raises, the child is ended.

    Raises:
        InvalidMemory: the file is empty, too large, of an unknown type, encrypted, broken,
            without text, or takes too much to read; one sentence that names the file.
        MissingExtra: packages that read documents are not installed.
    """
    name = clean_name(name)
    if suffix_of(name) not in _READERS:
        raise InvalidMemory(
            f'"{name}" is of a type that cannot be read; '
            f"upload one of {', '.join(SUPPORTED_SUFFIXES)}"
        )
    require("documents")
    if not content:
        raise InvalidMemory(f'"{name}" is empty (0 bytes); check the file and upload it again')
    if len(content) > MAX_UPLOAD_BYTES:
        raise InvalidMemory(
            f'"{name}" has {len(content):,} bytes, the limit is {MAX_UPLOAD_BYTES:,} '
            f"({MAX_UPLOAD_BYTES // 1024**2} MB); split it and upload the parts"
        )
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


def _read(source: BinaryIO, name: str, size_bytes: int) -> Document:
    reader, content = _READERS[suffix_of(name)], source.read(size_bytes)
    if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_EXPORTS) or (
        reader in (_read_text, read_markdown) and names_users(decode(name, content))
    ):
        refuse_export(name)
    chunks: list[Chunk] = []
    left_out: list[LeftOut] = []
    for piece in reader(name, content):
        if isinstance(piece, LeftOut):
            left_out.append(piece)
            continue
        chunks.append(piece)
        if len(chunks) > MAX_CHUNKS:
            raise InvalidMemory(
                f'"{name}" gives more than {MAX_CHUNKS:,} memories, the limit for one document; '
                "split it and upload the parts"
            )
    phrases = add_up(left_out)
    if not chunks:
        besides = f" besides {', '.join(phrases)}" if phrases else ""
        raise InvalidMemory(
            f'"{name}" holds no text{besides}; upload a file with something to remember'
        )
    return Document(chunks, phrases)
