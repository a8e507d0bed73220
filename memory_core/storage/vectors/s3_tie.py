"""The tie between an index of S3 Vectors and the ledger whose memories it holds.

A tag of the index names the ledger. If tags are refused or unknown, as by a policy of earlier
releases or by a compatible server, a reserved vector does.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from ...errors import AccessDenied, BackendError, BackendUnavailable, IndexMismatch
from ...model.records import IndexInfo
from ..aws import Aws, Retries
from .base import Vector
from .s3_index import IndexName

TIE = "holdfast:ledger"
"""The tag, and the key of the reserved vector."""

_LONGEST_VALUE = 256
# Some servers accept no key that the first vector of an index did not have.
_NOTE = "data"
_QUICK = Retries(budget_s=1.0)
_logger = logging.getLogger("memory_core")

RecordedElsewhere = Callable[[Sequence[Vector]], bool]
"""Returns whether most of some stored vectors were recorded by a ledger other than ours."""


def ledger_name(bucket: str, prefix: str) -> str:
    """Return the address of a ledger; characters that a tag cannot have are written as `=2A`."""
    name = quote(f"s3://{bucket}/{prefix}", safe="/:@+").replace("~", "%7E").replace("%", "=")
    if len(name) <= _LONGEST_VALUE:
        return name
    return f"{name[:180]}={hashlib.sha256(name.encode()).hexdigest()}"


class IndexTie:
    """The ledger that an index names; `info` is the description of the index."""

    def __init__(self, aws: Aws, index: IndexName, info: IndexInfo) -> None:
        self.has_tags = bool(info.arn)
        self._aws = aws if self.has_tags else Aws(aws.settings, retries=_QUICK)
        self._index = index
        self._info = info

    def read(self) -> str:
        """Return the ledger that the index is tied to, empty if it names none yet."""
        tags = (self._ask_tags("ListTagsForResource") or {}).get("tags", {})
        return str(tags.get(TIE) or self._read_vector())

    def check(self, ledger: str) -> bool:
        """Return whether the index is tied to this ledger; False if it names none yet.

        Raises:
            IndexMismatch: it is tied to another one; names both.
        """
        tied_to = self.read()
        if tied_to not in ("", ledger):
            raise _refusal(f"{self._index} belongs to the ledger {tied_to}", ledger)
        return tied_to == ledger

    def check_vectors(
        self, ledger: str, sample: Sequence[Vector], elsewhere: RecordedElsewhere
    ) -> None:
        """Raise IndexMismatch if most memories of an untied index were recorded elsewhere."""
        if elsewhere(sample):
            raise _refusal(
                f"another installation recorded the memories in {self._index}",
                ledger,
                f", or, if they are from here, give the index the tag {TIE}={ledger}",
            )

    def make(self, ledger: str) -> None:
        """Tie an index that names no ledger yet to this one.

        Raises:
            IndexMismatch: another installation was faster.
        """
        try:
            if self._ask_tags("TagResource", tags={TIE: ledger}) is None:
                # It names no user, so that no search finds it.
                data = {"float32": [1.0] + [0.0] * (self._info.dimensions - 1)}
                vector = {"key": TIE, "data": data, "metadata": {_NOTE: ledger}}
                self._ask("PutVectors", vectors=[vector])
        except BackendUnavailable:
            # A compatible server may keep a vector and say that it failed.
            if self.has_tags or not self._read_vector():
                raise
        except AccessDenied as exc:
            # A read-only role can do no harm.
            _logger.info("%s is not tied to the ledger %s: %s", self._index, ledger, exc)
            return
        self.check(ledger)

    def _ask_tags(self, operation: str, **members: Any) -> dict[str, Any] | None:
        """Return the answer, None if tags are refused or unknown."""
        if not self.has_tags:
            return None
        where, arn = str(self._index), self._info.arn
        try:
            return self._aws.ask("s3vectors", operation, where, resourceArn=arn, **members)
        except BackendUnavailable:
            raise
        except BackendError:
            return None

    def _read_vector(self) -> str:
        try:
            answer = self._ask("GetVectors", keys=[TIE], returnMetadata=True)
        except BackendUnavailable:
            if self.has_tags:
                raise
            # A compatible server may fail until the first vector is put.
            return ""
        notes = [(vector.get("metadata") or {}).get(_NOTE) for vector in answer.get("vectors", ())]
        return str(notes[0] or "") if notes else ""

    def _ask(self, operation: str, **members: Any) -> dict[str, Any]:
        where = str(self._index)
        return self._aws.ask("s3vectors", operation, where, **self._index.address, **members)


def _refusal(finding: str, ledger: str, remedy: str = "") -> IndexMismatch:
    return IndexMismatch(
        f"{finding}, and this installation keeps its ledger in {ledger}; correct AWS_S3_BUCKET and "
        "MEMORY_PREFIX, or set MEMORY_INDEX to a name of its own and run "
        f"`python -m memory_core rebuild`{remedy}",
        backend="s3_vectors",
        operation="open",
    )
