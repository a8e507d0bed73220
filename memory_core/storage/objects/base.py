"""The interface of an object store: named blobs, which the ledger is written to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from typing import Final, Protocol

from ...errors import EntryExists

_SAME_MOMENT_S: Final = 0.3


class ObjectStore(Protocol):
    """Blobs under `/`-separated keys, written once and never changed.

    Keys sort by their UTF-8 bytes. Failures of the medium are `BackendError`s.
    """

    @property
    def lists_freely(self) -> bool:
        """True if `list` costs no request."""

    @property
    def atomic_puts(self) -> bool:
        """True if exactly one of several simultaneous `put_if_absent` of a key wins.

        If False, objects that must not be overwritten need names that nobody else takes.
        """

    @property
    def in_order(self) -> bool:
        """True if `list` is in the order of the keys, so that ranges of it can be read."""

    @property
    def left_out(self) -> Set[str]:
        """The folders whose keys a listing was seen to leave out, each with its slash.

        These keys were read and yielded anyway; whether others were left out is not known.
        """

    def put_if_absent(self, key: str, data: bytes) -> None:
        """Write durably and atomically.

        Raises:
            EntryExists: an object of that name exists; nothing was changed.
        """

    def replace(self, key: str, data: bytes) -> None:
        """Write durably and atomically, replacing a damaged object, or a mere cache."""

    def get(self, key: str) -> bytes | None:
        """Return the content, None if there is no such object."""

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of the objects that exist, read in parallel if that is faster."""

    def list(self, prefix: str, start_after: str = "") -> Iterator[str]:
        """Yield, in order, every key that begins with `prefix` and sorts after `start_after`."""

    def folders(self, prefix: str) -> Iterator[str] | None:
        """Yield the names directly below `prefix`, in no order; those of folders have a slash.

        Return None if that takes as many requests as listing all keys.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; missing ones are not an error."""

    def sweep(self) -> None:
        """Remove the unfinished files of writers that died."""

    def version(self, prefix: str) -> str | None:
        """Return a token that changes when `list(prefix)` may, None if none is cheap."""


def take(objects: ObjectStore, key: str, data: bytes, *, own_name: bool = False) -> bool:
    """Write an object that only one writer may write; return False if another one did.

    With `own_name`, nobody else takes the name. Otherwise, if puts are not atomic, the object is
    read back once simultaneous puts have ended: the last of them counts.
    """
    with suppress(EntryExists):
        objects.put_if_absent(key, data)
        if own_name or objects.atomic_puts:
            return True
        time.sleep(_SAME_MOMENT_S)
    # Our own write whose acknowledgement was lost counts as done.
    return objects.get(key) == data
