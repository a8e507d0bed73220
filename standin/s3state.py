"""Durable S3 for moto, which keeps everything in memory.

After each successful change the touched object (all its versions) or bucket (without its
objects) is pickled into the state file; at start they are put back into moto's backend.
Version ids, times and ETags survive. Multipart uploads not yet completed do not.
The pickles belong to one version of moto: the file is state for tests, not an archive.
"""

from __future__ import annotations

import copy
import pickle
import secrets
from typing import Any
from xml.etree import ElementTree

from moto.s3.models import FakeBucket, S3Backend, s3_backends

from .httpd import Request
from .s3names import bucket_and_key
from .state import Row, Store

PARTITION = "aws"


class S3State:
    """Moto's S3 backend of one account, and its copy in a store."""

    def __init__(self, store: Store):
        self._store = store
        self.account = self._account()
        self._restore()

    @property
    def _backend(self) -> S3Backend:
        return s3_backends[self.account][PARTITION]

    def keep(self, request: Request, operation: str) -> None:
        """Write what a successful request changed."""
        bucket_name, key = bucket_and_key(request)
        if not self._store.durable or not bucket_name:
            return
        if operation == "DeleteBucket":
            self._store.drop_owner("s3-key", bucket_name, [Row("s3-bucket", "", bucket_name)])
            return
        bucket = self._backend.buckets[bucket_name]
        keys = [key] if key else _keys_of(request) if operation == "DeleteObjects" else []
        if keys:
            self._keep_objects(bucket, keys)
        else:
            self._keep_bucket(bucket)
        if "tagging" in request.query_string or "x-amz-tagging" in request.headers:
            self._store.write([Row("s3-tags", "", "", pickle.dumps(self._backend.tagger))])

    def has_bucket(self, name: str) -> bool:
        """Tell if there is a bucket of S3 of that name."""
        return name in self._backend.buckets

    def bucket(self, name: str) -> FakeBucket | None:
        """Return the bucket of S3 of that name, if there is one."""
        return self._backend.buckets.get(name)

    def close(self) -> None:
        """Empty moto's copy; the disk keeps its own."""
        self._backend.reset()
        for name in list(self._backend.buckets):
            s3_backends.bucket_accounts.pop(name, None)
        self._backend.buckets.clear()

    def _account(self) -> str:
        for row in self._store.rows("s3-account"):
            return row.name
        account = f"9{secrets.randbelow(10**11):011}"
        self._store.write([Row("s3-account", "", account)])
        return account

    def _restore(self) -> None:
        backend = self._backend
        for row in self._store.rows("s3-tags"):
            backend.tagger = pickle.loads(row.value)
        for row in self._store.rows("s3-bucket"):
            backend.buckets[row.name] = pickle.loads(row.value)
            s3_backends.bucket_accounts[row.name] = (PARTITION, self.account)
        for row in self._store.rows("s3-key"):
            backend.buckets[row.owner].keys.setlist(row.name, pickle.loads(row.value))

    def _keep_bucket(self, bucket: FakeBucket) -> None:
        bare = copy.copy(bucket)
        bare.keys, bare.multiparts = type(bucket.keys)(), type(bucket.multiparts)()
        self._store.write([Row("s3-bucket", "", bucket.name, pickle.dumps(bare))])

    def _keep_objects(self, bucket: FakeBucket, keys: list[str]) -> None:
        puts: list[Row] = []
        deletes: list[Row] = []
        for key in keys:
            versions: list[Any] = bucket.keys.getlist(key, [])
            row = Row("s3-key", bucket.name, key, pickle.dumps(versions))
            (puts if versions else deletes).append(row)
        self._store.write(puts, deletes)


def _keys_of(request: Request) -> list[str]:
    tree = ElementTree.fromstring(request.body)
    return [node.text or "" for node in tree.iter() if node.tag.rpartition("}")[2] == "Key"]
