"""The server at an address: Amazon's, or one that was set by hand, and its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

STAND_IN: Final = "x-holdfast-stand-in"
"""A header in answers of our own stand-in: the server whose manners it has."""

_AMAZON: Final = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws")
# Begins a header of every answer: x-amz-request-id of S3, x-amzn-requestid of others.
_HEADER_MARK: Final = "x-amz"
# By a word in the `Server` header or the name of the host.
_SERVERS: Final = {
    "noobaa": "NooBaa",
    "ceph": "Ceph",
    "rgw": "Ceph",
    "s3mock": "S3Mock",
    "floci": "floci",
    "supabase": "Supabase Storage",
}
# The name of Amazon's service, and of any other server in its place.
_NAMES: Final = {
    "s3": ("Amazon S3", "an S3 server"),
    "s3vectors": ("Amazon S3 Vectors", "an S3 Vectors server"),
    "sts": ("AWS STS", "an STS server"),
    "bedrock-runtime": ("Amazon Bedrock", "a server of models"),
}
# Members that the API requires, but some servers leave out and nothing here reads.
_UNREAD: Final = frozenset({"indexArn", "vectorBucketArn", "distanceMetric"})
_SHAPES: Final = {"structure": dict, "list": list, "string": str}


def is_marked(headers: Mapping[str, str]) -> bool:
    """Return whether an answer has a header of Amazon's."""
    return any(name.lower().startswith(_HEADER_MARK) for name in headers)


class Endpoint:
    """The address of a service, and what its answers have shown of the server so far."""

    def __init__(self, service: str, url: str | None) -> None:
        self.service = service
        self._amazons, self._any_server = _NAMES[service]
        self.url = url
        host = urlsplit(url or "").hostname or ""
        self.foreign = bool(url) and not host.endswith(_AMAZON)
        """The address is not one of Amazon's."""
        self._server = ""
        self._manners = ""
        self._marks = False
        self._fits = False

    @property
    def stand_in(self) -> bool:
        """The server is our own stand-in."""
        return bool(self._manners)

    @property
    def own(self) -> bool:
        """The server was set by hand and has manners of its own.

        Our stand-in with the manners of Amazon is treated as Amazon is.
        """
        return self.foreign and not self._manners.startswith("aws")

    @property
    def unmarked(self) -> bool:
        """The server was set by hand and has marked no answer, so an empty one proves nothing."""
        return self.own and not self._marks

    @property
    def server(self) -> str:
        """The name of the product, empty if its answers do not say."""
        said = f"{self._server} {self._manners} {urlsplit(self.url or '').hostname}".lower()
        return next((name for word, name in _SERVERS.items() if word in said), "")

    @property
    def title(self) -> str:
        """The server in an error, with its address if that was set by hand."""
        return self.place if self.own else self._amazons

    @property
    def place(self) -> str:
        """The server in words, with our own stand-in named as such."""
        if not self.foreign:
            return self._amazons
        if self.stand_in:
            kind = f"a stand-in for {self.server or self._amazons}"
        else:
            kind = self.server or self._any_server
        return f"{kind} at {self.url}"

    def hear(self, headers: Mapping[str, str]) -> None:
        """Note what the headers of an answer say about the server."""
        if self._manners or (self._server and self._marks):
            return
        facts = {name.lower(): value for name, value in headers.items()}
        self._server = facts.get("server", "")
        self._manners = facts.get(STAND_IN, "")
        self._marks = self._marks or is_marked(headers)

    def fits(self, answer: object, output: Any) -> bool:
        """Return whether an unmarked answer can be the server's, by the operation's shape.

        A server that has marked an answer marks all of them. An empty object is accepted only from
        one that has given a full answer before.
        """
        if self.service != "s3vectors" or not self.unmarked or not isinstance(answer, dict):
            return False
        if not (output and output.members):
            return self._fits
        members = output.members
        present = {name: val for name, val in answer.items() if name in members and val is not None}
        whole = present.keys() >= {*output.required_members} - _UNREAD
        right = all(
            isinstance(value, _SHAPES.get(members[name].type_name, object))
            for name, value in present.items()
        )
        fits = whole and right and bool(present)
        self._fits |= fits
        return fits
