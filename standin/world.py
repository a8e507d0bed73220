"""Everything the S3 Vectors service holds, in memory and, before that, on disk."""

from __future__ import annotations

from .models import Index, Vector, VectorBucket, VectorSet
from .state import Row, Store


class World:
    """Buckets and indexes by ARN. Each change is on disk before it can be seen.

    Not safe for threads by itself: the service lets in one request at a time.
    """

    def __init__(self, store: Store):
        self._store = store
        self.buckets: dict[str, VectorBucket] = {}
        self.indexes: dict[str, Index] = {}
        self._vectors: dict[str, VectorSet] = {}
        self._load()

    def vectors(self, index: Index) -> VectorSet:
        """Return the vectors of an index; change them only through this class."""
        return self._vectors[index.arn]

    def indexes_of(self, bucket: VectorBucket) -> list[Index]:
        """Return the indexes in a bucket."""
        return [index for index in self.indexes.values() if index.bucket_arn == bucket.arn]

    def save_bucket(self, bucket: VectorBucket) -> None:
        """Create or replace a bucket."""
        self._store.write(puts=[Row("bucket", "", bucket.arn, bucket.to_bytes())])
        self.buckets[bucket.arn] = bucket

    def drop_bucket(self, bucket: VectorBucket) -> None:
        """Remove a bucket, which must be empty."""
        self._store.write(deletes=[Row("bucket", "", bucket.arn)])
        del self.buckets[bucket.arn]

    def save_index(self, index: Index) -> None:
        """Create an index, or replace its description and keep its vectors."""
        self._store.write(puts=[Row("index", "", index.arn, index.to_bytes())])
        self.indexes[index.arn] = index
        self._vectors.setdefault(index.arn, VectorSet())

    def drop_index(self, index: Index) -> None:
        """Remove an index and its vectors."""
        self._store.drop_owner("vector", index.arn, also=[Row("index", "", index.arn)])
        del self.indexes[index.arn], self._vectors[index.arn]

    def put_vectors(self, index: Index, vectors: list[Vector]) -> None:
        """Add or replace vectors, all of them or none."""
        self._store.write(puts=[Row("vector", index.arn, v.key, v.to_bytes()) for v in vectors])
        self._vectors[index.arn].put(vectors)

    def delete_vectors(self, index: Index, keys: list[str]) -> None:
        """Remove vectors, all of them or none."""
        self._store.write(deletes=[Row("vector", index.arn, key) for key in keys])
        self._vectors[index.arn].delete(keys)

    def _load(self) -> None:
        for row in self._store.rows("bucket"):
            self.buckets[row.name] = VectorBucket.from_bytes(row.value)
        for row in self._store.rows("index"):
            self.indexes[row.name] = Index.from_bytes(row.value)
        loaded: dict[str, list[Vector]] = {arn: [] for arn in self.indexes}
        for row in self._store.rows("vector"):
            dimension = self.indexes[row.owner].dimension
            loaded[row.owner].append(Vector.from_bytes(row.name, row.value, dimension))
        for arn, vectors in loaded.items():
            self._vectors[arn] = VectorSet()
            self._vectors[arn].put(vectors)
