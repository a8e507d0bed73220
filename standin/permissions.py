"""IAM denials: which actions a request needs, and the error when one is denied."""

from __future__ import annotations

from .context import Context, Params
from .errors import denied

OF_BUCKETS = frozenset(
    {
        "CreateVectorBucket",
        "DeleteVectorBucket",
        "DeleteVectorBucketPolicy",
        "GetVectorBucket",
        "GetVectorBucketPolicy",
        "ListIndexes",
        "PutVectorBucketDefaultIndexMode",
        "PutVectorBucketPolicy",
    }
)


def check_permissions(context: Context, operation: str, params: Params) -> None:
    """Raise AccessDenied if any needed action is denied."""
    for needed in needed_actions(operation, params):
        action = f"s3vectors:{needed}"
        if context.switches.denies(action):
            raise denied(action, resource_of(context, operation, params))


def needed_actions(operation: str, params: Params) -> list[str]:
    """Return the IAM actions of a request, its own first."""
    needed = [operation]
    if operation == "QueryVectors" and (
        "filter" in params or params.get("queryTexts") or params.get("returnMetadata")
    ):
        needed.append("GetVectors")
    if operation == "ListVectors" and (params.get("returnData") or params.get("returnMetadata")):
        needed.append("GetVectors")
    if operation in ("CreateVectorBucket", "CreateIndex") and params.get("tags"):
        needed.append("TagResource")
    return needed


def resource_of(context: Context, operation: str, params: Params) -> str:
    """Return the ARN the request is about, existing or not."""
    for given in ("resourceArn", "indexArn"):
        if isinstance(params.get(given), str):
            return str(params[given])
    if operation == "ListVectorBuckets":
        return "*"
    name = params.get("vectorBucketName", "*")
    bucket = params.get("vectorBucketArn") or context.bucket_arn(name)
    if operation in OF_BUCKETS:
        return bucket
    return f"{bucket}/index/{params.get('indexName', '*')}"
