"""Objects in an S3 bucket, below a prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ...errors import BackendError, EntryExists, SettingsError
from ...model.counting import batches
from ...model.server_card import ServerManners
from ..aws import Aws
from ..aws.client import each

_BATCH = 1000
_NEXT_KEYS = {"ContinuationToken": "NextContinuationToken"}
_NEXT_VERSIONS = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}


class S3Objects:
    """One prefix of a bucket; the first call is the first request to AWS."""

    lists_freely = False

    def __init__(self, aws: Aws, bucket: str, prefix: str) -> None:
        self._aws = aws
        self._bucket = bucket
        self._prefix = prefix
        self.left_out: set[str] = set()
        self.manners: Callable[[], ServerManners] = ServerManners

    @property
    def atomic_puts(self) -> bool:
        return self.manners().atomic_puts

    @property
    def in_order(self) -> bool:
        return not self._aws.endpoint("s3").own

    def put_if_absent(self, key: str, data: bytes) -> None:
        try:
            self._ask("PutObject", Key=self._prefix + key, Body=data, IfNoneMatch="*")
        except BackendError as exc:
            if exc.code != "PreconditionFailed":
                raise
            raise EntryExists(f"object {key!r} exists already") from exc

    def replace(self, key: str, data: bytes) -> None:
        self._ask("PutObject", Key=self._prefix + key, Body=data)

    def get(self, key: str) -> bytes | None:
        def read(s3: Any) -> bytes:
            answer = s3.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return bytes(answer["Body"].read())

        try:
            return self._aws.run("s3", "GetObject", self._where, read)
        except BackendError as exc:
            if exc.code == "InvalidObjectState":
                name = f"object {self._prefix + key!r} in {self._where}"
                raise self._aws.error("s3", "GetObject", name, exc.code, "") from exc
            if exc.code != "NoSuchKey":
                raise
            return None

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        wanted = list(keys)
        contents = zip(wanted, each(self.get, wanted), strict=True)
        return {key: data for key, data in contents if data is not None}

    def list(self, prefix: str, start_after: str = "") -> Iterator[str]:
        """Yield the keys as `ObjectStore.list`; a server set by hand is checked against itself.

        If a page ends within a folder, the rest is read from the folder itself. If the next page
        lacks it, or the server is known to lose keys, folders that were not listed are looked for.
        A folder that is listed again is skipped.
        """
        early, done, pages = set[str](), set[str](), 0
        for page in self._list_pages(prefix, start_after):
            pages += 1
            if self.in_order or not page:
                yield from page
                continue
            for folder, keys in groupby(page, key=_folder):
                part, repeated = [*keys], folder in done
                yield from () if repeated else [key for key in part if key not in early]
                early.difference_update(part)
                if len(folder) > len(prefix):
                    done.add(folder)
            if folder in done and not repeated:
                rest = {key for keys in self._list_pages(folder, page[-1]) for key in keys}
                early |= rest
                yield from sorted(rest)
        # Deleted in the meantime, or left out.
        lost = {
            folder
            for folder in map(_folder, early)
            if any(key in early for part in self._list_pages(folder) for key in part)
        }
        self.left_out |= lost
        if pages > 1 and done and (lost or not self.manners().lists_all):
            yield from self._unlisted(prefix, start_after, done)

    def names_in_pages(self, prefix: str, size: int) -> Sequence[str]:
        """Return the keys of a listing in pages of a size, unchecked."""
        return [key for page in self._list_pages(prefix, MaxKeys=size) for key in page]

    def _unlisted(self, prefix: str, start_after: str, listed: set[str]) -> Iterator[str]:
        """Yield the keys in folders directly below `prefix` that a listing lacked entirely."""
        known = {prefix + name[len(prefix) :].partition("/")[0] + "/" for name in listed}
        members = {"Prefix": self._prefix + prefix, "Delimiter": "/"}
        for page in self._pages("ListObjectsV2", _NEXT_KEYS, **members):
            for common in page.get("CommonPrefixes", ()):
                folder = common["Prefix"].removeprefix(self._prefix)
                keys = () if folder in known else tuple(self.list(folder, start_after))
                if keys:
                    self.left_out.add(folder)
                yield from keys

    def _list_pages(
        self, prefix: str, start_after: str = "", **wanted: Any
    ) -> Iterator[Sequence[str]]:
        if start_after:
            wanted["StartAfter"] = self._prefix + start_after
        for page in self._pages(
            "ListObjectsV2", _NEXT_KEYS, Prefix=self._prefix + prefix, **wanted
        ):
            yield [listed["Key"].removeprefix(self._prefix) for listed in page.get("Contents", ())]

    def folders(self, prefix: str) -> None:
        return None

    def delete(self, keys: Iterable[str]) -> None:
        names = [self._prefix + key for key in keys]
        folders = dict.fromkeys(map(_folder, names))
        if names and self._is_versioned(names[-1]):
            # Without delete markers: an interrupted call leaves the rest listed.
            for folder in folders:
                self._purge(folder, names)
            return
        for folder in sorted(self._delete({"Key": name} for name in names)):
            self._purge(folder)

    def sweep(self) -> None:
        """Do nothing: an object appears whole or not at all."""

    def version(self, prefix: str) -> str | None:
        return None

    def _is_versioned(self, name: str) -> bool:
        """Return whether the bucket keeps versions of an object; reads one byte of it."""

        def read_version(s3: Any) -> str:
            answer = s3.get_object(Bucket=self._bucket, Key=name, Range="bytes=0-0")
            answer["Body"].read()
            return str(answer.get("VersionId", "null"))

        try:
            return self._aws.run("s3", "GetObject", self._where, read_version) != "null"
        except BackendError as exc:
            if exc.code not in ("NoSuchKey", "InvalidRange"):
                raise
            return False

    def check_region(self) -> None:
        """Check that the bucket is in the configured region, before anything is created there.

        Raises:
            SettingsError: it is in another one, which boto3 would silently use.
        """
        actual = self._ask("HeadBucket").get("BucketRegion")
        configured = self._aws.settings.region
        if self._aws.endpoint("s3").own:
            # Its regions have their own names, and boto3 stays at a given address.
            return
        if actual and actual != configured:
            raise SettingsError(
                f"AWS_REGION is {configured!r}, but {self._where} is in {actual!r}; set AWS_REGION "
                f"to {actual}"
            )

    def _purge(self, folder: str, names: Iterable[str] = ()) -> None:
        """Remove all versions of some objects, and of those that earlier calls deleted."""
        markers, versions = [], []
        for page in self._pages("ListObjectVersions", _NEXT_VERSIONS, Prefix=folder):
            markers += page.get("DeleteMarkers", [])
            versions += page.get("Versions", [])
        gone = {marker["Key"] for marker in markers if marker["IsLatest"]}.union(names)
        # The visible version goes last: while it exists, an interrupted call can be repeated.
        versions.sort(key=lambda version: version["IsLatest"])
        self._delete(
            {"Key": version["Key"], "VersionId": version["VersionId"]}
            for version in (*versions, *markers)
            if version["Key"] in gone
        )

    def _delete(self, objects: Iterable[dict[str, str]]) -> set[str]:
        """Delete in batches; return the folders where delete markers took the objects' place."""
        marked = set()
        for batch in batches(objects, _BATCH):
            answer = self._ask("DeleteObjects", Delete={"Objects": batch})
            for error in answer.get("Errors", ()):
                raise self._aws.error(
                    "s3", "DeleteObjects", self._where, error["Code"], error.get("Message", "")
                )
            marked |= {
                _folder(deleted["Key"])
                for deleted in answer.get("Deleted", ())
                if deleted.get("DeleteMarker")
            }
        return marked

    def _pages(
        self, operation: str, paging: dict[str, str], **members: Any
    ) -> Iterator[dict[str, Any]]:
        return self._aws.pages("s3", operation, self._where, paging, Bucket=self._bucket, **members)

    def _ask(self, operation: str, **members: Any) -> dict[str, Any]:
        return self._aws.ask("s3", operation, self._where, Bucket=self._bucket, **members)

    @property
    def _where(self) -> str:
        return f"bucket {self._bucket!r}"


def _folder(name: str) -> str:
    return name.rpartition("/")[0] + "/"
