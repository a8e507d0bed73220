"""An index of S3 Vectors read whole, whoever filled it."""

from __future__ import annotations

from collections.abc import Iterator

from ..aws import Aws
from ..records import IndexInfo
from .base import Vector
from .s3_index import IndexName, describe_index
from .s3_vectors import to_values

_PAGE = 500


class S3Reader:
    """Reads only. `pages` costs a request for some hundred vectors, about a megabyte each."""

    def __init__(self, aws: Aws, index: IndexName) -> None:
        self._aws = aws
        self._index = index

    def describe(self) -> IndexInfo:
        """Return what the index says of itself; raises IndexMismatch where there is none."""
        return describe_index(self._aws, self._index)

    def pages(self) -> Iterator[list[Vector]]:
        """Yield every vector with its payload, page by page, in no order."""
        token: dict[str, str] = {}
        while True:
            page = self._aws.ask(
                "s3vectors",
                "ListVectors",
                str(self._index),
                **self._index.address,
                maxResults=_PAGE,
                returnData=True,
                returnMetadata=True,
                **token,
            )
            yield [
                Vector(one["key"], one.get("metadata") or {}, to_values(one))
                for one in page["vectors"]
            ]
            # A short page, even an empty one, is not the end.
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}

    def close(self) -> None:
        self._aws.close()
