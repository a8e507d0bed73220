"""Objects in an S3 bucket, below a prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ...errors import BackendError, EntryExists, SettingsError
from ..aws import Aws, each

_BATCH = 1000


class S3Objects:
    """One prefix of a bucket; nothing is asked of AWS before the first call."""

    lists_freely = False

    def __init__(self, aws: Aws, bucket: str, prefix: str) -> None:
        self._aws = aws
        self._bucket = bucket
        self._prefix = prefix

    def put_if_absent(self, key: str, data: bytes) -> None:
        try:
            self._ask("PutObject", Key=self._prefix + key, Body=data, IfNoneMatch="*")
        except BackendError as exc:
            if exc.code != "PreconditionFailed":
                raise
            raise EntryExists(f"object {key!r} exists already") from exc

    def get(self, key: str) -> bytes | None:
        def read(s3: Any) -> bytes:
            answer = s3.get_object(Bucket=self._bucket, Key=self._prefix + key)
            content: bytes = answer["Body"].read()
            return content

        try:
            return self._aws.run("s3", "GetObject", self._where, read)
        except BackendError as exc:
            if exc.code != "NoSuchKey":
                raise
            return None

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        wanted = list(keys)
        found = zip(wanted, each(self.get, wanted), strict=True)
        return {key: data for key, data in found if data is not None}

    def list(self, prefix: str, start_after: str = "") -> Iterator[str]:
        wanted = {"Prefix": self._prefix + prefix}
        if start_after:
            wanted["StartAfter"] = self._prefix + start_after
        paging = {"ContinuationToken": "NextContinuationToken"}
        for page in self._pages("ListObjectsV2", wanted, paging):
            for found in page.get("Contents", ()):
                yield found["Key"].removeprefix(self._prefix)

    def folders(self, prefix: str) -> None:
        return None

    def delete(self, keys: Iterable[str]) -> None:
        names = [self._prefix + key for key in keys]
        folders = dict.fromkeys(map(_folder, names))
        if names and self._is_versioned(names[-1]):
            # Without markers: what a call that is cut off did not reach is still listed.
            for folder in folders:
                self._purge(folder, names)
            return
        marked = {
            _folder(deleted["Key"])
            for deleted in self._delete({"Key": name} for name in names)
            if deleted.get("DeleteMarker")
        }
        for folder in folders:
            if folder in marked:
                self._purge(folder)

    def sweep(self) -> None:
        """Nothing is ever half-written: an object appears whole or not at all."""

    def version(self, prefix: str) -> str | None:
        return None

    def _is_versioned(self, name: str) -> bool:
        """Say whether the bucket keeps versions of an object; one byte of it is read."""

        def look(s3: Any) -> str:
            answer = s3.get_object(Bucket=self._bucket, Key=name, Range="bytes=0-0")
            answer["Body"].read()
            return str(answer.get("VersionId", "null"))

        try:
            return self._aws.run("s3", "GetObject", self._where, look) != "null"
        except BackendError as exc:
            if exc.code not in ("NoSuchKey", "InvalidRange"):
                raise
            return False

    def check_region(self) -> None:
        """See that the bucket is where the configuration says, before anything is made there.

        Raises:
            SettingsError: it is in another region; boto3 would follow it there in silence.
        """
        found = self._ask("HeadBucket").get("BucketRegion")
        wanted = self._aws.settings.region
        if found and found != wanted:
            raise SettingsError(
                f"AWS_REGION is {wanted!r}, but {self._where} is in {found!r}; set AWS_REGION to "
                f"{found}"
            )

    def _purge(self, folder: str, names: Iterable[str] = ()) -> None:
        """Remove all versions of some objects, and of those deleted by earlier calls."""
        paging = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
        markers, versions = [], []
        for page in self._pages("ListObjectVersions", {"Prefix": folder}, paging):
            markers += page.get("DeleteMarkers", [])
            versions += page.get("Versions", [])
        gone = {one["Key"] for one in markers if one["IsLatest"]}.union(names)
        # What is seen of an object comes last: while it is there, a call that was cut off can be
        # repeated.
        versions.sort(key=lambda one: one["IsLatest"])
        for _ in self._delete(
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for one in (*versions, *markers)
            if one["Key"] in gone
        ):
            pass

    def _delete(self, objects: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
        """Delete in batches; yield what the service says of each object."""
        rest = iter(objects)
        while batch := [*islice(rest, _BATCH)]:
            answer = self._ask("DeleteObjects", Delete={"Objects": batch})
            for error in answer.get("Errors", ()):
                raise self._aws.error(
                    "s3", "DeleteObjects", self._where, error["Code"], error.get("Message", "")
                )
            yield from answer.get("Deleted", ())

    def _pages(
        self, operation: str, wanted: dict[str, str], paging: dict[str, str]
    ) -> Iterator[dict[str, Any]]:
        """Yield every page; `paging` maps members of a request to those of the answer before."""
        more: dict[str, str] = {}
        while True:
            page = self._ask(operation, **wanted, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more = {ours: page[theirs] for ours, theirs in paging.items()}

    def _ask(self, operation: str, **members: Any) -> dict[str, Any]:
        return self._aws.ask("s3", operation, self._where, Bucket=self._bucket, **members)

    @property
    def _where(self) -> str:
        return f"bucket {self._bucket!r}"


def _folder(name: str) -> str:
    return name.rpartition("/")[0] + "/"
