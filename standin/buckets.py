"""Operations on vector buckets."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from .context import Context, Params, page_of_names
from .encryption import DEFAULT, encryption_of
from .errors import already_exists, conflict, invalid, policy_missing
from .models import CLASSIC, ENHANCED, VectorBucket
from .tags import check_tags

NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def create_vector_bucket(context: Context, params: Params) -> dict[str, Any]:
    """Create a bucket; a taken name is a conflict even for its owner."""
    name = params["vectorBucketName"]
    if not NAME.fullmatch(name):
        raise invalid("Invalid vector bucket name", "vectorBucketName")
    encryption = encryption_of(context, params) or DEFAULT
    tags = check_tags(params.get("tags", {}))
    arn = context.bucket_arn(name)
    if arn in context.world.buckets:
        raise already_exists("A vector bucket")
    old = context.switches.classic_only
    context.world.save_bucket(
        VectorBucket(
            name=name,
            arn=arn,
            region=context.region,
            created_at=context.now,
            encryption=encryption,
            default_mode=CLASSIC if old else ENHANCED,
            old=old,
            tags=tags,
        )
    )
    return {"vectorBucketArn": arn}


def get_vector_bucket(context: Context, params: Params) -> dict[str, Any]:
    """Describe a bucket."""
    bucket = context.bucket(params)
    described = _summary(bucket) | {"encryptionConfiguration": bucket.encryption}
    if not context.switches.classic_only:
        described["defaultIndexMode"] = bucket.default_mode
    return {"vectorBucket": described}


def list_vector_buckets(context: Context, params: Params) -> dict[str, Any]:
    """List the buckets of the caller's region."""
    buckets = {b.name: b for b in context.world.buckets.values() if b.region == context.region}
    names, token = page_of_names(context, params, f"buckets {context.region}", buckets)
    result: dict[str, Any] = {"vectorBuckets": [_summary(buckets[name]) for name in names]}
    return result | ({"nextToken": token} if token else {})


def delete_vector_bucket(context: Context, params: Params) -> dict[str, Any]:
    """Delete a bucket without indexes."""
    bucket = context.bucket(params)
    if context.world.indexes_of(bucket):
        raise conflict("The specified vector bucket is not empty")
    context.world.drop_bucket(bucket)
    return {}


def put_vector_bucket_policy(context: Context, params: Params) -> dict[str, Any]:
    """Keep a bucket policy; it is stored, never evaluated."""
    bucket = context.bucket(params)
    try:
        document = json.loads(params["policy"])
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise invalid("Invalid policy document", "policy")  # guess
    context.world.save_bucket(replace(bucket, policy=params["policy"]))
    return {}


def get_vector_bucket_policy(context: Context, params: Params) -> dict[str, Any]:
    """Return the bucket policy as it was put."""
    bucket = context.bucket(params)
    if bucket.policy is None:
        raise policy_missing()
    return {"policy": bucket.policy}


def delete_vector_bucket_policy(context: Context, params: Params) -> dict[str, Any]:
    """Remove the bucket policy, if there is one."""
    context.world.save_bucket(replace(context.bucket(params), policy=None))
    return {}


def put_vector_bucket_default_index_mode(context: Context, params: Params) -> dict[str, Any]:
    """Set the mode of indexes made from now on."""
    bucket, mode = context.bucket(params), params["defaultIndexMode"]
    if mode == CLASSIC and not bucket.old:
        raise invalid(
            "defaultIndexMode cannot be set to CLASSIC because this vector bucket "
            "does not support CLASSIC mode"
        )
    context.world.save_bucket(replace(bucket, default_mode=mode))
    return {}


def _summary(bucket: VectorBucket) -> dict[str, Any]:
    return {
        "vectorBucketName": bucket.name,
        "vectorBucketArn": bucket.arn,
        "creationTime": bucket.created_at,
    }
