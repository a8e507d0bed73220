"""What an operation needs besides its parameters, and how it finds buckets and indexes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .control import Control
from .errors import bucket_missing, index_missing, invalid
from .models import Index, VectorBucket, scatter
from .switches import Switches
from .tokens import issue, redeem
from .world import World

ACCOUNT = "123456789012"
PAGE_DEFAULT = 500
Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """One request's surroundings: the world, the caller's region, the switches."""

    world: World
    control: Control
    region: str
    switches: Switches

    @property
    def now(self) -> float:
        """Return the stand-in's time."""
        return self.control.now()

    def bucket_arn(self, name: str) -> str:
        """Return the ARN of a bucket in the caller's region."""
        return f"arn:aws:s3vectors:{self.region}:{ACCOUNT}:bucket/{name}"

    def bucket(self, params: Params) -> VectorBucket:
        """Find the bucket that a bucket operation names."""
        arn = bucket_address(self, params)
        if arn not in self.world.buckets:
            raise bucket_missing()
        return self.world.buckets[arn]

    def index(self, params: Params) -> Index:
        """Find the index that an index operation names."""
        arn = index_address(self, params)
        index = self.world.indexes.get(arn)
        if index is None or f":{self.region}:" not in arn:
            raise index_missing()
        return index


def bucket_address(context: Context, params: Params) -> str:
    """Return the ARN of the bucket named by name or ARN, existing or not."""
    if ("vectorBucketName" in params) == ("vectorBucketArn" in params):
        raise invalid("Must specify either vectorBucketName or vectorBucketArn but not both")
    if "vectorBucketArn" in params:
        return str(params["vectorBucketArn"])
    return context.bucket_arn(params["vectorBucketName"])


def index_address(context: Context, params: Params) -> str:
    """Return the ARN of the index named by names or ARN, existing or not."""
    given = params.keys() & {"vectorBucketName", "indexName", "indexArn"}
    if given == {"indexArn"}:
        return str(params["indexArn"])
    if given == {"vectorBucketName", "indexName"}:
        return f"{context.bucket_arn(params['vectorBucketName'])}/index/{params['indexName']}"
    raise invalid("Must specify either indexArn or both vectorBucketName and indexName")


def page_of_names(
    context: Context, params: Params, scope: str, names: Iterable[str]
) -> tuple[list[str], str | None]:
    """Return one page of bucket or index names, in no useful order, and the next token."""
    prefix = params.get("prefix", "")
    binding = [scope, prefix]
    limit = min(params.get("maxResults", PAGE_DEFAULT), context.switches.page_size or PAGE_DEFAULT)
    after = ""
    if "nextToken" in params:
        after = redeem(params["nextToken"], binding, context.now)
    places = sorted((scatter(name).hex() + name, name) for name in names if name.startswith(prefix))
    rest = [place for place in places if place[0] > after]
    page = rest[:limit]
    token = issue(binding, page[-1][0], context.now) if len(rest) > limit else None
    return [name for _, name in page], token
