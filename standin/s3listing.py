"""Listings of the objects in a bucket of moto, written in one go.

A store asks for nothing as often as for these, and moto needs several times as long for one.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape

from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey

from .httpd import Response

MEMBERS = frozenset(
    {
        "continuation-token",
        "delimiter",
        "encoding-type",
        "list-type",
        "max-keys",
        "prefix",
        "start-after",
    }
)
"""The parameters of a request that `list_objects` knows."""
PAGE = 1000
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def list_objects(bucket: FakeBucket, asked: Mapping[str, str]) -> Response:
    """Answer ListObjectsV2: a page of keys, and of folders where there is a delimiter."""
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    limit = int(asked.get("max-keys", PAGE))
    token, start = asked.get("continuation-token", ""), asked.get("start-after", "")
    after = urlsafe_b64decode(token).decode() if token else start
    entries = _entries(bucket, prefix, delimiter)
    # By their characters, which for UTF-8 is by their bytes.
    names = sorted(name for name in entries if name > after)
    page = names[:limit]

    def written(name: str) -> str:
        return quote(name) if asked.get("encoding-type") == "url" else escape(name)

    parts = [
        f"<Name>{bucket.name}</Name><Prefix>{written(prefix)}</Prefix>",
        f"<MaxKeys>{limit}</MaxKeys><KeyCount>{len(page)}</KeyCount>",
        f"<IsTruncated>{str(0 < limit < len(names)).lower()}</IsTruncated>",
    ]
    if delimiter:
        parts.append(f"<Delimiter>{written(delimiter)}</Delimiter>")
    if "encoding-type" in asked:
        parts.append(f"<EncodingType>{asked['encoding-type']}</EncodingType>")
    if 0 < limit < len(names):
        following = urlsafe_b64encode(page[-1].encode()).decode()
        parts.append(f"<NextContinuationToken>{following}</NextContinuationToken>")
    if start and not token:
        parts.append(f"<StartAfter>{written(start)}</StartAfter>")
    parts += [_element(written(name), entries[name]) for name in page]
    body = (
        f'<?xml version="1.0" encoding="utf-8"?>\n<ListBucketResult xmlns="{_NAMESPACE}">'
        f"{''.join(parts)}</ListBucketResult>"
    )
    headers = (("Content-Type", "application/xml"), ("x-amz-request-id", "STANDIN"))
    return Response(200, headers, body.encode())


def _entries(bucket: FakeBucket, prefix: str, delimiter: str) -> dict[str, FakeKey | None]:
    """Return the newest version of each key, and None for each folder."""
    entries: dict[str, FakeKey | None] = {}
    for name in list(bucket.keys):
        versions = bucket.keys.getlist(name, []) if name.startswith(prefix) else []
        if not versions or isinstance(versions[-1], FakeDeleteMarker):
            continue
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            entries[name] = versions[-1]
        else:
            entries[name[: end + len(delimiter)]] = None
    return entries


def _element(name: str, key: FakeKey | None) -> str:
    if key is None:
        return f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
    return (
        f"<Contents><Key>{name}</Key><LastModified>{key.last_modified_ISO8601}</LastModified>"
        f"<ETag>{key.etag}</ETag><Size>{key.size}</Size>"
        f"<StorageClass>{key.storage_class}</StorageClass></Contents>"
    )
