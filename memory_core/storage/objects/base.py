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
        """True if of several simultaneous `put_if_absent` of a key one wins.

        Where it is false, what must not be overwritten takes a name that nobody else takes.
        """

    @property
    def in_order(self) -> bool:
        """True if `list` is in the order of the keys, so that ranges of it can be read."""

    @property
    def left_out(self) -> Set[str]:
        """The folders of which a listing was seen to leave keys out, each with its slash.

        Their keys were read and yielded all the same; what else was left out is not known.
        """

    def put_if_absent(self, key: str, data: bytes) -> None:
        """Write durably and atomically.

        Raises:
            EntryExists: an object of that name exists; nothing was changed.
        """

    def replace(self, key: str, data: bytes) -> None:
        """Write durably and atomically, in place of what is there: damaged, or only a cache."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return the content, or None when there is no such object."""

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those that exist, read in parallel where that is faster."""

    def list(self, prefix: str, start_after: str = "") -> Iterator[str]:
        """Yield, in order, every key that begins with `prefix` and sorts after `start_after`."""

    def folders(self, prefix: str) -> Iterator[str] | None:
        """Yield, in no order, the names right below `prefix`, those of folders with a slash.

        None where that takes as many requests as listing all keys.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; those already gone are no error."""

    def sweep(self) -> None:
        """Remove the unfinished files of writers that died."""

    def version(self, prefix: str) -> str | None:
        """Return a token that differs when `list(prefix)` may, or None where none is cheap."""


def take(objects: ObjectStore, key: str, data: bytes, *, own_name: bool = False) -> bool:
    """Write an object that one writer alone may write; return False if another one did.

    With `own_name` nobody else takes the name. Else, where puts are not atomic, the object is read
    back once those of the same moment are through: the last of them counts.
    """
    with suppress(EntryExists):
        objects.put_if_absent(key, data)
        if own_name or objects.atomic_puts:
            return True
        time.sleep(_SAME_MOMENT_S)
    # Our own write whose acknowledgement was lost counts as done.
    return objects.get(key) == data
